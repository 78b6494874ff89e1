/* wait.h - waiting for several objects, or greenlets, in the order of
 * readiness */
#ifndef VIREO_WAIT_H
#define VIREO_WAIT_H

#include "hub/hub.h"
#include "hub/object.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A greenlet as an object: it is ready once it has ended.  Good while g is; for
 * the thread of g. */
HUB_API struct hub_object hub_greenlet_object(struct greenlet *g);

/* Wait until `count` of objects[0 ... n-1] are ready; 0, or more than there
 * are: all.  Their places are left in ready[] (room for n, or NULL), in the
 * order in which they became ready; those that are ready already count in the
 * order of the array.  An object that is in it twice counts twice.  Nothing is
 * taken: of a semaphore or a queue it says that there was something to have.  n
 * == 0 with objects NULL is hub_drain().  Switches.
 *
 * Returns how many are ready: less than asked for when the deadline came
 * first; -EINVAL for an object without anything in it, -EXDEV for one that
 * belongs to another hub and does not work across hubs, -ENOMEM, or why it
 * ended early. */
HUB_API int hub_wait(const struct hub_object *objects, size_t n,
                     int64_t deadline_ns, size_t count, size_t *ready);

/* The same one by one: new, next until it returns 0, free.  Objects are
 * linked until free, which must be called.  new returns NULL when one could
 * not be linked (greenlet_caught() says why) or without memory. */
struct hub_iwait;
HUB_API struct hub_iwait *hub_iwait_new(const struct hub_object *objects,
                                        size_t n, size_t count);
/* Returns 1 with the place in *index; 0 when `count` were given or the
 * deadline came, which ends it: hub_iwait_left() tells; or why it ended
 * early.  Switches. */
HUB_API int hub_iwait_next(struct hub_iwait *iwait, int64_t deadline_ns,
                           size_t *index);
/* How many of `count` have not been given. */
HUB_API size_t hub_iwait_left(const struct hub_iwait *iwait);
/* NULL is fine. */
HUB_API void hub_iwait_free(struct hub_iwait *iwait);

enum { HUB_JOIN_RAISE = 1 };

/* Wait until `count` of list[0 ... n-1] have ended; 0, or more than there are:
 * all.  finished[] (room for n, or NULL) gets them in the order of ending, the
 * rest is NULL.  With HUB_JOIN_RAISE the first that has failed ends it: its
 * error is returned, with its record for greenlet_caught(), and it is the last
 * in finished[].  Switches.
 *
 * Returns how many are in finished[]: less than asked for when the deadline
 * came first; -EXDEV, -ENOMEM, or why it ended early. */
HUB_API int hub_joinall(struct greenlet *const *list, size_t n,
                        int64_t deadline_ns, unsigned flags, size_t count,
                        struct greenlet **finished);

#ifdef __cplusplus
}
#endif
#endif
