/* object_impl.h - what an object that can be waited for has to offer
 *
 * Rules: link and unlink may be called by several threads where the object is
 * shared between them.  A link's notify is called with the object's lock held
 * (if it has one) and the link taken out; so after unlink() nobody touches the
 * link any more, whether or not it was notified, and it may lie on the stack of
 * who waits. */
#ifndef HUB_OBJECT_IMPL_H
#define HUB_OBJECT_IMPL_H

#include "hub/hub_impl.h"
#include "hub/object.h"

struct hub_object_ops {
    const struct hub__wait_kind *kind; /* what it is, for people */
    /* Would a wait for it return at once?  Thread-safe where the object is. */
    bool (*ready)(const void *object);
    /* Have link->notify(link) called once, when it is ready.
     * Returns 0; 1 when it is ready now: then it is not linked, and nothing is
     * called; or a negative errno (-EXDEV, with a record: not in this hub). */
    int (*link)(const struct hub_object *object, struct hub__link *link);
    /* Take it out, if it is still in; link->next must have been NULL or linked.
     * True: it was in, and notify was not called. */
    bool (*unlink)(const struct hub_object *object, struct hub__link *link);
};

#endif
