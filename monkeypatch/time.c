/* time.c - the program's clocks and times as the hub's deadlines */
#include "monkeypatch/carrier.h"
#include "monkeypatch/end_wait.h"

#include <linux/futex.h>

#define NS_PER_S 1000000000

static int64_t to_ns(const struct timespec *t)
{
    int64_t ns;

    if (__builtin_mul_overflow((int64_t)t->tv_sec, (int64_t)NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, (int64_t)t->tv_nsec, &ns))
        return t->tv_sec < 0 ? INT64_MIN : HUB_FOREVER;
    return ns;
}

/* As the program sees it: another preloaded library may have clocks of its own
 * (libfaketime).  Usually the vdso, by way of libc. */
static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    if (unlikely(mp__real.clock_gettime == NULL))
        mp__init();
    mp__real.clock_gettime(clock, &now);
    return to_ns(&now);
}

int64_t mp__now(void)
{
    struct timespec now;

    if (unlikely(mp__hub == NULL))
        return clock_ns(CLOCK_MONOTONIC);
    mp__hub->clock(CLOCK_MONOTONIC, &now);
    return to_ns(&now);
}

bool mp__timespec_ok(const struct timespec *t)
{
    return t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < NS_PER_S;
}

int64_t mp__after(const struct timespec *relative)
{
    int64_t ns = to_ns(relative), at;

    if (__builtin_add_overflow(mp__now(), ns, &at))
        return HUB_FOREVER;
    return at;
}

/* ---- waits until a time of CLOCK_REALTIME ----
 *
 * They end when that clock says so, also where it is set meanwhile.  Whoever waits
 * has the time that it waits for beside the deadline that it was made into, and the
 * deadline is moved when the clock is set. */

/* Of a real thread. */
static __thread struct mp__real_time unmapped
    __attribute__((tls_model("initial-exec")));
bool mp__real_time_was_set;

static int64_t moment_of(int64_t real_ns)
{
    int64_t at;

    if (__builtin_sub_overflow(real_ns, clock_ns(CLOCK_REALTIME), &at) ||
        __builtin_add_overflow(at, mp__now(), &at))
        return real_ns < 0 ? 0 : HUB_FOREVER;
    return at < 0 ? 0 : at; /* the kernel takes no time before the boot */
}

static void move_wait(struct mp__thread *thread)
{
    struct mp__real_time *real = &thread->real_time;
    int64_t now;

    if (real->asked == 0)
        return;
    now = moment_of(real->ns);
    if (thread->parked != NULL)
        mp__hub->timer_move(thread->identity->os->hub, &thread->parked->timer,
                            real->now, now);
    real->now = now;
}

/* In the loop of a carrier. */
void mp__real_time_move(void)
{
    const struct mp__carrier *own = mp__carrier_now();
    MP_ALL_STAY;

    for (struct mp__thread *t = mp__all; t != NULL; t = t->all_next)
        if (t->carrier == own)
            move_wait(t);
}

/* By the loop. */
static void clock_was_set(void)
{
    mp__real_time_was_set = true;
    mp__real_time_move();
    mp__carriers_ask_others(MP_ASK_CLOCK);
}

void mp__real_time_start(void)
{
    mp__hub->watch_clock(mp__main.carrier->hub, clock_was_set);
}

static struct mp__real_time *own(void)
{
    struct mp__thread *self = mp__self;

    return self != NULL ? &self->real_time : &unmapped;
}

static int64_t real_time(int64_t ns)
{
    int64_t at = moment_of(ns);

    *own() = (struct mp__real_time){ .asked = at, .now = at, .ns = ns };
    return at;
}

int64_t mp__real_time_now(int64_t deadline)
{
    const struct mp__real_time *real = own();

    return real->asked == deadline ? real->now : deadline;
}

clockid_t mp__when(int64_t deadline, struct timespec *when)
{
    const struct mp__real_time *real = own();
    bool is_real = deadline > 0 && real->asked == deadline && real->ns >= 0;
    int64_t ns = is_real ? real->ns : deadline;

    *when = (struct timespec){ ns / NS_PER_S, ns % NS_PER_S };
    return is_real ? CLOCK_REALTIME : CLOCK_MONOTONIC;
}

unsigned mp__futex_until(int64_t deadline, struct timespec *until)
{
    return mp__when(deadline, until) == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME
                                                       : 0;
}

/* Other clocks that do not go by CLOCK_MONOTONIC are read once, now. */
int64_t mp__at(clockid_t clock, const struct timespec *absolute)
{
    int64_t ns = to_ns(absolute), at;

    if (ns == HUB_FOREVER ||
        (clock == CLOCK_MONOTONIC &&
         (mp__hub == NULL || mp__hub->clock == mp__real.clock_gettime)))
        return ns;
    if (clock == CLOCK_REALTIME)
        return real_time(ns);
    if (__builtin_sub_overflow(ns, clock_ns(clock), &at) ||
        __builtin_add_overflow(at, mp__now(), &at))
        return ns < 0 ? 0 : HUB_FOREVER;
    return at < 0 ? 0 : at; /* the kernel takes no time before the boot */
}
