/* thread_sched_attr.c - sched_setattr(), sched_getattr(), which are policy,
 * priority and nice value in one, and sched_rr_get_interval()
 *
 * By their plain names the calls that they are made of are ours. */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"

#include <sched.h>
#include <string.h>
#include <sys/resource.h>

/* The kernel's first form of it; newer ones are longer. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

int mp__sched_setattr(pid_t id, const void *given, unsigned flags)
{
    struct sched_param param = { 0 };
    struct attributes wanted;

    if (!mp__sched_is_ours(id) || flags != 0 || given == NULL)
        return (int)MP_REAL(syscall)(SYS_sched_setattr, id, given, flags);
    if (!mp__readable(given, sizeof wanted))
        return mp__fail(-EFAULT);
    memcpy(&wanted, given, sizeof wanted);
    if (wanted.size != 0 && wanted.size < sizeof wanted)
        return mp__fail(-E2BIG);
    if (wanted.policy != SCHED_OTHER && wanted.policy != SCHED_BATCH &&
        wanted.policy != SCHED_IDLE && wanted.policy != SCHED_FIFO &&
        wanted.policy != SCHED_RR)
        return mp__fail(wanted.policy == 6 ? -EPERM : -EINVAL); /* DEADLINE */
    param.sched_priority = (int)wanted.priority;
    if (sched_setscheduler(id, (int)wanted.policy, &param) < 0)
        return -1;
    if (wanted.policy == SCHED_FIFO || wanted.policy == SCHED_RR)
        return 0;
    return setpriority(PRIO_PROCESS, (id_t)id, wanted.nice);
}

int mp__sched_getattr(pid_t id, void *result, unsigned size, unsigned flags)
{
    struct attributes found = { .size = sizeof found };
    struct sched_param param;
    int policy, before = errno, nice;

    if (!mp__sched_is_ours(id) || flags != 0 || size < sizeof found ||
        result == NULL)
        return (int)MP_REAL(syscall)(SYS_sched_getattr, id, result, size,
                                     flags);
    policy = sched_getscheduler(id);
    if (policy < 0 || sched_getparam(id, &param) < 0)
        return -1;
    errno = 0;
    nice = getpriority(PRIO_PROCESS, (id_t)id);
    if (nice == -1 && errno != 0)
        return -1;
    errno = before;
    found.policy = (uint32_t)(policy & ~SCHED_RESET_ON_FORK);
    found.flags = policy & SCHED_RESET_ON_FORK ? 1 : 0;
    found.priority = (uint32_t)param.sched_priority;
    if (found.policy != SCHED_FIFO && found.policy != SCHED_RR)
        found.nice = nice;
    memcpy(result, &found, sizeof found);
    return 0;
}

/* The names for the compiler are others: newer headers declare these. */
MP_EXPORT int mp__wrap_sched_setattr(pid_t id, void *given, unsigned flags)
    __asm__("sched_setattr");
MP_EXPORT int mp__wrap_sched_getattr(pid_t id, void *result, unsigned size,
                                     unsigned flags) __asm__("sched_getattr");

MP_EXPORT int mp__wrap_sched_setattr(pid_t id, void *given, unsigned flags)
{
    return mp__sched_setattr(id, given, flags);
}

MP_EXPORT int mp__wrap_sched_getattr(pid_t id, void *result, unsigned size,
                                     unsigned flags)
{
    return mp__sched_getattr(id, result, size, flags);
}

/* The kernel thread's is theirs. */
MP_EXPORT int sched_rr_get_interval(pid_t id, struct timespec *interval)
{
    int (*original)(pid_t, struct timespec *) = MP_REAL(sched_rr_get_interval);

    return original(mp__sched_is_ours(id) ? 0 : id, interval);
}
