/* sync_cond.c - condition variables
 *
 * A waiter remembers `seq`, unlocks and waits in the lot until it differs: a
 * signal adds one and wakes the oldest, so no wake-up is lost between the two.
 *
 * A cond that is shared with other processes is in libc's format, and its
 * signals are libc's, so that processes without this library are woken.  Its
 * waiters here cannot be libc's: that wait is one with the mutex's unlock, in a
 * call that would stop the hub.  They are woken at once by signals of this
 * process, and end by themselves every SHARED_SLICE, which the program sees as
 * a wake-up without a signal and looks at what it waits for. */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/sync_impl.h"

#include <limits.h>
#include <string.h>

enum {
    COND_SHARED = 1, /* both are libc's bits */
    COND_MONOTONIC = 2
};

/* libc's __wrefs, which glibc 2.41 has at another place than 2.36. */
#define FLAGS_AT (offsetof(pthread_cond_t, __data.__wrefs) / sizeof(uint32_t))

struct cond {
    uint32_t seq;     /* the lot word */
    uint32_t waiters; /* COND_GONE: destroy waits for the last */
    uint32_t pad[FLAGS_AT - 2];
    uint32_t flags; /* of the shared ones we look at bit 0 */
} __attribute__((may_alias));

_Static_assert(offsetof(struct cond, flags) ==
                   offsetof(pthread_cond_t, __data.__wrefs),
               "flags");

#define COND_GONE    0x80000000u
#define SHARED_SLICE 2000000

/* Signals of this process to shared conds, counted by address; two conds may
 * have the same word. */
static uint32_t shared_seqs[64];

static uint32_t *shared_seq(const struct cond *cond)
{
    uintptr_t key = (uintptr_t)cond >> 4;

    return &shared_seqs[(key ^ (key >> 8)) % 64];
}

struct cond_waiter {
    struct cond *cond;      /* counted there; NULL: no more, or shared */
    pthread_mutex_t *mutex; /* to be locked again, or NULL */
};

/* Before the mutex is locked: who destroys the cond may hold it. */
static void waiter_leave(struct cond_waiter *waiter)
{
    struct cond *cond = waiter->cond;

    waiter->cond = NULL;
    if (cond != NULL && SYNC_ADD(&cond->waiters, -1u) == (COND_GONE | 1))
        mp__lot_wake(&cond->waiters, INT_MAX);
}

/* Cancelled: the handlers of the program run with the mutex locked.  A signal
 * that this waiter may have taken goes to another. */
static void waiter_unwound(struct cond_waiter *waiter)
{
    uint32_t *word = waiter->cond != NULL ? &waiter->cond->seq : NULL;

    waiter_leave(waiter);
    if (waiter->mutex == NULL)
        return;
    if (word != NULL) {
        SYNC_ADD(word, 1);
        mp__lot_wake(word, 1);
    }
    sync_mutex_lock(waiter->mutex);
}

/* A thread that was woken, locked the mutex and waits again without having
 * unlocked it found that somebody else had been quicker: one that became ready
 * earlier, by something else.  The order in which greenlets run being what it
 * is, the same could be quicker each time.  So this one keeps its place, and
 * runs first when it is woken again. */
static unsigned if_it_lost(const pthread_mutex_t *mutex, const uint32_t *word)
{
    const struct mp__thread *self = mp__here;

    return self != NULL && self->cond_lost && self->cond_word == word &&
                   (SYNC_LOAD(&mutex->__data.__kind) & KIND_FOREIGN) == 0 &&
                   SYNC_LOAD(&mutex->__data.__nusers) == MUTEX_RELOCKED
               ? MP_FIRST
               : 0;
}

/* It has lost if it comes straight back. */
static void note_relocked(pthread_mutex_t *mutex, const uint32_t *word,
                          bool woken)
{
    struct mp__thread *self = mp__here;

    if (self == NULL || (SYNC_LOAD(&mutex->__data.__kind) & KIND_FOREIGN) != 0)
        return;
    self->cond_word = word;
    self->cond_lost = woken;
    SYNC_STORE(&mutex->__data.__nusers, MUTEX_RELOCKED);
}

