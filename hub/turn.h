/* turn.h - one greenlet at a time, the oldest first: inside a stream
 *
 * For greenlets of one hub.  It is handed over: nobody can come in between. */
#ifndef HUB_TURN_H
#define HUB_TURN_H

#include "hub/hub_impl.h"

struct hub__turn {
    struct hub__turn_wait *first;
    bool taken;
};

/* Returns 0, -EAGAIN for HUB_NOWAIT, or why the wait ended early. */
int hub__turn_take(struct hub__turn *turn, int64_t deadline_ns);
void hub__turn_give(struct hub__turn *turn);

#endif
