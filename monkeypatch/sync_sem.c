/* sync_sem.c - semaphores
 *
 * libc's format: the value in the low half of the first word, how many wait in
 * the high half, so that semaphores of sem_open() and shared ones work with
 * processes that run without this library, and sem_getvalue() of old. */
#include "monkeypatch/sync_impl.h"

#include <limits.h>
#include <string.h>

struct sem {
    union {
        uint64_t data;
        struct {
            uint32_t value; /* the lot word */
            uint32_t waiters;
        };
    };
    int32_t shared;
    int32_t pad;
    uint32_t starving; /* private ones; as WORD_STARVING in sync_impl.h */
} __attribute__((may_alias));

_Static_assert(offsetof(struct sem, waiters) == 4, "little endian");

#define SEM_WAITER ((uint64_t)1 << 32)
enum { SEM_SHARED = 128 }; /* libc's, in `shared` */

/* A shared wait looks for cancellation and signals as often as this. */
#define SEM_SLICE 100000000

/* Somebody who waits in sem_wait(): counted in the semaphore until it leaves,
 * by whatever way. */
struct sem_waiter {
    struct sem *sem;
    bool starving;
    uint32_t handlers; /* that had run when it came; see interrupted() */
};

/* The caller would take it before somebody who lost it once.  Where there is
 * nothing to take, nobody is helped by a turn: least of all if the caller holds
 * an interpreter's lock, for which all who run meanwhile would queue up. */
static inline bool overtakes(const struct sem *sem)
{
    return sem->shared == 0 && SYNC_LOAD(&sem->starving) != 0 &&
           SYNC_LOAD(&sem->value) != 0;
}

/* Take one off the value, and `also` in the same step. */
static bool sem_take(struct sem *sem, uint64_t also)
{
    uint64_t data = SYNC_LOAD(&sem->data);

    while ((uint32_t)data > 0)
        if (SYNC_CAS(&sem->data, &data, data - 1 - also))
            return true;
    return false;
}

static void sem_wake(struct sem *sem, bool shared)
{
    if (shared)
        sync_kernel_wake(&sem->value, 1);
    else
        mp__lot_wake(&sem->value, 1);
}

static void waiter_done(struct sem_waiter *waiter)
{
    if (waiter->starving)
        SYNC_ADD(&waiter->sem->starving, -1u);
    waiter->sem = NULL;
}

/* It goes without the semaphore: by time-out, signal or unwinding.  A wake-up
 * that reached it is passed on. */
static void waiter_gone(struct sem_waiter *waiter)
{
    struct sem *sem = waiter->sem;
    bool shared;
    uint64_t data;

    if (sem == NULL)
        return;
    shared = sem->shared != 0;
    waiter_done(waiter);
    data = SYNC_ADD(&sem->data, -SEM_WAITER) - SEM_WAITER;
    if ((uint32_t)data > 0 && data >= SEM_WAITER)
        sem_wake(sem, shared);
}

static uint32_t handlers_run(int64_t deadline)
{
    return SYNC_LOAD(mp__handler_count(deadline == HUB_FOREVER));
}

/* What a helper waits for no signal ends: look for those that came. */
static bool interrupted(const struct sem_waiter *waiter, int64_t deadline)
{
    struct mp__thread *self = mp__here;

    if (self == NULL)
        return false;
    if ((self->signals_pending & ~self->signal_mask) != 0)
        mp__signals_deliver(self);
    return handlers_run(deadline) != waiter->handlers;
}

/* Until the value may be there.  0, -EAGAIN, -EINTR or -ETIMEDOUT. */
static int waiter_sleep(const struct sem_waiter *waiter, int64_t deadline)
{
    struct sem *sem = waiter->sem;
    int64_t slice, until;
    int rc;

    if (sem->shared == 0)
        return sync_lot_wait_cancel(&sem->value, 0, deadline,
                                    sync_interruptible(deadline) | MP_OF_SEM);
    mp__testcancel();
    slice = mp__now() + SEM_SLICE;
    until = mp__real_time_now(deadline);
    rc = sync_kernel_wait(&sem->value, 0, slice < until ? slice : until);
    if (rc == -ETIMEDOUT && interrupted(waiter, deadline))
        return -EINTR;
    return rc == -ETIMEDOUT && slice < until ? 0 : rc;
}

