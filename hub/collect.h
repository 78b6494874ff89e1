/* collect.h - which of several objects is ready first
 *
 * A collector links itself to each and keeps what it is told of, in that order,
 * until it is asked.  Objects of other threads may tell it: a lock of a few
 * instructions guards the list and the wait. */
#ifndef HUB_COLLECT_H
#define HUB_COLLECT_H

#include "hub/object_impl.h"

struct hub__collected {
    struct hub__link link;
    struct hub_object object;
    struct hub__collector *collector;
    struct hub__collected *next; /* among those that were told */
};

struct hub__collector {
    uint32_t lock;
    struct hub__collected *first, **last; /* told, and not yet taken */
    struct hub__waiter *waiter;           /* who waits for the next */
    struct hub__collected *nodes;
    size_t count, linked, taken;
    bool waited; /* others had their turn since it was opened */
};

/* Link to all.  Returns 0, -ENOMEM, or why one would not have it; then
 * nothing is linked.  The objects are copied. */
int hub__collector_open(struct hub__collector *collector,
                        const struct hub_object *objects, size_t n);
/* The next that is ready: 1 with its place in *index; 0: there was one of each;
 * or why the wait ended, with nothing taken.  Switches. */
int hub__collector_next(struct hub__collector *collector, int64_t deadline_ns,
                        size_t *index);
void hub__collector_close(struct hub__collector *collector);

#endif
