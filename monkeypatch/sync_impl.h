/* sync_impl.h - what the locks of the preload library share
 *
 * The state of every lock is inside the bytes that the program gave it, is
 * valid when they are all zero, and waits on words of it by mp__lot_wait(), so
 * that one lock works between greenlets and real threads alike.  What other
 * processes may share (process-shared, robust, PI and PP mutexes; shared conds,
 * rwlocks, barriers, semaphores) keeps libc's format: the other side may not
 * run under this library.
 *
 * Rule for all of them: once a lock is given up its bytes may be gone (unlock,
 * then another thread locks, unlocks, frees).  After the releasing store only
 * the address of a word may be used, as the lot does. */
#ifndef SYNC_IMPL_H
#define SYNC_IMPL_H

#include "monkeypatch/monkeypatch_impl.h"

#include <sys/single_threaded.h>

_Static_assert(sizeof(pthread_cond_t) == 48, "pthread_cond_t");
_Static_assert(sizeof(pthread_rwlock_t) == 56, "pthread_rwlock_t");
_Static_assert(sizeof(pthread_barrier_t) == 32, "pthread_barrier_t");
_Static_assert(sizeof(sem_t) == 32, "sem_t");
_Static_assert(sizeof(pthread_once_t) == 4, "pthread_once_t");
_Static_assert(sizeof(once_flag) == 4, "once_flag");
_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "mtx_t");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "cnd_t");
#if defined(__x86_64__)
_Static_assert(sizeof(pthread_mutex_t) == 40, "pthread_mutex_t");
#elif defined(__aarch64__)
_Static_assert(sizeof(pthread_mutex_t) == 48, "pthread_mutex_t");
#endif
_Static_assert(offsetof(pthread_mutex_t, __data.__kind) == 16, "kind");

#define SYNC_LOAD(p)         __atomic_load_n(p, __ATOMIC_RELAXED)
#define SYNC_LOAD_ACQUIRE(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define SYNC_STORE(p, v)     __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define SYNC_ADD(p, v)       __atomic_fetch_add(p, v, __ATOMIC_ACQ_REL)
#define SYNC_CAS(p, old, new_value)                                         \
    __atomic_compare_exchange_n(p, old, new_value, false, __ATOMIC_ACQ_REL, \
                                __ATOMIC_ACQUIRE)

/* ---- for the rest of the library ---- */

/* In the child of a fork(). */
void mp__sync_forked(void);
/* SYS_futex: a result or -errno. */
long mp__futex(uint32_t *word, int op, uint32_t value,
               const struct timespec *timeout, uint32_t *word2,
               uint32_t value3);

/* ---- ids ---- */

static inline uint32_t sync_self(void)
{
    return likely(mp__self != NULL && !mp__hosts) ? mp__self->id
                                                  : mp__owner_id();
}

/* The caller runs on the main thread's own stack, or a real thread's: what was
 * locked before there were greenlets is its. */
static inline bool sync_is_first(void)
{
    return mp__self == &mp__main ||
           (mp__self == NULL && mp__hub->owner_id() == 0);
}

/* What a thread does again and again without ever waiting; one of its own in each
 * thread. */
struct sync_row {
    uint64_t switches; /* of the hub, when it was last done */
    unsigned count;    /* since the thread runs */
};

/* True every `most` times that come in a row.  A thread that waits in between lets
 * others run anyway; to take its turn from it besides, perhaps while it holds an
 * interpreter's lock, would put all who run meanwhile into the queue of that. */
bool sync_row_is_full(struct sync_row *row, unsigned most);

/* A try failed.  Programs that only try, in a loop, would keep the holder from
 * ever running: now and then, let it. */
void sync_busy(void);

/* Somebody lost to a thread that went on running: let it have its turn first.
 */
static inline void sync_give_way(bool starving)
{
    if (unlikely(starving) && mp__here != NULL)
        mp__yield();
}

/* ---- time ---- */

static inline bool sync_nanoseconds_ok(const struct timespec *t)
{
    return (unsigned long)t->tv_nsec < 1000000000ul;
}