/* Returns 0 or -errno; may unwind. */
static int sem_sleep(struct sem *sem, int64_t deadline)
{
    struct sem_waiter waiter __attribute__((cleanup(waiter_gone))) = {
        sem, false, handlers_run(deadline)};
    bool woken = false;
    int rc;

    SYNC_ADD(&sem->data, SEM_WAITER);
    for (;;) {
        if (sem_take(sem, SEM_WAITER))
            break;
        if (woken && !waiter.starving && sem->shared == 0) {
            waiter.starving = true;
            SYNC_ADD(&sem->starving, 1);
        }
        rc = waiter_sleep(&waiter, deadline);
        if (rc == -ETIMEDOUT || rc == -EINTR)
            return rc;
        woken |= rc == 0;
    }
    waiter_done(&waiter);
    return 0;
}

static inline void test_cancel(void)
{
    if (likely(mp__here != NULL))
        mp__testcancel();
    else if (unlikely(!__libc_single_threaded))
        sync_real()->pthread_testcancel();
}

/* Returns 0, or -1 and errno. */
static int sem_wait_until(sem_t *semaphore, clockid_t clock,
                          const struct timespec *until)
{
    struct sem *sem = (struct sem *)semaphore;
    int64_t deadline;
    int rc;

    if (unlikely(until != NULL && !sync_nanoseconds_ok(until)))
        return mp__fail(-EINVAL);
    if (mp__here == NULL && sem->shared != 0)
        return until == NULL
                   ? sync_real()->sem_wait(semaphore)
                   : sync_real()->sem_clockwait(semaphore, clock, until);
    test_cancel(); /* even if it would not block */
    sync_give_way(overtakes(sem));
    if (likely(sem_take(sem, 0)))
        return 0;
    sync_deadline(clock, until, &deadline);
    rc = sem_sleep(sem, deadline);
    return rc < 0 ? mp__fail(rc) : 0;
}

MP_EXPORT int sem_init(sem_t *semaphore, int shared, unsigned value)
{
    struct sem *sem = (struct sem *)semaphore;

    if (value > SEM_VALUE_MAX)
        return mp__fail(-EINVAL);
    memset(semaphore, 0, sizeof *semaphore);
    sem->data = value;
    sem->shared = shared != 0 ? SEM_SHARED : 0;
    return 0;
}

MP_EXPORT int sem_destroy(sem_t *semaphore)
{
    (void)semaphore;
    return 0;
}

MP_EXPORT int sem_wait(sem_t *semaphore)
{
    return sem_wait_until(semaphore, CLOCK_REALTIME, NULL);
}

MP_EXPORT int sem_timedwait(sem_t *semaphore, const struct timespec *until)
{
    return sem_wait_until(semaphore, CLOCK_REALTIME, until);
}

MP_EXPORT int sem_clockwait(sem_t *semaphore, clockid_t clock,
                            const struct timespec *until)
{
    if (!sync_clock_ok(clock))
        return mp__fail(-EINVAL);
    return sem_wait_until(semaphore, clock, until);
}

MP_EXPORT int sem_trywait(sem_t *semaphore)
{
    struct sem *sem = (struct sem *)semaphore;

    sync_give_way(overtakes(sem)); /* many try first, then wait */
    if (likely(sem_take(sem, 0)))
        return 0;
    sync_busy();
    return mp__fail(-EAGAIN);
}

/* Async-signal-safe.  The semaphore may be gone after the addition. */
MP_EXPORT int sem_post(sem_t *semaphore)
{
    struct sem *sem = (struct sem *)semaphore;
    bool shared = sem->shared != 0;
    uint64_t data = SYNC_LOAD(&sem->data);

    do {
        if ((uint32_t)data == SEM_VALUE_MAX)
            return mp__fail(-EOVERFLOW);
    } while (!SYNC_CAS(&sem->data, &data, data + 1));
    if (unlikely(data >= SEM_WAITER))
        sem_wake(sem, shared);
    return 0;
}

MP_EXPORT int sem_getvalue(sem_t *semaphore, int *value)
{
    *value = (int)SYNC_LOAD(&((struct sem *)semaphore)->value);
    if (*value == 0)
        sync_busy(); /* asked until it is more */
    return 0;
}
