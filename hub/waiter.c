/* waiter.c - park and wake: the only place where a greenlet is suspended
 *
 * A parking greenlet switches straight to the next ready one.  The loop (a
 * greenlet like others) is entered when nobody is ready, and every so many
 * switches for the sake of those who wait for the world outside. */
#include "hub/schedule.h"
#include "hub/testhook.h"

#include <errno.h>
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

int64_t hub_deadline(int64_t ns)
{
    int64_t now = hub_now();

    if (ns <= 0)
        return now;
    return ns > HUB_FOREVER - now ? HUB_FOREVER : now + ns;
}

int64_t hub_deadline_seconds(double seconds)
{
    if (seconds != seconds || seconds >= 9e9)
        return HUB_FOREVER;
    return hub_deadline(seconds > 0 ? (int64_t)(seconds * 1e9) : 0);
}

/* ---- the ready list ---- */

void hub__ready(struct hub *hub, struct greenlet *g)
{
    hub__enter(hub);
    hub__push_ready(hub, g);
    hub__exit(hub);
}

void hub__ready_first(struct hub *hub, struct greenlet *g)
{
    hub__enter(hub);
    g->next = hub->ready_head;
    hub->ready_head = g;
    if (hub->ready_tail == NULL)
        hub->ready_tail = g;
    hub__exit(hub);
}

void hub__unready(struct hub *hub, struct greenlet *g)
{
    struct greenlet *before = NULL, *at;

    hub__enter(hub);
    for (at = hub->ready_head; at != NULL && at != g; at = at->next)
        before = at;
    if (at != NULL) {
        if (before != NULL)
            before->next = g->next;
        else
            hub->ready_head = g->next;
        if (hub->ready_tail == g)
            hub->ready_tail = before;
        if (hub->batch_last == g)
            hub->batch_last = before;
    } else {
        hub__hogs_remove(hub, g);
    }
    hub__exit(hub);
}

static bool is_ready(const struct hub *hub, const struct greenlet *g)
{
    const struct greenlet *at;

    for (at = hub->ready_head; at != NULL && at != g; at = at->next)
        ;
    return at != NULL;
}

bool hub__poll_is_due(struct hub *hub)
{
    int64_t now = hub_now();

    hub->look_at = hub->switches + TICKS_A_LOOK;
    hub->now = now;
    if (unlikely(hub->hogs.runs != NULL)) {
        hub->look_at = hub->switches + 1;
        hub->hogs.runs(hub);
    }
    if (HUB__SHUFFLES(hub) && hub__shuffle(hub)) {
        hub->poll_due = true;
        return true;
    }
    if (hub->batch_last != NULL ||
        (now - hub->polled_at < hub->poll_every && !hub->poll_full))
        return false;
    hub->polled_at = now;
    hub->poll_due = true;
    return true;
}

void hub__leave(struct hub *hub)
{
    struct greenlet *self = greenlet__word->current, *next;

    hub__enter(hub);
    next = hub__next_to_run(hub);
    hub__exit(hub);
    hub__leave_for(self, next);
}

/* Returns 0, or the error of what was thrown into it meanwhile. */
static inline __attribute__((always_inline)) int yield(struct hub *hub,
                                                       struct greenlet *self)
{
    hub__suspend_ready(hub, self);
    return unlikely(self->arrival != 0) ? hub__run_by_other(self, NULL) : 0;
}

HUB__SWITCHES void hub_yield(void)
{
    struct hub *hub = hub__get();
    struct greenlet *self = greenlet__word->current;

    if (hub != NULL && self != hub->greenlet && !hub__in_handler())
        yield(hub, self);
}

