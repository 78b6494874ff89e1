/* threadpool.h - work for real threads: queued, bounded, with results
 *
 * For what blocks or computes.  A pool belongs to the hub that it was made in;
 * its calls are for the greenlets of that hub (others get -EXDEV).  Threads are
 * made on demand, and end when they have been idle for a while.  In the child of
 * a fork() a pool has no threads and makes new ones: work that had begun in the
 * parent has ended there with -ECANCELED, and by the rule HUB_FORK_ALONE so has
 * what was queued. */
#ifndef VIREO_THREADPOOL_H
#define VIREO_THREADPOOL_H

#include "hub/hub.h"
#include "hub/object.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hub_threadpool;
struct hub_work;

#define HUB_THREADPOOL_MAXSIZE 10      /* threads, unless said otherwise */
#define HUB_THREADPOOL_UNBOUNDED UINT32_MAX

/* The pool of this hub, which closes with it: 10 threads, or what the option
 * `threadpool_size` says (config.h), and no queue; idle threads end after 5 s, or
 * `threadpool_idle_timeout`.  Borrowed; NULL: no memory, no hub. */
HUB_API struct hub_threadpool *hub_threadpool_default(void);

/* A pool of at most `maxsize` threads (0: as the default one), which takes up to `queue` pieces
 * of work more than it has threads for.
 * Ownership: given (hub_threadpool_unref()).  NULL: no memory, no hub. */
HUB_API struct hub_threadpool *hub_threadpool_new(uint32_t maxsize,
                                                  uint32_t queue);
HUB_API struct hub_threadpool *hub_threadpool_ref(struct hub_threadpool *pool);

/* After the last one its threads end when they have done what is queued. */
HUB_API void hub_threadpool_unref(struct hub_threadpool *pool);

/* Let a thread call run(arg, &result), as hub_spawn() does, but there: no greenlet
 * of the caller's is its own.  While threads and queue are full the caller waits,
 * the oldest first, and can be killed; HUB_NOWAIT: it does not.  A failure is
 * reported once (hub_set_error_handler()) and kept for hub_work_get().
 *
 * Ownership: *work is given (hub_work_unref()); NULL: nobody asks.  arg and result
 * pass through.  Switches if it waits.
 * Returns 0; -EAGAIN with HUB_NOWAIT, or when there is no thread and none can be
 * made; -ESHUTDOWN after hub_threadpool_kill(); -EXDEV; -ENOMEM; or why the wait
 * ended early. */
HUB_API int hub_threadpool_spawn(struct hub_threadpool *pool, greenlet_run *run,
                                 void *arg, int64_t deadline_ns,
                                 struct hub_work **work);

/* The same, and wait for the result.  On a thread of this pool it calls run at
 * once.  When the wait ends early, work that has not begun never does; what has
 * begun goes on, so arg must then stay.  Switches.
 * Returns 0 with *result (unless NULL), what run returned, or as
 * hub_threadpool_spawn(). */
HUB_API int hub_threadpool_apply(struct hub_threadpool *pool, greenlet_run *run,
                                 void *arg, int64_t deadline_ns, void **result);

/* Wait until no work is queued or under way.  Switches.
 * Returns 0, -EXDEV, or why it ended early. */
HUB_API int hub_threadpool_join(struct hub_threadpool *pool,
                                int64_t deadline_ns);

/* Cancel what is queued, take nothing more, and wait for what has begun.  The
 * default pool is another one afterwards.  Switches.
 * Returns as hub_threadpool_join(). */
HUB_API int hub_threadpool_kill(struct hub_threadpool *pool,
                                int64_t deadline_ns);

/* Another number of threads: those that are too many end when they have nothing
 * to do.  Returns 0, -EINVAL for 0, -EXDEV. */
HUB_API int hub_threadpool_set_maxsize(struct hub_threadpool *pool,
                                       uint32_t maxsize);

/* How long a thread stays without work; HUB_FOREVER: for ever.
 * Returns 0, -EXDEV. */
HUB_API int hub_threadpool_set_idle(struct hub_threadpool *pool, int64_t ns);

struct hub_threadpool_counts {
    uint32_t maxsize, queue; /* limits */
    uint32_t threads, idle;
    uint32_t queued, running;
    uint32_t waiting; /* greenlets in hub_threadpool_spawn() */
};

/* Where it stands.  Thread-safe but for `waiting`. */
HUB_API void hub_threadpool_count(struct hub_threadpool *pool,
                                  struct hub_threadpool_counts *counts);

/* Is its result there? */
HUB_API bool hub_work_ready(const struct hub_work *work);

/* Wait for it.  Any number may ask.  Switches.
 * Returns 0 with *result (unless NULL), what run returned, -ECANCELED when it was
 * cancelled or its hub has closed, -EXDEV, or why the wait ended early. */
HUB_API int hub_work_get(struct hub_work *work, int64_t deadline_ns,
                         void **result);

/* The record it failed with; NULL: none, or not yet.  Borrowed from work. */
HUB_API const struct greenlet_exception *
hub_work_exception(const struct hub_work *work);

/* It never begins; its result is there at once.
 * Returns 0, -EBUSY when it has begun, -EALREADY when it has ended, -EXDEV. */
HUB_API int hub_work_cancel(struct hub_work *work);

/* Work as an object for hub_wait(), hub_rawlink() and their like (object.h): it is
 * ready once its result is there.  Good while work is, and for its hub's thread. */
HUB_API struct hub_object hub_work_object(struct hub_work *work);

/* Nobody asks any more; it goes on. */
HUB_API void hub_work_unref(struct hub_work *work);

#ifdef __cplusplus
}
#endif
#endif
