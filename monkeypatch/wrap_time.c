/* wrap_time.c - sleeping and yielding */
#include "monkeypatch/io_impl.h"

static const unsigned sleep_flags = MP_CANCEL | MP_INTERRUPTIBLE;

static void write_remainder(struct timespec *left, int64_t deadline)
{
    int64_t ns = deadline - mp__now();

    if (left == NULL)
        return;
    ns = ns > 0 ? ns : 0;
    left->tv_sec = ns / 1000000000;
    left->tv_nsec = ns % 1000000000;
}

/* 0, -EINTR, or -ECANCELED for a greenlet of the program's that was killed.  A
 * park where none is allowed waits in the kernel. */
static long sleep_until(int64_t deadline)
{
    struct timespec at;
    int before = errno, rc;

    if (!mp__may_park())
        return SYS_CALL(SYS_clock_nanosleep, mp__when(deadline, &at),
                        TIMER_ABSTIME, &at, NULL, 0, 0);
    mp__here->io_budget = MP_IO_BUDGET;
    rc = mp__sleep_until(deadline, sleep_flags);
    errno = before;
    return rc == -EINTR || rc == -ECANCELED ? rc : 0;
}

/* Relative, on a clock that runs like CLOCK_MONOTONIC. */
static long sleep_for(const struct timespec *time, struct timespec *left)
{
    int64_t deadline;
    long rc;

    mp__io_begin();
    if (!mp__readable(time, sizeof *time))
        return -EFAULT;
    if (!mp__timespec_ok(time))
        return -EINVAL;
    deadline = mp__after(time);
    rc = sleep_until(deadline);
    if (rc == -EINTR || rc == -ECANCELED)
        write_remainder(left, deadline);
    return rc;
}

struct clock_call {
    clockid_t clock;
    int flags;
    const struct timespec *time;
    struct timespec *left;
    long rc;
};

static void sleep_plainly(void *arg)
{
    struct clock_call *call = arg;

    call->rc = SYS_CALL(SYS_clock_nanosleep, call->clock, call->flags,
                        call->time, call->left, 0, 0);
}

static bool runs_by_the_wall(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC ||
           clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
}

/* Returns 0 or -errno. */
static long clock_sleep(clockid_t clock, int flags,
                        const struct timespec *time, struct timespec *left)
{
    struct clock_call call = { clock, flags, time, left, 0 };

    if (clock == CLOCK_THREAD_CPUTIME_ID)
        return -EINVAL; /* as glibc has it */
    if (!runs_by_the_wall(clock)) {
        mp__io_begin();
        if (!mp__may_park() ||
            mp__offload(sleep_plainly, &call, HUB_OFFLOAD_LONG) < 0)
            sleep_plainly(&call);
        return call.rc;
    }
    if ((flags & TIMER_ABSTIME) == 0)
        return sleep_for(time, left);
    mp__io_begin();
    if (!mp__readable(time, sizeof *time))
        return -EFAULT;
    if (!mp__timespec_ok(time))
        return -EINVAL;
    return sleep_until(mp__at(clock, time));
}

MP_EXPORT int nanosleep(const struct timespec *time, struct timespec *left)
{
    long rc;

    if (!MP_ACTIVE(time))
        return MP_REAL(nanosleep)(time, left);
    rc = sleep_for(time, left);
    return rc < 0 ? mp__fail((int)rc) : 0;
}
MP_SPELLING(nanosleep, __nanosleep);

MP_EXPORT int clock_nanosleep(clockid_t clock, int flags,
                              const struct timespec *time,
                              struct timespec *left)
{
    if (!MP_ACTIVE(time))
        return MP_REAL(clock_nanosleep)(clock, flags, time, left);
    return (int)-clock_sleep(clock, flags, time, left);
}

MP_EXPORT int usleep(useconds_t microseconds)
{
    struct timespec time = { microseconds / 1000000,
                             microseconds % 1000000 * 1000 };
    long rc;

    if (!MP_ACTIVE(time))
        return MP_REAL(usleep)(microseconds);
    rc = sleep_for(&time, NULL);
    return rc < 0 ? mp__fail((int)rc) : 0;
}

MP_EXPORT unsigned sleep(unsigned seconds)
{
    struct timespec time = { seconds, 0 }, left = { 0, 0 };
    long rc;

    if (!MP_ACTIVE(time))
        return MP_REAL(sleep)(seconds);
    rc = sleep_for(&time, &left);
    if (rc == 0)
        return 0;
    errno = (int)-rc;
    return (unsigned)left.tv_sec;
}

MP_EXPORT int thrd_sleep(const struct timespec *time, struct timespec *left)
{
    long rc;

    if (!MP_ACTIVE(time))
        return MP_REAL(thrd_sleep)(time, left);
    rc = sleep_for(time, left);
    return rc == -EINTR ? -1 : rc < 0 ? -2 : 0;
}

static bool yields(void)
{
    return MP_ACTIVE(time) && mp__may_park();
}

MP_EXPORT int sched_yield(void)
{
    if (!yields())
        return MP_REAL(sched_yield)();
    mp__here->io_budget = MP_IO_BUDGET;
    mp__yield_now();
    return 0;
}
MP_SPELLING(sched_yield, __sched_yield);
MP_SPELLING(sched_yield, pthread_yield);

MP_EXPORT void thrd_yield(void)
{
    sched_yield();
}
