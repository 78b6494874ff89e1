/* permits.h - a count of places, for pools: taken in the order of asking
 *
 * For one hub.  A place is handed to who waits for it, so that nobody who comes
 * later gets it first, and is passed on if the wait ended by something else in
 * the same moment. */
#ifndef HUB_PERMITS_H
#define HUB_PERMITS_H

#include "hub/hub_impl.h"

struct hub__permit_wait;
struct hub__permits {
    size_t free;
    struct hub__permit_wait *first, **last;
    const struct hub__wait_kind *kind;
    const void *object; /* for the reports */
};

void hub__permits_init(struct hub__permits *permits, size_t free,
                       const struct hub__wait_kind *kind, const void *object);
/* Returns 0, or why the wait ended.  Switches. */
int hub__permits_take(struct hub__permits *permits, int64_t deadline_ns);
bool hub__permits_try(struct hub__permits *permits);
/* Wait until there is one, without taking it.  Switches. */
int hub__permits_wait(struct hub__permits *permits, int64_t deadline_ns);
void hub__permits_give(struct hub__permits *permits);

#endif