/* A handler that ran meanwhile ends no wait: libc's goes on, too. */
static int wait_for_signal(const struct cond *cond, uint32_t *word,
                           uint32_t seq, int64_t deadline, unsigned flags)
{
    int rc;

    do
        rc = sync_lot_wait_cancel(word, seq, deadline, flags);
    while ((rc == 0 || rc == -EINTR) && cond != NULL &&
           SYNC_LOAD(word) == seq);
    return rc;
}

/* `word` was read as `seq` with the mutex locked. */
static int wait_on(struct cond_waiter *start, pthread_mutex_t *mutex,
                   uint32_t *word, uint32_t seq, int64_t deadline)
{
    struct cond_waiter waiter __attribute__((cleanup(waiter_unwound))) = *start;
    unsigned first = if_it_lost(mutex, word);
    int rc = sync_mutex_unlock(mutex), relocked;

    if (rc != 0)
        return rc;
    waiter.mutex = mutex;
    rc = wait_for_signal(start->cond, word, seq, deadline,
                         first | (start->cond != NULL ? MP_OF_COND : 0));
    waiter_leave(&waiter);
    waiter.mutex = NULL;
    relocked = sync_mutex_lock(mutex);
    if (relocked != 0)
        return relocked;
    note_relocked(mutex, word, rc == 0 || first != 0);
    return rc == -ETIMEDOUT ? ETIMEDOUT : 0;
}

static int shared_wait(struct cond *cond, pthread_mutex_t *mutex,
                       int64_t deadline)
{
    uint32_t *word = shared_seq(cond);
    int64_t slice = mp__now() + SHARED_SLICE;
    int64_t until = mp__real_time_now(deadline);
    struct cond_waiter waiter = {NULL, NULL};
    int rc = wait_on(&waiter, mutex, word, SYNC_LOAD_ACQUIRE(word),
                     slice < until ? slice : until);

    return rc == ETIMEDOUT && slice < until ? 0 : rc;
}

/* A real thread whose mutex is libc's too can have the true wait. */
static bool native_wait(const struct cond *cond, const pthread_mutex_t *mutex)
{
    return (SYNC_LOAD(&cond->flags) & COND_SHARED) != 0 && mp__here == NULL &&
           (SYNC_LOAD(&mutex->__data.__kind) & KIND_FOREIGN) != 0;
}

int sync_cond_wait(pthread_cond_t *user, pthread_mutex_t *mutex,
                   int64_t deadline)
{
    struct cond *cond = (struct cond *)user;
    struct cond_waiter waiter = {cond, NULL};

    if (unlikely((SYNC_LOAD(&cond->flags) & COND_SHARED) != 0))
        return shared_wait(cond, mutex, deadline);
    SYNC_ADD(&cond->waiters, 1);
    return wait_on(&waiter, mutex, &cond->seq, SYNC_LOAD_ACQUIRE(&cond->seq),
                   deadline);
}

static int wait_until(pthread_cond_t *user, pthread_mutex_t *mutex,
                      clockid_t clock, const struct timespec *until)
{
    int64_t deadline;
    int rc = sync_deadline(clock, until, &deadline);

    return rc != 0 ? rc : sync_cond_wait(user, mutex, deadline);
}

int sync_cond_timedwait(pthread_cond_t *user, pthread_mutex_t *mutex,
                        const struct timespec *until)
{
    struct cond *cond = (struct cond *)user;

    return wait_until(user, mutex,
                      (SYNC_LOAD(&cond->flags) & COND_MONOTONIC) != 0
                          ? CLOCK_MONOTONIC
                          : CLOCK_REALTIME,
                      until);
}

/* An interpreter that gives up its lock and takes it again at once would keep it
 * for ever: let those run, now and then, that were woken, or whose time-out has
 * come.  Mostly the mutex is held here, and they could only wait for that: so
 * when it is unlocked.  Counted apart, since a program may signal one cond that
 * has waiters and one that has none in turn. */
static void give_way(bool woken)
{
    unsigned *left = mp__here != NULL
                         ? &mp__here->carrier->turns_left[woken]
                         : NULL;

    if (likely(left == NULL) || likely(--*left != 0))
        return;
    *left = MP_TURNS;
    if (sync_turn_due)
        sync_give_turn(); /* no mutex was unlocked since */
    else
        sync_turn_due = true;
}

