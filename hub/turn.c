/* turn.c - one greenlet at a time, the oldest first */
#include "hub/turn.h"

#include <errno.h>

struct hub__turn_wait {
    struct hub__turn_wait *next;
    struct hub__waiter *waiter;
    bool given;
};

static const struct hub__wait_kind waits_for_turn = {
    "another greenlet to be done with the stream", NULL};

static void append(struct hub__turn *turn, struct hub__turn_wait *wait)
{
    struct hub__turn_wait **end = &turn->first;

    while (*end != NULL)
        end = &(*end)->next;
    *end = wait;
}

static void take_out(struct hub__turn *turn, const struct hub__turn_wait *wait)
{
    struct hub__turn_wait **at = &turn->first;

    while (*at != NULL && *at != wait)
        at = &(*at)->next;
    if (*at != NULL)
        *at = wait->next;
}

/* Its wait may end by an error after it was given the turn. */
static int wait_for(struct hub__turn *turn, int64_t deadline_ns)
{
    struct hub__waiter waiter;
    struct hub__turn_wait wait = {NULL, &waiter, false};
    int rc = hub__waiter_begin(&waiter, &waits_for_turn, turn);

    if (rc < 0)
        return rc;
    append(turn, &wait);
    rc = hub__park_cancelable(&waiter, deadline_ns);
    if (rc == 0)
        return 0;
    if (wait.given)
        hub__turn_give(turn);
    else
        take_out(turn, &wait);
    return rc;
}

int hub__turn_take(struct hub__turn *turn, int64_t deadline_ns)
{
    if (!turn->taken) {
        turn->taken = true;
        return 0;
    }
    return deadline_ns == HUB_NOWAIT ? -EAGAIN : wait_for(turn, deadline_ns);
}

void hub__turn_give(struct hub__turn *turn)
{
    struct hub__turn_wait *next;

    while ((next = turn->first) != NULL) {
        turn->first = next->next;
        if (hub__wake(next->waiter, 0)) {
            next->given = true;
            return;
        }
        /* its wait has ended already: it will not find itself here */
    }
    turn->taken = false;
}
