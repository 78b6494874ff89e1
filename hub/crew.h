/* crew.h - descriptors that have a greenlet only while there is something to
 * read
 *
 * Of ten thousand connections most wait for their client, and all that waits is
 * a stack that nobody runs on.  Here a post waits, which is a few words; when
 * its descriptor can be read, a greenlet of the crew is with it until it waits
 * again.  Those who are ready together are served one after the other on one
 * stack, without a switch between them; a call that waits has its greenlet for
 * itself, and the next post gets another.
 *
 * A crew belongs to the hub of the thread that made it, and its calls are for
 * that thread. */
#ifndef VIREO_CREW_H
#define VIREO_CREW_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hub_crew;

/* One descriptor's place.  The caller's memory, best at the beginning of a cache
 * line; set by hub_crew_post_init(). */
struct hub_crew_post {
    void *kept[9];
};

/* Be with a post: something can be read (0), or why it is called all the same.
 * Runs in a greenlet of the crew, which is as a new one at the beginning: no
 * values of context variables, no greenlet locals, no name, no kill that was
 * meant for another.  It may wait; the post is called again only after
 * hub_crew_wait() or hub_crew_call(), and may be freed otherwise. */
typedef void hub_crew_function(struct hub_crew_post *post, int error);

/* stack_size 0: the default.  Ownership: *crew is given to the caller.
 * Returns 0 or -ENOMEM. */
HUB_API int hub_crew_new(hub_crew_function *function, size_t stack_size,
                         struct hub_crew **crew);

/* No post of it waits.  May be called by its function. */
HUB_API void hub_crew_free(struct hub_crew *crew);

/* Before its first use. */
HUB_API void hub_crew_post_init(struct hub_crew_post *post,
                                struct hub_crew *crew);

/* Have it called when fd can be read.  Ownership: the post is kept until it is.
 * Before the hub goes it is called with -ECANCELED; in the child of a fork that keeps
 * no greenlets it does not wait.
 * Returns 0; -EBADF, -EPERM for a file that cannot be watched, -ENOMEM;
 * -ECANCELED: the hub has gone. */
HUB_API int hub_crew_wait(struct hub_crew_post *post, int fd);

/* Have it called soon, with that error or 0, also when it waits.  Not while a
 * greenlet is with it, but by that one, at the end. */
HUB_API void hub_crew_call(struct hub_crew_post *post, int error);

/* Once a second, or so: pages of stacks that are free go back to the system,
 * beyond as many as the crew has had in use at once since the last call; also
 * those of others, of the default size.  The first page of each stays. */
HUB_API void hub_crew_settle(struct hub_crew *crew);

#ifdef __cplusplus
}
#endif
#endif
