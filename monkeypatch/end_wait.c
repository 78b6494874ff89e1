/* end_wait.c - ending the wait of a mapped thread: cancellation, signals
 *
 * A waiter is on the stack of who waits and is valid until that one runs again,
 * so only the OS thread that runs it may look for one.  Any other leaves a mark
 * in the thread, which lives at least until it is joined, and asks the loop to
 * look for marks. */
#include "monkeypatch/end_wait.h"

#include <string.h>

static struct hub_callback look;
static uint8_t asked; /* atomic: `look` is on its way */

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

static void look_for_marks(void *arg)
{
    struct mp__thread *thread;

    (void)arg;
    __atomic_store_n(&asked, 0, __ATOMIC_SEQ_CST);
    for (thread = mp__all; thread != NULL; thread = thread->all_next)
        if (__atomic_load_n(&thread->end_wait, __ATOMIC_SEQ_CST) != 0)
            end(thread, __atomic_exchange_n(&thread->end_wait, 0,
                                            __ATOMIC_SEQ_CST));
}

/* The hub may be another than the last time: a fork() came between. */
static void ask(void)
{
    struct hub *hub = mp__main.identity->os->hub;

    mp__hub->callback_init(&look, hub, look_for_marks, NULL);
    mp__hub->callback_push_remote(&look);
}

void mp__end_wait(struct mp__thread *thread, unsigned why)
{
    if (likely(mp__self != NULL)) {
        end(thread, why);
        return;
    }
    __atomic_or_fetch(&thread->end_wait, (uint8_t)why, __ATOMIC_SEQ_CST);
    if (__atomic_exchange_n(&asked, 1, __ATOMIC_SEQ_CST) == 0)
        ask();
}

/* ---- the list of threads, seen from other OS threads ---- */

static bool taken;
struct mp__thread *mp__all_cursors[MP_CURSORS];

/* Only who takes a thread out excludes others: a new one is whole before it is
 * in the list. */
void mp__all_lock(void)
{
    while (__atomic_test_and_set(&taken, __ATOMIC_ACQUIRE))
        SYS_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

void mp__all_unlock(void)
{
    __atomic_clear(&taken, __ATOMIC_RELEASE);
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
    taken = false;
    memset(mp__all_cursors, 0, sizeof mp__all_cursors);
    asked = 0;
}
