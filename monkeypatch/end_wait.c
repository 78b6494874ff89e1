/* end_wait.c - ending the wait of a mapped thread: cancellation, signals
 *
 * A waiter is on the stack of who waits and is valid until that one runs again,
 * so only the OS thread that runs it may look for one.  Any other leaves a mark
 * in the thread, which lives at least until it is joined, and asks the loop to
 * look for marks. */
#include "monkeypatch/end_wait.h"

#include <string.h>

/* The signal that another OS thread has left a mark for may have been handled since:
 * what its handler waits for, or who waits after it, goes on. */
static unsigned still_due(const struct mp__thread *thread, unsigned why)
{
    return (__atomic_load_n(&thread->signals_pending, __ATOMIC_RELAXED) &
            ~thread->signal_mask) != 0
               ? why
               : why & ~(unsigned)(MP_END_INTERRUPT | MP_END_RESTART);
}

static void end(struct mp__thread *thread, unsigned why)
{
    unsigned flags = thread->parked_flags;
    bool interrupts = (flags & MP_INTERRUPTIBLE) != 0 &&
                      ((why & MP_END_INTERRUPT) ||
                       ((why & MP_END_RESTART) && !(flags & MP_RESTARTS)));

    if ((why & MP_END_CANCEL) && thread->waiter != NULL &&
        thread->cancel_state == PTHREAD_CANCEL_ENABLE)
        mp__hub->wake(thread->waiter, -ECANCELED);
    else if ((why & ~(unsigned)MP_END_CANCEL) && thread->parked != NULL)
        mp__hub->wake(thread->parked, interrupts ? -EINTR : 0);
}

/* In the loop of a carrier: those that it runs. */
void mp__end_wait_look(void)
{
    const struct mp__carrier *own = mp__carrier_now();
    struct mp__thread *thread;
    MP_ALL_STAY;

    for (thread = mp__all; thread != NULL; thread = thread->all_next)
        if (thread->carrier == own &&
            __atomic_load_n(&thread->end_wait, __ATOMIC_SEQ_CST) != 0)
            end(thread,
                still_due(thread, __atomic_exchange_n(&thread->end_wait, 0,
                                                      __ATOMIC_SEQ_CST)));
}

void mp__end_wait(struct mp__thread *thread, unsigned why)
{
    if (likely(mp__carrier_now() == thread->carrier)) {
        end(thread, why);
        return;
    }
    __atomic_or_fetch(&thread->end_wait, (uint8_t)why, __ATOMIC_SEQ_CST);
    mp__carrier_ask(thread->carrier, MP_ASK_MARKS);
}

/* ---- the list of threads, seen from other OS threads ---- */

static const void *holder; /* atomic: of the lock; NULL: nobody */
static unsigned again;     /* how often he has it besides */
struct mp__thread *mp__all_cursors[MP_CURSORS];

/* What no other OS thread has. */
static const void *me(void)
{
    const struct mp__carrier *carrier = mp__carrier_now();

    return carrier != NULL ? (const void *)carrier : (const void *)&mp__self;
}

bool mp__all_is_held(void)
{
    return unlikely(mp__several) &&
           __atomic_load_n(&holder, __ATOMIC_RELAXED) == me();
}

bool mp__all_try(void)
{
    const void *self = me(), *nobody = NULL;

    if (__atomic_load_n(&holder, __ATOMIC_RELAXED) == self) {
        again++;
        return true;
    }
    return __atomic_compare_exchange_n(&holder, &nobody, self, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void mp__all_lock(void)
{
    while (!mp__all_try())
        SYS_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

void mp__all_unlock(void)
{
    if (again > 0)
        again--;
    else
        __atomic_store_n(&holder, NULL, __ATOMIC_RELEASE);
}

uint64_t mp__all_lock_elsewhere(void)
{
    uint64_t every = ~(uint64_t)0, before = 0;

    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &every, &before, sizeof every, 0,
             0);
    mp__all_lock();
    return before;
}

void mp__all_unlock_elsewhere(uint64_t before)
{
    mp__all_unlock();
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before, 0,
             0);
}

void mp__end_wait_forked(void)
{
    holder = NULL;
    again = 0;
    memset(mp__all_cursors, 0, sizeof mp__all_cursors);
}
