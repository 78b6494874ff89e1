/* time.c - the program's clocks and times as the hub's deadlines */
#include "monkeypatch/monkeypatch_impl.h"

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

/* Clocks that do not go by CLOCK_MONOTONIC are read once, now: setting the
 * clock during a wait does not move its end. */
int64_t mp__at(clockid_t clock, const struct timespec *absolute)
{
    int64_t ns = to_ns(absolute), at;

    if (ns == HUB_FOREVER ||
        (clock == CLOCK_MONOTONIC &&
         (mp__hub == NULL || mp__hub->clock == mp__real.clock_gettime)))
        return ns;
    if (__builtin_sub_overflow(ns, clock_ns(clock), &at) ||
        __builtin_add_overflow(at, mp__now(), &at))
        return ns < 0 ? 0 : HUB_FOREVER;
    return at;
}