static inline bool sync_clock_ok(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}

/* *deadline for `until` (NULL: never).  Returns 0 or EINVAL. */
int sync_deadline(clockid_t clock, const struct timespec *until,
                  int64_t *deadline);

/* The kernel goes on with a futex wait after a handler with SA_RESTART only if
 * it has no end. */
static inline unsigned sync_interruptible(int64_t deadline)
{
    return deadline == HUB_FOREVER ? MP_INTERRUPTIBLE | MP_RESTARTS
                                   : MP_INTERRUPTIBLE;
}

/* mp__lot_wait() as a cancellation point, of native runs too. */
int sync_lot_wait_cancel(uint32_t *word, uint32_t expected, int64_t deadline,
                         unsigned flags);

/* ---- the word: a mutex in 32 bits ----
 *
 * WAITERS: somebody may wait in the lot.  STARVING: one of them was woken
 * before and found the word taken again; without help it could lose for ever,
 * since the holder goes on running when it unlocks and locks again.  So a
 * starving word is not freed but PROMISED: who comes then lets others run once,
 * which puts the woken waiter first, before it takes the word itself. */
enum { WORD_FREE, WORD_LOCKED, WORD_WAITERS, WORD_STARVING, WORD_PROMISED };

/* A promised word is left to whom it was promised.  In a process of one thread
 * a plain store does, as in libc: it costs a third. */
