/* waiter.c - park and wake: the only place where a greenlet is suspended
 *
 * A parking greenlet switches straight to the next ready one.  The loop (a
 * greenlet like others) is entered when nobody is ready, and every so many
 * switches for the sake of those who wait for the world outside. */
#include "hub/schedule.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int64_t hub_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- the ready list ---- */

void hub__ready(struct hub *hub, struct greenlet *g)
{
    hub__enter(hub);
    hub__push_ready(hub, g);
    hub__exit(hub);
}

bool hub__poll_is_due(struct hub *hub)
{
    int64_t now = hub_now();

    hub->tick = 0;
    if (hub->batch_last != NULL || now - hub->polled_at < POLL_EVERY_NS)
        return false;
    hub->polled_at = now;
    hub->poll_due = true;
    return true;
}

void hub__leave(struct hub *hub)
{
    struct greenlet *next;

    hub__enter(hub);
    next = hub__next_to_run(hub);
    hub__exit(hub);
    greenlet__leave(next);
}

HUB__SWITCHES void hub_yield(void)
{
    struct hub *hub = hub__get();
    struct greenlet *self = greenlet__word->current;

    if (hub == NULL || self == hub->greenlet)
        return;
    hub__push_ready(hub, self);
    hub__reschedule(hub);
}

/* ---- waiters ---- */

static void futex_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct timespec until = { (time_t)(deadline / 1000000000),
                              (long)(deadline % 1000000000) };

    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
            deadline == HUB_FOREVER ? NULL : &until, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

void hub__waiter_init(struct hub__waiter *waiter)
{
    hub__waiter_init_inline(waiter);
}

