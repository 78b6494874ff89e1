/* varlock.h - the locks of contexts: a few, chosen by address
 *
 * Each is a word that a thread without a rival takes and gives with one
 * instruction each, or, where there is no other thread, without any; a rival
 * sleeps.  Whoever holds one does a few steps in memory
 * and nothing else: it does not allocate, switch or call the program. */
#ifndef GREENLET_VARLOCK_H
#define GREENLET_VARLOCK_H

#include "context/greenlet_impl.h"

enum { GREENLET__VARLOCK_BITS = 4, GREENLET__VARLOCKS = 16 };

/* Each on a cache line of its own. */
struct greenlet__varlock {
    uint32_t state; /* atomic */
} __attribute__((aligned(64)));

/* HELD: nobody waits; WAITED: somebody may. */
enum greenlet__varlock_state { VARLOCK_FREE, VARLOCK_HELD, VARLOCK_WAITED };

extern struct greenlet__varlock greenlet__varlocks[GREENLET__VARLOCKS];

/* Off the fast path. */
struct greenlet__varlock *
greenlet__varlock_wait(struct greenlet__varlock *lock);
void greenlet__varlock_wake(struct greenlet__varlock *lock);

/* Take the lock of an address.  What comes back is to be given; it is NULL where
 * there is no other thread, and in the one that forks, which has them all.  Nobody
 * starts a thread between the two. */
static inline struct greenlet__varlock *greenlet__varlock_take(const void *of)
{
    uint32_t mixed = (uint32_t)((uintptr_t)of >> 4) * 2654435761u;
    struct greenlet__varlock *lock =
        &greenlet__varlocks[mixed >> (32 - GREENLET__VARLOCK_BITS)];
    uint32_t expected = VARLOCK_FREE;

    if (likely(__libc_single_threaded))
        return NULL;
    if (likely(__atomic_compare_exchange_n(&lock->state, &expected,
                                           VARLOCK_HELD, false,
                                           __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
        return lock;
    return greenlet__varlock_wait(lock);
}

static inline void greenlet__varlock_give(struct greenlet__varlock *lock)
{
    if (lock != NULL &&
        unlikely(__atomic_exchange_n(&lock->state, VARLOCK_FREE,
                                     __ATOMIC_RELEASE) == VARLOCK_WAITED))
        greenlet__varlock_wake(lock);
}

#endif