static inline bool sync_word_fast(uint32_t *word)
{
    uint32_t old = WORD_FREE;

    if (__libc_single_threaded) {
        if (SYNC_LOAD(word) != WORD_FREE)
            return false;
        SYNC_STORE(word, WORD_LOCKED);
        return true;
    }
    return __atomic_compare_exchange_n(word, &old, WORD_LOCKED, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* The same, but a promised word is free to take. */
static inline bool sync_word_try(uint32_t *word)
{
    uint32_t old = WORD_PROMISED;

    return likely(sync_word_fast(word)) || (SYNC_LOAD(word) == WORD_PROMISED &&
                                            SYNC_CAS(word, &old, WORD_WAITERS));
}

/* Returns 0 or -ETIMEDOUT.  `of`: as for mp__lot_wait(). */
int sync_word_lock(uint32_t *word, int64_t deadline, unsigned of);
void sync_word_unlock_slow(uint32_t *word);

static inline void sync_word_unlock(uint32_t *word)
{
    uint32_t old = WORD_LOCKED;

    if (__libc_single_threaded && likely(SYNC_LOAD(word) == WORD_LOCKED))
        SYNC_STORE(word, WORD_FREE);
    else if (unlikely(!__atomic_compare_exchange_n(word, &old, WORD_FREE, false,
                                                   __ATOMIC_RELEASE,
                                                   __ATOMIC_RELAXED)))
        sync_word_unlock_slow(word);
}

/* ---- mutexes ---- */

/* Bits of libc's __kind. */
enum {
    KIND_TYPE = 3,
    KIND_ROBUST = 16,
    KIND_INHERIT = 32,
    KIND_PROTECT = 64,
    KIND_SHARED = 128,
    KIND_FOREIGN = KIND_ROBUST | KIND_INHERIT | KIND_PROTECT | KIND_SHARED
};
#define KIND_DESTROYED (-1) /* also foreign, by its bits */

/* Types whose owner decides what a call does. */
static inline bool sync_has_owner(int kind)
{
    int type = kind & KIND_TYPE;

    return type == PTHREAD_MUTEX_RECURSIVE_NP ||
           type == PTHREAD_MUTEX_ERRORCHECK_NP;
}

static inline uint32_t *sync_mutex_word(pthread_mutex_t *mutex)
{
    return (uint32_t *)&mutex->__data.__lock;
}

/* Others than checking types keep the owner for debuggers only, if it costs
 * nothing. */
static inline void sync_mutex_own(pthread_mutex_t *mutex, int kind)
{
    if (likely(mp__self != NULL && !mp__hosts))
        SYNC_STORE(&mutex->__data.__owner, (int)mp__self->id);
    else if (sync_has_owner(kind))
        SYNC_STORE(&mutex->__data.__owner, (int)mp__owner_id());
}

/* __nusers of a mutex that a wait for a cond has locked again, until it is
 * unlocked: it is cleared with the owner, in one store. */
#define MUTEX_RELOCKED 1

_Static_assert(offsetof(pthread_mutex_t, __data.__owner) == 8 &&
                   offsetof(pthread_mutex_t, __data.__nusers) == 12,
               "owner");

static inline void sync_mutex_disown(pthread_mutex_t *mutex)
{
    typedef uint64_t __attribute__((may_alias)) both;

    SYNC_STORE((both *)&mutex->__data.__owner, 0);
}

/* All return 0 or a positive errno, as the functions of libc do. */
int sync_mutex_lock_slow(pthread_mutex_t *mutex, clockid_t clock,
                         const struct timespec *until);
int sync_mutex_unlock_slow(pthread_mutex_t *mutex);
int sync_mutex_trylock(pthread_mutex_t *mutex);
int sync_mutex_destroy(pthread_mutex_t *mutex);

static inline int sync_mutex_lock_until(pthread_mutex_t *mutex, clockid_t clock,
                                        const struct timespec *until)
{
    int kind = SYNC_LOAD(&mutex->__data.__kind);

    if (likely((kind & KIND_FOREIGN) == 0) &&
        likely(sync_word_fast(sync_mutex_word(mutex)))) {
        sync_mutex_own(mutex, kind);
        return 0;
    }
    return sync_mutex_lock_slow(mutex, clock, until);
}

static inline int sync_mutex_lock(pthread_mutex_t *mutex)
{
    return sync_mutex_lock_until(mutex, CLOCK_REALTIME, NULL);
}

/* Somebody who was woken is to run when the program unlocks a mutex: sync_cond.c */
extern bool sync_turn_due;
void sync_give_turn(void);

static inline int sync_mutex_unlock(pthread_mutex_t *mutex)
{
    int kind = SYNC_LOAD(&mutex->__data.__kind);

    if (unlikely((kind & KIND_FOREIGN) != 0 || sync_has_owner(kind)))
        return sync_mutex_unlock_slow(mutex);
    sync_mutex_disown(mutex);
    sync_word_unlock(sync_mutex_word(mutex));
    return 0;
}

/* sync_mutex_shared.c: those in libc's format */
int sync_foreign_init(pthread_mutex_t *mutex,
                      const pthread_mutexattr_t *attributes);
int sync_foreign_lock(pthread_mutex_t *mutex, clockid_t clock,
                      const struct timespec *until);
int sync_foreign_trylock(pthread_mutex_t *mutex);
int sync_foreign_unlock(pthread_mutex_t *mutex);

/* sync_gate.c */
void sync_gate_forked(void);

/* sync_once.c */
int sync_once(uint32_t *once, void (*function)(void));
void sync_once_forked(void);

/* sync_futex.c: wait by the kernel, on a helper while the greenlet is parked.
 * Returns 0, -EAGAIN, -EINTR, -ETIMEDOUT. */
int sync_kernel_wait(uint32_t *word, uint32_t expected, int64_t deadline);
/* For waiters of other processes and for helpers. */
int sync_kernel_wake(uint32_t *word, int n);

/* sync_cond.c */
int sync_cond_init(pthread_cond_t *cond, bool shared, clockid_t clock);
int sync_cond_destroy(pthread_cond_t *cond);
int sync_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                   int64_t deadline);
int sync_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                        const struct timespec *until);
int sync_cond_signal(pthread_cond_t *cond);
int sync_cond_broadcast(pthread_cond_t *cond);

/* The originals, also for calls that come before our constructor. */
static inline const struct mp__real *sync_real(void)
{
    if (unlikely(mp__real.pthread_mutex_lock == NULL))
        mp__init();
    return &mp__real;
}

#endif
