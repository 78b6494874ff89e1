/* pool.h - groups of greenlets; a pool is a group that has only so many places
 *
 * A group keeps the greenlets that were added to it until they have ended.
 * It is for the thread that made it: from another one its calls return
 * -EXDEV. */
#ifndef VIREO_POOL_H
#define VIREO_POOL_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hub_group;

/* A group without a limit, and a pool of `size` greenlets; a size of 0 is a
 * pool that is always full.
 *
 * Ownership: given, ended with hub_group_free().
 * Returns NULL when there is no memory, or no hub. */
HUB_API struct hub_group *hub_group_new(void);
HUB_API struct hub_group *hub_pool_new(size_t size);

/* The greenlets in it run on, and belong to no group any more.  Nobody may
 * be waiting on it (else it is freed when the last has returned, whose waits
 * end with -ECANCELED).  NULL is fine. */
HUB_API void hub_group_free(struct hub_group *group);

/* hub_spawn() into it.  A pool that is full makes the caller wait for a place:
 * the oldest who waits goes first.  *g (unless g is NULL) is given.  Switches.
 * Returns 0; -EAGAIN when the deadline came and the pool is still full;
 * -EXDEV; -EINVAL without run; -ENOMEM when no stack could be mapped; or why
 * the wait ended early. */
HUB_API int hub_group_spawn(struct hub_group *group, greenlet_run *run,
                            void *arg, int64_t deadline_ns,
                            struct greenlet **g);

/* Add one that exists, waiting for a place as hub_group_spawn() does; one that
 * has ended takes none, and one that is in it already is left alone.
 * hub_group_start() starts it, too.  Switches.
 * Returns as hub_group_spawn(). */
HUB_API int hub_group_add(struct hub_group *group, struct greenlet *g,
                          int64_t deadline_ns);
HUB_API int hub_group_start(struct hub_group *group, struct greenlet *g,
                            int64_t deadline_ns);

/* It is in the group no more; it runs on.  Returns 0, -ENOENT, -EXDEV. */
HUB_API int hub_group_discard(struct hub_group *group, struct greenlet *g);

/* How many are in it; is this one? */
HUB_API size_t hub_group_count(const struct hub_group *group);
HUB_API bool hub_group_contains(const struct hub_group *group,
                                const struct greenlet *g);
/* Call each(g, data) for all in it until it returns other than 0, which is
 * returned.  It must not switch, nor change the group. */
HUB_API int hub_group_each(const struct hub_group *group,
                           int (*each)(struct greenlet *g, void *data),
                           void *data);

/* Places that are free: SIZE_MAX in a group without a limit. */
HUB_API size_t hub_group_free_count(const struct hub_group *group);
HUB_API bool hub_group_full(const struct hub_group *group);
/* Wait until there is a free place; somebody else may take it.  Switches.
 * Returns 0, -ETIMEDOUT, -EXDEV, or why it ended early. */
HUB_API int hub_group_wait_available(struct hub_group *group,
                                     int64_t deadline_ns);

/* Wait until it was empty once; more may have been added since.  With
 * HUB_JOIN_RAISE the first that has failed since the last such join makes it
 * return that error, with a record of its class for greenlet_caught().
 * Switches.
 * Returns 0, -ETIMEDOUT, -EXDEV, or why it ended early. */
HUB_API int hub_group_join(struct hub_group *group, int64_t deadline_ns,
                           unsigned flags);

/* Kill all that are in it, and those that are added meanwhile, until it is
 * empty. The record is as for hub_killall(), or NULL.  A deadline that passes
 * says nothing.  Who is in the group itself is killed with the others, which
 * ends its wait.  Switches.
 * Returns 0, -EXDEV, -EINVAL, or why it ended early. */
HUB_API int hub_group_kill(struct hub_group *group,
                           const struct greenlet_exception *exception,
                           int64_t deadline_ns);

/* ---- calls --------------------------------------------------------------- */

/* run(arg, result) in a greenlet of the group, waited for; in the calling one
 * if that is in the group already.  If the wait ends early the greenlet is left
 * to itself.  Switches.
 * Returns what run returns; as hub_group_spawn(); or why the wait ended
 * early. */
HUB_API int hub_group_apply(struct hub_group *group, greenlet_run *run,
                            void *arg, int64_t deadline_ns, void **result);

/* run(items[i], &results[i]) for all, in greenlets of the group, with as many
 * at a time as it has places.  The first error in the order of items is
 * returned as soon as it is reached; the others run on.
 *
 * Ownership: results that were reached are given, the other places are NULL;
 * drop (unless NULL) is called for each result that comes later.
 * Returns 0, the error, as hub_group_spawn(), or why the wait ended early.
 * Switches. */
HUB_API int hub_group_map(struct hub_group *group, greenlet_run *run,
                          void *const *items, size_t n, int64_t deadline_ns,
                          void **results, void (*drop)(void *result));

/* Where items come from: called in a greenlet of its own, may wait.  Returns 1
 * with *item, 0 at the end, or a negative errno, which ends the results. */
typedef int hub_source(void *data, void **item);

struct hub_imap_options {
    greenlet_run *run;
    hub_source *next;
    void *data;                 /* for next */
    void (*drop)(void *result); /* of results that nobody reads, or NULL */
    size_t maxsize; /* at most so many are unread, or being made; 0: any */
    bool unordered; /* results come in the order of ending, not of the items */
};

/* Results one by one: new, next until it returns 0, free.  Items are taken from
 * the source, and run(item, &result) called in greenlets of the group, as there
 * is room.
 *
 * Returns NULL without run or next, memory, or a stack. */
struct hub_imap;
HUB_API struct hub_imap *hub_group_imap(struct hub_group *group,
                                        const struct hub_imap_options *options);

/* The next result.  Switches.
 * Returns 1 with *result given; 0 at the end; the error that run or the
 * source ended with, when it is reached (hub_imap_failed() is true then, and
 * after run's the next call goes on); -ETIMEDOUT, or why the wait ended
 * early. */
HUB_API int hub_imap_next(struct hub_imap *imap, int64_t deadline_ns,
                          void **result);
/* Did run or the source end with the error that the last call returned? */
HUB_API bool hub_imap_failed(const struct hub_imap *imap);

/* No more items are taken.  Calls under way run on, and what they return is
 * dropped.  NULL is fine. */
HUB_API void hub_imap_free(struct hub_imap *imap);

#ifdef __cplusplus
}
#endif
#endif