HUB__SWITCHES int hub__yield_cancelable(void)
{
    struct hub *hub = hub__get();
    struct greenlet *self = greenlet__word->current;
    int rc;

    if (hub == NULL)
        return -ENOMEM;
    if (unlikely(self == hub->greenlet || hub__in_handler()))
        return hub__fail(&hub_blocking_class,
                         "a callback of the loop, or a signal handler, cannot "
                         "wait");
    rc = yield(hub, self);
    if (rc == 0 && unlikely(hub__own(self)->pending != 0)) {
        rc = hub__own(self)->pending;
        hub__killed_by(self, rc);
    }
    return rc;
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

bool hub__waiter_close(struct hub__waiter *waiter)
{
    return hub__waiter_claim(waiter, WAITER_CLOSED);
}

/* hub__ring_end() is to follow. */
static void push_remote(struct hub *hub, struct hub__waiter *waiter)
{
    hub__ring_begin(hub);
    waiter->remote_next = __atomic_load_n(&hub->remote, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&hub->remote, &waiter->remote_next,
                                        waiter, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
}

/* Of a real thread's waiter nothing may be touched after the last store: its
 * owner may be gone.  `result` is therefore set before, in two steps. */
static void wake_thread(struct hub__waiter *waiter, int result)
{
    waiter->result = result;
    __atomic_store_n(&waiter->state, WAITER_CLAIMED, __ATOMIC_RELEASE);
    syscall(SYS_futex, &waiter->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool hub__wake(struct hub__waiter *waiter, int result)
{
    struct hub *hub = waiter->hub;

    if (!hub__wake_claim(waiter))
        return false;
    if (hub == NULL) {
        wake_thread(waiter, result);
        return true;
    }
    waiter->result = result;
    if (likely(hub == hub__peek() && hub->critical == 0)) {
        hub__count(hub->wakeups);
        hub__enter(hub);
        hub__push_ready(hub, waiter->greenlet);
        hub__rouse(hub);
        hub__exit(hub);
    } else {
        push_remote(hub, waiter);
        hub__ring_end(hub);
    }
    return true;
}

/* Those that were put in front before may have run since. */
static void promote(struct hub *hub, struct greenlet *g)
{
    struct greenlet *before = hub->promoted;

    hub->promoted = g;
    if (before == NULL || !is_ready(hub, before)) {
        hub__ready_first(hub, g);
        return;
    }
    hub__enter(hub);
    g->next = before->next;
    before->next = g;
    if (hub->ready_tail == before)
        hub->ready_tail = g;
    hub__exit(hub);
}

bool hub__wake_next(struct hub__waiter *waiter, int result)
{
    if (!hub__waiter_claim(waiter, WAITER_CLAIMED))
        return false;
    waiter->result = result;
    promote(waiter->hub, waiter->greenlet);
    return true;
}

bool hub__wake_entered(struct hub__waiter *waiter, int result)
{
    struct hub *hub;

    if (!hub__wake_claim(waiter))
        return false;
    hub = hub__wake_claimed(waiter, result);
    if (hub != NULL)
        hub__ring_end(hub);
    return true;
}

struct hub *hub__wake_claimed(struct hub__waiter *waiter, int result)
{
    struct hub *hub = waiter->hub;

    if (hub == NULL) {
        wake_thread(waiter, result);
        return NULL;
    }
    waiter->result = result;
    if (likely(hub == hub__peek())) {
        hub__count(hub->wakeups);
        if (unlikely(waiter->first))
            hub__ready_first(hub, waiter->greenlet);
        else
            hub__push_ready(hub, waiter->greenlet);
        hub__rouse(hub);
        return NULL;
    }
    push_remote(hub, waiter);
    return hub;
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

        hub__count(hub->wakeups);
        hub__push_ready(hub, ordered->greenlet);
        ordered = next;
    }
    if (unlikely(__atomic_load_n(&hub->remote_calls, __ATOMIC_RELAXED) != NULL))
        hub__callbacks_take_remote(hub);
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

/* What only some parks need, before and after.  A signal that came while the lists
 * were being changed, before, is not for this wait. */
int hub__park_prepare(struct hub__waiter *waiter, int64_t deadline_ns)
{
    struct hub *hub = waiter->hub;
    int rc = 0;

    if (unlikely(hub->deferred != 0)) {
        hub__enter(hub);
        hub__exit(hub);
    }
    hub__enter(hub);
    if (deadline_ns != HUB_FOREVER)
        rc = hub__timer_add(hub, &waiter->timer, deadline_ns);
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
    if (waiter->timer.slot != HUB__NO_INDEX)
        hub__timer_remove(hub, &waiter->timer);
    hub__exit(hub);
}

/* Of thousands of connections each has its own pages, and whoever runs next has
 * not run for long: what a switch to it reads is fetched while others run, the
 * control block first, which says where the rest is. */
static inline __attribute__((always_inline)) void
fetch_ahead(const struct hub *hub)
{
    const struct greenlet *first = hub != NULL ? hub->ready_head : NULL;
    const struct greenlet *second = first != NULL ? first->next : NULL;

    if (second == NULL)
        return;
    for (uintptr_t line = 0; line < 3; line++) /* a number: it may be NULL yet */
        __builtin_prefetch(
            (const void *)((uintptr_t)second->context + line * 64));
    __builtin_prefetch(second->thread);
    __builtin_prefetch(second->next);
}

HUB__SWITCHES int hub__park(struct hub__waiter *waiter, int64_t deadline_ns)
{
    fetch_ahead(waiter->hub);
    return hub__park_inline(waiter, deadline_ns);
}

HUB__SWITCHES int hub__park_cancelable(struct hub__waiter *waiter,
                                       int64_t deadline_ns)
{
    return hub__park_cancelable_inline(waiter, deadline_ns);
}

/* Its first wait in a thread that has used greenlets, or in the program's first
 * thread, makes a hub; any other thread sleeps by itself. */
static bool wants_hub(void)
{
    return greenlet__word != NULL || getpid() == (pid_t)syscall(SYS_gettid);
}

int hub__waiter_begin_cold(struct hub__waiter *waiter)
{
    const struct hub *hub = hub__peek();

    if (hub__in_handler())
        return hub__fail(&hub_blocking_class,
                         "a signal handler cannot wait");
    if (hub != NULL) /* the loop's own greenlet */
        return hub__fail(&hub_blocking_class,
                         "a callback of the loop cannot wait");
    if (!wants_hub())
        return 0;
    if (hub__get() == NULL)
        return -ENOMEM;
    hub__waiter_init_inline(waiter);
    return 0;
}

int hub__waiter_begin(struct hub__waiter *waiter,
                      const struct hub__wait_kind *kind, const void *object)
{
    return hub__waiter_begin_inline(waiter, kind, object);
}

/* ---- run by others than the hub ---- */

/* Somebody is about to switch to g, or throws into it.  If its wait has ended
 * already it is on the ready list, or comes there from another thread; one that
 * waits for nothing is there.  Its hub may be one that has gone (destroy.c). */
static void unpark(struct greenlet *g, int error)
{
    struct hub__waiter *waiter = hub__own(g)->waiter;
    struct hub *hub = waiter != NULL ? waiter->hub : g->thread->os->hub;

    (void)error; /* found in what arrives */
    if (waiter == NULL && hub != NULL) {
        hub__unready(hub, g);
    } else if (waiter != NULL && !hub__waiter_close(waiter)) {
        hub__enter(hub);
        while (!is_ready(hub, g))
            hub__take_remote(hub); /* another thread is just pushing it */
        hub__exit(hub);
        hub__unready(hub, g);
    }
    if (waiter != NULL)
        waiter->result = HUB__RUN_BY_OTHER;
    greenlet__write(g->state, GREENLET_ACTIVE);
}

/* What the wait returns then.  What nobody can deliver is kept for
 * greenlet_caught(), as after greenlet_switch(). */
int hub__run_by_other(struct greenlet *self, const struct hub__waiter *waiter)
{
    struct greenlet__cargo cargo;
    int rc = 0;

    if ((self->arrival & ~RECEIVED_BEFORE) != 0) {
        rc = greenlet__arrive(self, &cargo);
        rc = greenlet__deliver(self, &cargo, rc, NULL);
    }
    if (rc == 0 && waiter != NULL)
        rc = hub__fail(&hub_invalid_switch_class,
                       "switched to while it waited for something else");
    return rc;
}

void hub__waiters_start(void)
{
    greenlet__unpark = unpark;
}
