/* schedule.h - the ready list and the switch away, inline
 *
 * A switch leaves the return predictor with the other greenlet's calls, so each
 * `ret` between the jump and the program's code is mispredicted (10 ns).  The
 * few functions on that way have the jump inlined and end by an indirect jump
 * (HUB__SWITCHES), which is predicted like any other. */
#ifndef HUB_SCHEDULE_H
#define HUB_SCHEDULE_H

#include "context/switch.h"
#include "hub/hub_impl.h"

#define HUB__SWITCHES GREENLET__SWITCHES
#define TICKS_A_LOOK 64      /* switches between looks at the clock */
/* Then poll if that long ago and all that the last poll woke have run: those who
 * have not yet read would only be reported again, and whoever else is ready now
 * queues behind them anyway. */
#define POLL_EVERY_NS 200000

static inline void hub__push_ready(struct hub *hub, struct greenlet *g)
{
    g->next = NULL;
    if (hub->ready_tail != NULL)
        hub->ready_tail->next = g;
    else
        hub->ready_head = g;
    hub->ready_tail = g;
}

/* Every so often the loop goes first, so that greenlets that never wait for it
 * cannot keep it from those that do.  The clock is read once in 64 switches. */
bool hub__poll_is_due(struct hub *hub);

static inline struct greenlet *hub__next_to_run(struct hub *hub)
{
    struct greenlet *g = hub->ready_head;

    if (unlikely(g == NULL))
        return hub->greenlet;
    if (unlikely(++hub->tick >= TICKS_A_LOOK) && hub__poll_is_due(hub))
        return hub->greenlet;
    hub->ready_head = g->next;
    if (g->next == NULL)
        hub->ready_tail = NULL;
    if (unlikely(g == hub->batch_last))
        hub->batch_last = NULL;
    return g;
}

/* Run somebody else; the caller is on the ready list, parked, or the hub. */
static inline __attribute__((always_inline)) void
hub__reschedule(struct hub *hub)
{
    struct greenlet *next;

    hub__enter(hub);
    next = hub__next_to_run(hub);
    hub->switches++;
    hub__exit(hub);
    greenlet__resume(next);
}

int hub__park_thread(struct hub__waiter *waiter, int64_t deadline_ns);
int hub__park_prepare(struct hub__waiter *waiter, int64_t deadline_ns);
void hub__park_finish(struct hub__waiter *waiter);

/* hub__park() for those who return to the program themselves. */
static inline __attribute__((always_inline)) int
hub__park_inline(struct hub__waiter *waiter, int64_t deadline_ns)
{
    if (unlikely(waiter->hub == NULL))
        return hub__park_thread(waiter, deadline_ns);
    if (deadline_ns != HUB_FOREVER || waiter->interruptible) {
        int rc = hub__park_prepare(waiter, deadline_ns);

        if (rc < 0)
            return rc;
    }
    hub__reschedule(waiter->hub);
    if (waiter->interruptible_back != NULL ||
        waiter->heap_index != HUB__NO_INDEX)
        hub__park_finish(waiter);
    return waiter->result;
}

static inline void hub__waiter_init_inline(struct hub__waiter *waiter)
{
    struct hub *hub = hub__peek();

    waiter->hub = hub;
    waiter->greenlet = hub != NULL ? greenlet__word->current : NULL;
    if (hub != NULL && unlikely(waiter->greenlet == hub->greenlet))
        waiter->hub = NULL; /* the loop itself never parks: it blocks */
    waiter->state = WAITER_WAITING;
    waiter->result = 0;
    waiter->heap_index = HUB__NO_INDEX;
    waiter->interruptible = HUB_NOT_INTERRUPTED;
    waiter->interruptible_back = NULL;
}

/* hub__park() that hub_kill() can end with -ECANCELED. */
static inline __attribute__((always_inline)) int
hub__park_cancelable(struct hub__waiter *waiter, int64_t deadline_ns)
{
    struct greenlet *self = waiter->greenlet;
    int rc;

    if (unlikely(self == NULL))
        return hub__park_thread(waiter, deadline_ns);
    if (unlikely(self->hub_data[HUB_DATA_KILLED] != NULL)) {
        self->hub_data[HUB_DATA_KILLED] = NULL;
        if (hub__waiter_close(waiter))
            return -ECANCELED;
    }
    self->hub_data[HUB_DATA_WAITER] = waiter;
    rc = hub__park_inline(waiter, deadline_ns);
    self->hub_data[HUB_DATA_WAITER] = NULL;
    return rc;
}

#endif