static bool claim(struct hub__waiter *waiter, uint32_t to)
{
    uint32_t expected = WAITER_WAITING;

    return __atomic_compare_exchange_n(&waiter->state, &expected, to, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

bool hub__waiter_close(struct hub__waiter *waiter)
{
    return claim(waiter, WAITER_CLOSED);
}

static void push_remote(struct hub *hub, struct hub__waiter *waiter)
{
    waiter->remote_next = __atomic_load_n(&hub->remote, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&hub->remote, &waiter->remote_next,
                                        waiter, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
    hub__loop_notify(hub);
}

/* Of a real thread's waiter nothing may be touched after the last store: its
 * owner may be gone.  `result` is therefore set before, in two steps. */
static bool wake_thread(struct hub__waiter *waiter, int result)
{
    if (!claim(waiter, WAITER_CLOSED))
        return false;
    waiter->result = result;
    __atomic_store_n(&waiter->state, WAITER_CLAIMED, __ATOMIC_RELEASE);
    syscall(SYS_futex, &waiter->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    return true;
}

bool hub__wake(struct hub__waiter *waiter, int result)
{
    struct hub *hub = waiter->hub;

    if (hub == NULL)
        return wake_thread(waiter, result);
    if (!claim(waiter, WAITER_CLAIMED))
        return false;
    waiter->result = result;
    if (likely(hub == hub__peek() && hub->critical == 0)) {
        hub__enter(hub);
        hub__push_ready(hub, waiter->greenlet);
        hub__exit(hub);
    } else {
        push_remote(hub, waiter);
    }
    return true;
}

bool hub__wake_entered(struct hub__waiter *waiter, int result)
{
    struct hub *hub = waiter->hub;

    if (hub == NULL)
        return wake_thread(waiter, result);
    if (!claim(waiter, WAITER_CLAIMED))
        return false;
    waiter->result = result;
    if (likely(hub == hub__peek()))
        hub__push_ready(hub, waiter->greenlet);
    else
        push_remote(hub, waiter);
    return true;
}

/* Woken from other OS threads, or by signal handlers: newest first on the
 * stack, so turn it round. */
void hub__take_remote(struct hub *hub)
{
    struct hub__waiter *waiter =
        __atomic_exchange_n(&hub->remote, NULL, __ATOMIC_ACQUIRE);
    struct hub__waiter *ordered = NULL;

    while (waiter != NULL) {
        struct hub__waiter *next = waiter->remote_next;

        waiter->remote_next = ordered;
        ordered = waiter;
        waiter = next;
    }
    while (ordered != NULL) {
        struct hub__waiter *next = ordered->remote_next;

        hub__push_ready(hub, ordered->greenlet);
        ordered = next;
    }
}

/* ---- waits that a signal handler ends ---- */

static void link_interruptible(struct hub *hub, struct hub__waiter *waiter)
{
    waiter->interruptible_next = hub->interruptible;
    waiter->interruptible_back = &hub->interruptible;
    if (hub->interruptible != NULL)
        hub->interruptible->interruptible_back = &waiter->interruptible_next;
    hub->interruptible = waiter;
}

static void unlink_interruptible(struct hub__waiter *waiter)
{
    *waiter->interruptible_back = waiter->interruptible_next;
    if (waiter->interruptible_next != NULL)
        waiter->interruptible_next->interruptible_back =
            waiter->interruptible_back;
    waiter->interruptible_back = NULL;
}

static void interrupt(struct hub *hub, uint32_t kind)
{
    struct hub__waiter *waiter;

    for (waiter = hub->interruptible; waiter != NULL;
         waiter = waiter->interruptible_next)
        if (kind == HUB_SIGNAL_INTERRUPTS ||
            waiter->interruptible == HUB_ALWAYS_INTERRUPTED)
            hub__wake(waiter, -EINTR);
}

void hub__signal_deferred(struct hub *hub)
{
    uint32_t kind = __atomic_exchange_n(&hub->signal_seen, 0, __ATOMIC_RELAXED);

    if (kind != 0)
        interrupt(hub, kind);
}

/* Waits that were under way when the handler ran end; later ones do not.  If
 * the lists are being changed right now, whoever does it comes to it. */
void hub__signal_seen(struct hub *hub, bool restart)
{
    uint32_t kind = restart ? HUB_SIGNAL_RESTARTS : HUB_SIGNAL_INTERRUPTS;

    if (hub != hub__peek() || hub->critical != 0) {
        __atomic_or_fetch(&hub->signal_seen, kind, __ATOMIC_RELAXED);
        __atomic_store_n(&hub->deferred, 1, __ATOMIC_RELEASE);
    } else {
        interrupt(hub, kind);
    }
    hub__loop_notify(hub);
}

/* ---- park ---- */

int hub__park_thread(struct hub__waiter *waiter, int64_t deadline)
{
    uint32_t state;

    for (;;) {
        state = __atomic_load_n(&waiter->state, __ATOMIC_ACQUIRE);
        if (state == WAITER_CLAIMED)
            return waiter->result;
        if (state == WAITER_WAITING && deadline != HUB_FOREVER &&
            hub_now() >= deadline && hub__waiter_close(waiter))
            return -ETIMEDOUT;
        futex_wait(&waiter->state, state, deadline);
    }
}

/* What only some parks need, before and after. */
int hub__park_prepare(struct hub__waiter *waiter, int64_t deadline_ns)
{
    struct hub *hub = waiter->hub;
    int rc = 0;

    hub__enter(hub);
    if (deadline_ns != HUB_FOREVER) {
        waiter->deadline = deadline_ns;
        rc = hub__timer_add(hub, waiter);
    }
    if (rc == 0 && waiter->interruptible)
        link_interruptible(hub, waiter);
    hub__exit(hub);
    return rc < 0 && hub__waiter_close(waiter) ? rc : 0;
}

void hub__park_finish(struct hub__waiter *waiter)
{
    struct hub *hub = waiter->hub;

    hub__enter(hub);
    if (waiter->interruptible_back != NULL)
        unlink_interruptible(waiter);
    if (waiter->heap_index != HUB__NO_INDEX)
        hub__timer_remove(hub, waiter);
    hub__exit(hub);
}

HUB__SWITCHES int hub__park(struct hub__waiter *waiter, int64_t deadline_ns)
{
    return hub__park_inline(waiter, deadline_ns);
}
