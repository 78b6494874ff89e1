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
#define TICKS_A_LOOK 50 /* switches and callbacks between looks at the clock */
/* How often a busy hub lets the loop go first, unless some whom the last poll
 * woke have not run yet: their fds would only be reported again, and whoever else
 * is ready now queues behind them anyway. */
#define POLL_EVERY_NS 5000000
#define POLL_EVERY_LENIENT_NS 200000 /* for threads of a program (preload) */

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
 * cannot keep it from those that do.  The clock is read once in 50 switches. */
bool hub__poll_is_due(struct hub *hub);

static inline struct greenlet *hub__next_to_run(struct hub *hub)
{
    struct greenlet *g = hub->ready_head;
    uint64_t switches = greenlet__read(hub->switches) + 1;

    greenlet__write(hub->switches, switches);
    if (unlikely(g == NULL))
        return hub->greenlet;
    if (unlikely(switches >= hub->look_at)) {
        if (hub__poll_is_due(hub))
            return hub->greenlet;
        g = hub->ready_head; /* another, if tests have it so */
    }
    if (unlikely(g->thread == NULL)) /* a callback: the loop's business */
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
    hub__exit(hub);
    greenlet__resume(next);
}

/* The running greenlet has ended: run `next`, and never come back. */
static inline __attribute__((always_inline, noreturn)) void
hub__leave_for(struct greenlet *self, struct greenlet *next)
{
    struct greenlet__thread *thread = self->thread;

    if (likely(next->thread == thread))
        greenlet__leave_in(thread, self, next);
    greenlet__leave(next);
}

int hub__park_thread(struct hub__waiter *waiter, int64_t deadline_ns);
int hub__park_prepare(struct hub__waiter *waiter, int64_t deadline_ns);
void hub__park_finish(struct hub__waiter *waiter);
int hub__run_by_other(struct greenlet *self, const struct hub__waiter *waiter);

/* Suspend `self` until its hub resumes it.  What switches to it meanwhile, or
 * throws into it, takes it out of `waiter` first (NULL: of the ready list). */
static inline __attribute__((always_inline)) void
hub__suspend(struct hub *hub, struct greenlet *self, struct hub__waiter *waiter)
{
    hub__own(self)->waiter = waiter;
    greenlet__write(self->state, GREENLET_WAITING);
    hub__reschedule(hub);
    greenlet__write(self->state, GREENLET_ACTIVE);
}

/* Run whoever is ready before `self`, which goes behind them.  What is written
 * last is read first: the stores in between let it settle. */
static inline __attribute__((always_inline)) void
hub__suspend_ready(struct hub *hub, struct greenlet *self)
{
    struct greenlet *next;

    hub__enter(hub);
    hub__push_ready(hub, self);
    hub__own(self)->waiter = NULL;
    greenlet__write(self->state, GREENLET_WAITING);
    next = hub__next_to_run(hub);
    hub__exit(hub);
    if (unlikely(next == self && (greenlet__word->tools & TOOL_WATCHED) != 0))
        greenlet__watch_switch(self, self); /* nobody takes its turn */
    greenlet__resume(next);
    greenlet__write(self->state, GREENLET_ACTIVE);
}

/* hub__park() for those who return to the program themselves. */
static inline __attribute__((always_inline)) int
hub__park_inline(struct hub__waiter *waiter, int64_t deadline_ns)
{
    int rc;

    if (unlikely(waiter->hub == NULL))
        return hub__park_thread(waiter, deadline_ns);
    if (deadline_ns != HUB_FOREVER || waiter->interruptible) {
        rc = hub__park_prepare(waiter, deadline_ns);
        if (rc < 0)
            return rc;
    }
    hub__suspend(waiter->hub, waiter->greenlet, waiter);
    if (waiter->interruptible_back != NULL ||
        waiter->timer.slot != HUB__NO_INDEX)
        hub__park_finish(waiter);
    rc = waiter->result;
    if (unlikely(rc == HUB__RUN_BY_OTHER))
        rc = hub__run_by_other(waiter->greenlet, waiter);
    return rc;
}

static inline __attribute__((always_inline)) void
hub__waiter_init_inline(struct hub__waiter *waiter)
{
    struct hub *hub = hub__peek();

    waiter->hub = hub;
    waiter->greenlet = hub != NULL ? greenlet__word->current : NULL;
    if (hub != NULL) {
        waiter->since = hub->now;
        if (unlikely(waiter->greenlet == hub->greenlet))
            waiter->hub = NULL; /* the loop itself never parks: it blocks */
    }
    waiter->state = WAITER_WAITING;
    waiter->result = 0;
    waiter->kind = NULL;
    waiter->object = NULL;
    waiter->timer.slot = HUB__NO_INDEX;
    waiter->timer.early = 0;
    waiter->timer.unreferenced = 0;
    waiter->timer.fire = NULL;
    waiter->interruptible = HUB_NOT_INTERRUPTED;
    waiter->cancelable = 0;
    waiter->first = 0;
    waiter->chooses = 0;
    waiter->interruptible_back = NULL;
}

static inline bool hub__waiter_claim(struct hub__waiter *waiter, uint32_t to)
{
    uint32_t expected = WAITER_WAITING;

    return __atomic_compare_exchange_n(&waiter->state, &expected, to, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* The two halves of hub__wake_entered().  Who has the first, and true of it, must go
 * on to the second, and until then who waits cannot go on.  False: he may. */
static inline bool hub__wake_claim(struct hub__waiter *waiter)
{
    return hub__waiter_claim(waiter, waiter->hub == NULL ? WAITER_CLOSED
                                                         : WAITER_CLAIMED);
}
/* Returns the hub that is to be rung, by hub__ring_end(); or NULL. */
struct hub *hub__wake_claimed(struct hub__waiter *waiter, int result);

/* Between greenlet_signal_enter() and greenlet_signal_leave(). */
static inline bool hub__in_handler(void)
{
    const struct greenlet__thread *self = greenlet__thread_peek();

    return self != NULL && (self->special & SPECIAL_SIGNAL) != 0;
}

int hub__waiter_begin_cold(struct hub__waiter *waiter);

/* hub__waiter_begin() */
static inline __attribute__((always_inline)) int
hub__waiter_begin_inline(struct hub__waiter *waiter,
                         const struct hub__wait_kind *kind, const void *object)
{
    hub__waiter_init_inline(waiter);
    if (unlikely(waiter->hub == NULL || hub__in_handler())) {
        int rc = hub__waiter_begin_cold(waiter);

        if (rc < 0)
            return rc;
    }
    waiter->kind = kind;
    waiter->object = object;
    return 0;
}

/* spawn.c: hub__run_at_once() with a stack of that size; who wants to know who is
 * spawned is told. */
int hub__run_told_at_once(struct hub *hub, size_t stack_size,
                          greenlet_run *run, void *arg);

int hub__canceled_early(struct hub__waiter *waiter, int pending);

/* hub__park_cancelable() */
static inline __attribute__((always_inline)) int
hub__park_cancelable_inline(struct hub__waiter *waiter, int64_t deadline_ns)
{
    int rc;

    if (likely(waiter->greenlet != NULL)) {
        int pending = hub__own(waiter->greenlet)->pending;

        if (unlikely(pending != 0) && hub__waiter_close(waiter))
            return hub__canceled_early(waiter, pending);
        waiter->cancelable = 1;
    }
    rc = hub__park_inline(waiter, deadline_ns);
    if (unlikely(rc < 0) && waiter->greenlet != NULL)
        hub__killed_by(waiter->greenlet, rc);
    return rc;
}

#endif