static int wake(pthread_cond_t *user, bool all)
{
    struct cond *cond = (struct cond *)user;
    uint32_t *word = &cond->seq;

    if (unlikely((SYNC_LOAD(&cond->flags) & COND_SHARED) != 0)) {
        word = shared_seq(cond);
        if (all)
            sync_real()->pthread_cond_broadcast(user);
        else
            sync_real()->pthread_cond_signal(user);
        all = true; /* the word is not of this cond alone */
    } else if (SYNC_LOAD(&cond->waiters) == 0) {
        give_way(false);
        return 0;
    }
    SYNC_ADD(word, 1);
    mp__lot_wake(word, all ? INT_MAX : 1);
    give_way(true);
    return 0;
}

int sync_cond_signal(pthread_cond_t *cond)
{
    return wake(cond, false);
}

int sync_cond_broadcast(pthread_cond_t *cond)
{
    return wake(cond, true);
}

int sync_cond_init(pthread_cond_t *user, bool shared, clockid_t clock)
{
    struct cond *cond = (struct cond *)user;

    memset(user, 0, sizeof *user);
    cond->flags = (shared ? COND_SHARED : 0) |
                  (clock == CLOCK_MONOTONIC ? COND_MONOTONIC : 0);
    return 0;
}

int sync_cond_destroy(pthread_cond_t *user)
{
    struct cond *cond = (struct cond *)user;
    uint32_t left;

    if ((SYNC_LOAD(&cond->flags) & COND_SHARED) != 0)
        return sync_real()->pthread_cond_destroy(user);
    if (SYNC_LOAD(&cond->waiters) == 0)
        return 0;
    /* Woken ones that have not left yet. */
    left = __atomic_or_fetch(&cond->waiters, COND_GONE, __ATOMIC_ACQ_REL);
    while (left != COND_GONE) {
        mp__lot_wait(&cond->waiters, left, HUB_FOREVER, 0);
        left = SYNC_LOAD_ACQUIRE(&cond->waiters);
    }
    return 0;
}

MP_EXPORT int pthread_cond_init(pthread_cond_t *cond,
                                const pthread_condattr_t *attributes)
{
    int shared = PTHREAD_PROCESS_PRIVATE;
    clockid_t clock = CLOCK_REALTIME;

    if (attributes != NULL) {
        pthread_condattr_getpshared(attributes, &shared);
        pthread_condattr_getclock(attributes, &clock);
    }
    return sync_cond_init(cond, shared != PTHREAD_PROCESS_PRIVATE, clock);
}

MP_EXPORT int pthread_cond_destroy(pthread_cond_t *cond)
{
    return sync_cond_destroy(cond);
}

MP_EXPORT int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    if (unlikely(native_wait((struct cond *)cond, mutex)))
        return sync_real()->pthread_cond_wait(cond, mutex);
    return sync_cond_wait(cond, mutex, HUB_FOREVER);
}

MP_EXPORT int pthread_cond_timedwait(pthread_cond_t *cond,
                                     pthread_mutex_t *mutex,
                                     const struct timespec *until)
{
    if (unlikely(native_wait((struct cond *)cond, mutex)))
        return sync_real()->pthread_cond_timedwait(cond, mutex, until);
    return sync_cond_timedwait(cond, mutex, until);
}

MP_EXPORT int pthread_cond_clockwait(pthread_cond_t *cond,
                                     pthread_mutex_t *mutex, clockid_t clock,
                                     const struct timespec *until)
{
    if (!sync_clock_ok(clock))
        return EINVAL;
    if (unlikely(native_wait((struct cond *)cond, mutex)))
        return sync_real()->pthread_cond_clockwait(cond, mutex, clock, until);
    return wait_until(cond, mutex, clock, until);
}

MP_EXPORT int pthread_cond_signal(pthread_cond_t *cond)
{
    return sync_cond_signal(cond);
}

MP_EXPORT int pthread_cond_broadcast(pthread_cond_t *cond)
{
    return sync_cond_broadcast(cond);
}
