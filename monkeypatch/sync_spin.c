/* sync_spin.c - spin locks: the holder may be a parked greenlet, so who spins
 * lets others run
 *
 * libc's format, since a spin lock may be shared with other processes. */
#include "monkeypatch/sync_impl.h"
#include "monkeypatch/sys.h"

#include "spin.h"

static inline bool spin_try(pthread_spinlock_t *lock)
{
    return __atomic_exchange_n(lock, SPIN_HELD, __ATOMIC_ACQUIRE) == SPIN_FREE;
}

/* One turn of somebody who waits.  A holder on another OS thread is soon done;
 * one that is parked here for long should not cost all the CPU. */
static void spin_turn(unsigned turn)
{
    if (!mp__may_park()) {
        if (turn % 64 == 63)
            SYS_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    } else if (turn < 1000) {
        mp__yield();
    } else {
        mp__sleep_until(mp__now() + 50000, 0);
    }
}

MP_EXPORT int pthread_spin_lock(pthread_spinlock_t *lock)
{
    unsigned turn = 0;

    while (unlikely(!spin_try(lock)))
        while (SYNC_LOAD(lock) != SPIN_FREE)
            spin_turn(turn++);
    return 0;
}

MP_EXPORT int pthread_spin_trylock(pthread_spinlock_t *lock)
{
    if (likely(spin_try(lock)))
        return 0;
    sync_busy();
    return EBUSY;
}

MP_EXPORT int pthread_spin_unlock(pthread_spinlock_t *lock)
{
    __atomic_store_n(lock, SPIN_FREE, __ATOMIC_RELEASE);
    return 0;
}

MP_EXPORT int pthread_spin_init(pthread_spinlock_t *lock, int shared)
{
    (void)shared;
    __atomic_store_n(lock, SPIN_FREE, __ATOMIC_RELAXED);
    return 0;
}

MP_EXPORT int pthread_spin_destroy(pthread_spinlock_t *lock)
{
    (void)lock;
    return 0;
}
