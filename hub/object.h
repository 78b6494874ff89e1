/* object.h - whatever a greenlet can wait for, in one form
 *
 * A greenlet, an event, a semaphore ... each has a function that makes a struct
 * hub_object of it: a small value, copied freely, good as long as what it stands
 * for.  What takes one works for all of them. */
#ifndef VIREO_OBJECT_H
#define VIREO_OBJECT_H

/* Before hub.h, which includes headers with functions that return one. */
struct hub_object_ops; /* the library's */
struct hub_object {
    const struct hub_object_ops *ops;
    void *pointer;
};

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Would a wait for it return at once?  An event that is set, a semaphore that can
 * be acquired, a queue that is not empty, a greenlet or a result that is there.
 * Thread-safe where the object is. */
HUB_API bool hub_object_ready(struct hub_object object);

/* A call that is made once, when an object is ready.  The program's; to be left
 * alone and in its place from hub_rawlink() until it was called or
 * hub_unlink() has returned. */
struct hub_link {
    uint64_t private_[20];
};
typedef void hub_link_function(struct hub_object object, void *arg);

/* Call function(object, arg) in the loop of this thread when the object is ready,
 * or soon if it is; never before this has returned.  The call must not wait
 * (-EDEADLK).  Links are called in the order in which they were made, and with
 * them those greenlets run that wait for the object.  For a semaphore or a queue
 * the call says that there was something to have; it may be gone again.
 *
 * Ownership: link and object are kept until the call, or hub_unlink().
 * Returns 0; -EINVAL without a function or an object; -EBUSY when the link is in
 * use; -EXDEV when the object belongs to another hub, and does not work across
 * hubs; -ENOMEM when no hub could be made.  A link that was never used is all
 * zero. */
HUB_API int hub_rawlink(struct hub_link *link, struct hub_object object,
                        hub_link_function *function, void *arg);

/* It will not be called.  Returns 0, -ENOENT when it has been called or was never
 * linked, -EXDEV in another thread than hub_rawlink(). */
HUB_API int hub_unlink(struct hub_link *link);

#ifdef __cplusplus
}
#endif
#endif
