/* sync_once.c - pthread_once(); call_once() is the same
 *
 * The word is 0, or flags and above them the fork generation in which the
 * function was started: a child must run it again if the thread that ran it
 * stayed in the parent.  DONE is libc's value. */
#include "monkeypatch/sync_impl.h"

#include <limits.h>

enum { ONCE_RUNNING = 1, ONCE_DONE = 2, ONCE_WAITERS = 4, ONCE_GENERATION = 8 };

static uint32_t generation;

void sync_once_forked(void)
{
    generation += ONCE_GENERATION;
}

static void once_end(uint32_t *once, uint32_t value)
{
    if (__atomic_exchange_n(once, value, __ATOMIC_RELEASE) & ONCE_WAITERS)
        mp__lot_wake(once, INT_MAX);
}

/* The function was left by unwinding: as if it had never been called. */
static void once_unwound(uint32_t **once)
{
    if (*once != NULL)
        once_end(*once, 0);
}

static void once_run(uint32_t *once, void (*function)(void))
{
    uint32_t *running __attribute__((cleanup(once_unwound))) = once;

    function();
    running = NULL;
    once_end(once, ONCE_DONE);
}

static int __attribute__((noinline))
once_slow(uint32_t *once, void (*function)(void))
{
    uint32_t value = SYNC_LOAD_ACQUIRE(once);

    while ((value & ONCE_DONE) == 0) {
        bool running = (value & ONCE_RUNNING) != 0 &&
                       value / ONCE_GENERATION == generation / ONCE_GENERATION;

        if (!running) {
            if (!SYNC_CAS(once, &value, generation | ONCE_RUNNING))
                continue;
            once_run(once, function);
            return 0;
        }
        if ((value & ONCE_WAITERS) == 0 &&
            !SYNC_CAS(once, &value, value | ONCE_WAITERS))
            continue;
        mp__lot_wait(once, value | ONCE_WAITERS, HUB_FOREVER, MP_OF_ONCE);
        value = SYNC_LOAD_ACQUIRE(once);
    }
    return 0;
}

int sync_once(uint32_t *once, void (*function)(void))
{
    if (likely((SYNC_LOAD_ACQUIRE(once) & ONCE_DONE) != 0))
        return 0;
    return once_slow(once, function);
}

MP_EXPORT int pthread_once(pthread_once_t *once, void (*function)(void))
{
    return sync_once((uint32_t *)once, function);
}

MP_SPELLING(pthread_once, __pthread_once);
