/* varlock.c - the locks of contexts, where two threads want the same */
#include "context/varlock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

struct greenlet__varlock greenlet__varlocks[GREENLET__VARLOCKS];

/* Atomic: who has them all, by its greenlet__word's address, which a thread that
 * has used nothing of ours has, too. */
static struct greenlet__thread **forking;

/* While a fork holds them, its handlers may use variables: in the thread that
 * forks, and nowhere else, since the others wait. */
static bool are_ours(void)
{
    return __atomic_load_n(&forking, __ATOMIC_RELAXED) == &greenlet__word;
}

/* Whoever comes back from a sleep does not know whether others sleep still, and
 * says so. */
struct greenlet__varlock *greenlet__varlock_wait(struct greenlet__varlock *lock)
{
    int saved = errno;

    if (are_ours())
        return NULL;
    while (__atomic_exchange_n(&lock->state, VARLOCK_WAITED,
                               __ATOMIC_ACQUIRE) != VARLOCK_FREE)
        syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, VARLOCK_WAITED,
                NULL, NULL, 0);
    errno = saved;
    return lock;
}

void greenlet__varlock_wake(struct greenlet__varlock *lock)
{
    syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* The child has no other thread: it gives what its parent took. */
void greenlet__vars_fork(enum greenlet__fork when)
{
    if (when == FORK_DONE)
        __atomic_store_n(&forking, NULL, __ATOMIC_RELAXED);
    for (int i = 0; i < GREENLET__VARLOCKS; i++) {
        struct greenlet__varlock *lock = &greenlet__varlocks[i];
        uint32_t expected = VARLOCK_FREE;

        if (when == FORK_DONE)
            greenlet__varlock_give(lock);
        else if (!__atomic_compare_exchange_n(
                     &lock->state, &expected, VARLOCK_HELD, false,
                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            greenlet__varlock_wait(lock);
    }
    if (when == FORK_PREPARE)
        __atomic_store_n(&forking, &greenlet__word, __ATOMIC_RELAXED);
}
