/* sync_rwlock.c - read-write locks
 *
 * One 64-bit word says who holds the lock and how many wait, so that a release
 * knows in its one atomic step whom to wake, and touches nothing after it.
 *
 * Nobody sleeps through a release: a waiter reads its sequence word and then
 * adds itself to the state; a release that has seen it changes the sequence
 * before it changes the state, and fails and looks again when a waiter came in
 * between.  So a waiter counts itself anew for each sleep. */
#include "monkeypatch/sync_gate.h"
#include "monkeypatch/sys.h"

#include <limits.h>
#include <string.h>

struct rwlock {
    uint64_t state;
    uint32_t reader_seq, writer_seq; /* lot words */
    uint32_t starving; /* as WORD_STARVING in sync_impl.h: how many */
    uint32_t pad0;
    uint32_t writer; /* id of who holds it for writing; libc's field too */
    int32_t shared;  /* libc's: not 0 if all of this is libc's */
    uint32_t pad1[4];
    uint32_t kind; /* libc's */
} __attribute__((may_alias));

_Static_assert(offsetof(struct rwlock, reader_seq) == 8 &&
                   offsetof(struct rwlock, writer_seq) == 12 &&
                   offsetof(struct rwlock, writer) == 24,
               "who looks at one that is waited for");
_Static_assert(offsetof(struct rwlock, writer) ==
                   offsetof(pthread_rwlock_t, __data.__cur_writer),
               "writer");
_Static_assert(offsetof(struct rwlock, shared) ==
                   offsetof(pthread_rwlock_t, __data.__shared),
               "shared");
_Static_assert(offsetof(struct rwlock, kind) ==
                   offsetof(pthread_rwlock_t, __data.__flags),
               "kind");

/* state: 21 bits each of readers, waiting readers, waiting writers; writer */
#define READER       ((uint64_t)1)
#define READER_WAITS ((uint64_t)1 << 21)
#define WRITER_WAITS ((uint64_t)1 << 42)
#define WRITER       ((uint64_t)1 << 63)
#define COUNT_MASK   ((uint64_t)0x1fffff)

static inline uint64_t readers(uint64_t state)
{
    return state & COUNT_MASK;
}

static inline uint64_t waiting_readers(uint64_t state)
{
    return state / READER_WAITS & COUNT_MASK;
}

static inline uint64_t waiting_writers(uint64_t state)
{
    return state / WRITER_WAITS & COUNT_MASK;
}

static inline bool may_enter(const struct rwlock *lock, uint64_t state,
                             bool write)
{
    if (write)
        return (state & WRITER) == 0 && readers(state) == 0;
    if ((state & WRITER) != 0)
        return false;
    return lock->kind != PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP ||
           waiting_writers(state) == 0;
}

/* Returns 0, EBUSY, or EAGAIN: too many readers. */
static inline int try_enter(struct rwlock *lock, bool write)
{
    uint64_t state = SYNC_LOAD(&lock->state);

    while (may_enter(lock, state, write)) {
        if (!write && readers(state) == COUNT_MASK)
            return EAGAIN;
        if (SYNC_CAS(&lock->state, &state, state + (write ? WRITER : READER)))
            return 0;
    }
    return EBUSY;
}

enum wake { WAKE_NONE, WAKE_WRITER, WAKE_READERS };

/* Whom a release that leaves `state` should wake. */
static enum wake whom(const struct rwlock *lock, uint64_t state)
{
    if ((state & WRITER) != 0 || readers(state) != 0)
        return WAKE_NONE;
    if (waiting_writers(state) != 0 &&
        (waiting_readers(state) == 0 ||
         lock->kind != PTHREAD_RWLOCK_PREFER_READER_NP))
        return WAKE_WRITER;
    return waiting_readers(state) != 0 ? WAKE_READERS : WAKE_NONE;
}

static void rwlock_release(struct rwlock *lock, uint64_t held)
{
    uint64_t state = SYNC_LOAD(&lock->state);
    enum wake wake;

    do {
        wake = whom(lock, state - held);
        if (wake == WAKE_WRITER)
            SYNC_ADD(&lock->writer_seq, 1);
        else if (wake == WAKE_READERS)
            SYNC_ADD(&lock->reader_seq, 1);
    } while (!SYNC_CAS(&lock->state, &state, state - held));
    if (wake == WAKE_WRITER)
        mp__lot_wake(&lock->writer_seq, 1);
    else if (wake == WAKE_READERS)
        mp__lot_wake(&lock->reader_seq, INT_MAX);
}

/* A waiter went without the lock.  It may have been the one that a release
 * woke, or the writer that kept readers out. */
static void pass_on(struct rwlock *lock)
{
    uint64_t state = SYNC_LOAD_ACQUIRE(&lock->state);

    if ((state & WRITER) != 0)
        return;
    if (waiting_writers(state) != 0) {
        SYNC_ADD(&lock->writer_seq, 1);
        mp__lot_wake(&lock->writer_seq, 1);
    }
    if (waiting_readers(state) != 0) {
        SYNC_ADD(&lock->reader_seq, 1);
        mp__lot_wake(&lock->reader_seq, INT_MAX);
    }
}

/* Returns 0, ETIMEDOUT or EAGAIN. */
static int wait_enter(struct rwlock *lock, bool write, int64_t deadline)
{
    uint32_t *word = write ? &lock->writer_seq : &lock->reader_seq;
    uint64_t unit = write ? WRITER_WAITS : READER_WAITS;
    bool starving = false;
    int rc;

    for (;;) {
        uint32_t seq = SYNC_LOAD_ACQUIRE(word);
        uint64_t state = SYNC_LOAD_ACQUIRE(&lock->state);

        if (may_enter(lock, state, write)) {
            rc = try_enter(lock, write);
            if (rc != EBUSY)
                break;
            continue;
        }
        if (!SYNC_CAS(&lock->state, &state, state + unit))
            continue;
        rc = mp__lot_wait(word, seq, deadline,
                          write ? MP_OF_WRITE : MP_OF_READ);
        SYNC_ADD(&lock->state, -unit);
        if (rc == -ETIMEDOUT) {
            pass_on(lock);
            rc = ETIMEDOUT;
            break;
        }
        if (rc == 0 && !starving &&
            !may_enter(lock, SYNC_LOAD(&lock->state), write)) {
            starving = true;
            SYNC_ADD(&lock->starving, 1);
        }
    }
    if (starving)
        SYNC_ADD(&lock->starving, -1u);
    return rc;
}

/* ---- shared with other processes: libc's format ----
 *
 * libc knows a writer by its kernel tid, which greenlets share: which of them
 * it is, is in a gate.  Waiting is a helper's, which makes the whole call: read
 * locks have no owner, and that of a write lock becomes the hub's OS thread. */

struct shared_call {
    pthread_rwlock_t *lock;
    clockid_t clock;
    const struct timespec *until;
    bool write;
    uint32_t writer; /* what to be known by, or 0: as who makes the call */
    int rc;
};

static void shared_run(void *arg)
{
    struct shared_call *c = arg;

    if (c->until == NULL)
        c->rc = c->write ? mp__real.pthread_rwlock_wrlock(c->lock)
                         : mp__real.pthread_rwlock_rdlock(c->lock);
    else
        c->rc = c->write
                    ? mp__real.pthread_rwlock_clockwrlock(c->lock, c->clock,
                                                          c->until)
                    : mp__real.pthread_rwlock_clockrdlock(c->lock, c->clock,
                                                          c->until);
    /* At once: the next call that this helper makes for the same lock would
     * find that it holds it. */
    if (c->rc == 0 && c->write && c->writer != 0)
        SYNC_STORE(&((struct rwlock *)c->lock)->writer, c->writer);
}

static bool shared_is_mine(pthread_rwlock_t *lock)
{
    struct sync_gate *gate = sync_gate_get(lock, false);
    bool mine = gate != NULL && SYNC_LOAD(&gate->owner) == sync_self();

    if (gate != NULL)
        sync_gate_put(gate);
    return mine;
}

/* A greenlet has locked it for writing. */
static void shared_own(pthread_rwlock_t *lock)
{
    struct sync_gate *gate = sync_gate_get(lock, true);

    if (gate != NULL)
        SYNC_STORE(&gate->owner, sync_self());
}

static int shared_enter(pthread_rwlock_t *user, bool write, bool try,
                        clockid_t clock, const struct timespec *until)
{
    struct shared_call call = {user, clock, until, write, 0, 0};

    sync_real();
    if (mp__here == NULL && !try) {
        shared_run(&call);
        return call.rc;
    }
    if (mp__here != NULL && !try && shared_is_mine(user))
        return EDEADLK;
    call.rc = write ? mp__real.pthread_rwlock_trywrlock(user)
                    : mp__real.pthread_rwlock_tryrdlock(user);
    if (call.rc == EBUSY && !try) {
        call.writer = (uint32_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
        mp__offload(shared_run, &call, HUB_OFFLOAD_LONG);
    }
    if (call.rc == 0 && write && mp__here != NULL)
        shared_own(user);
    return call.rc;
}

static int shared_unlock(pthread_rwlock_t *user)
{
    if (mp__here != NULL)
        sync_gate_reset(user);
    return sync_real()->pthread_rwlock_unlock(user);
}

/* ---- libc's functions ---- */

static int enter(pthread_rwlock_t *user, bool write, clockid_t clock,
                 const struct timespec *until)
{
    struct rwlock *lock = (struct rwlock *)user;
    int64_t deadline = HUB_FOREVER;
    int rc;

    /* libc looks at these first, even if it would not wait. */
    if (!sync_clock_ok(clock) || sync_deadline(clock, until, &deadline) != 0)
        return EINVAL;
    if (unlikely(lock->shared != 0))
        return shared_enter(user, write, false, clock, until);
    if (SYNC_LOAD(&lock->writer) != 0 &&
        SYNC_LOAD(&lock->writer) == sync_self())
        return EDEADLK;
    sync_give_way(SYNC_LOAD(&lock->starving) != 0);
    rc = try_enter(lock, write);
    if (rc == EBUSY)
        rc = wait_enter(lock, write, deadline);
    if (rc == 0 && write)
        SYNC_STORE(&lock->writer, sync_self());
    return rc;
}

static int try(pthread_rwlock_t *user, bool write)
{
    struct rwlock *lock = (struct rwlock *)user;
    int rc;

    if (unlikely(lock->shared != 0))
        rc = shared_enter(user, write, true, CLOCK_REALTIME, NULL);
    else {
        sync_give_way(SYNC_LOAD(&lock->starving) != 0);
        rc = try_enter(lock, write);
        if (rc == 0 && write)
            SYNC_STORE(&lock->writer, sync_self());
    }
    if (rc == EBUSY)
        sync_busy();
    return rc;
}

MP_EXPORT int pthread_rwlock_init(pthread_rwlock_t *lock,
                                  const pthread_rwlockattr_t *attributes)
{
    int shared = PTHREAD_PROCESS_PRIVATE, kind = PTHREAD_RWLOCK_DEFAULT_NP;

    if (attributes != NULL) {
        pthread_rwlockattr_getpshared(attributes, &shared);
        pthread_rwlockattr_getkind_np(attributes, &kind);
    }
    if (shared != PTHREAD_PROCESS_PRIVATE) {
        sync_gate_reset(lock);
        return sync_real()->pthread_rwlock_init(lock, attributes);
    }
    memset(lock, 0, sizeof *lock);
    ((struct rwlock *)lock)->kind = (uint32_t)kind;
    return 0;
}

MP_EXPORT int pthread_rwlock_destroy(pthread_rwlock_t *lock)
{
    (void)lock;
    return 0; /* libc's does nothing either, whatever the state */
}

MP_EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    return enter(lock, false, CLOCK_REALTIME, NULL);
}

MP_EXPORT int pthread_rwlock_timedrdlock(pthread_rwlock_t *lock,
                                         const struct timespec *until)
{
    return enter(lock, false, CLOCK_REALTIME, until);
}

MP_EXPORT int pthread_rwlock_clockrdlock(pthread_rwlock_t *lock,
                                         clockid_t clock,
                                         const struct timespec *until)
{
    return enter(lock, false, clock, until);
}

MP_EXPORT int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
    return try(lock, false);
}

MP_EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    return enter(lock, true, CLOCK_REALTIME, NULL);
}

MP_EXPORT int pthread_rwlock_timedwrlock(pthread_rwlock_t *lock,
                                         const struct timespec *until)
{
    return enter(lock, true, CLOCK_REALTIME, until);
}

MP_EXPORT int pthread_rwlock_clockwrlock(pthread_rwlock_t *lock,
                                         clockid_t clock,
                                         const struct timespec *until)
{
    return enter(lock, true, clock, until);
}

MP_EXPORT int pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
    return try(lock, true);
}

MP_EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *user)
{
    struct rwlock *lock = (struct rwlock *)user;
    uint64_t state;

    if (unlikely(lock->shared != 0))
        return shared_unlock(user);
    state = SYNC_LOAD(&lock->state);
    if ((state & WRITER) != 0) {
        SYNC_STORE(&lock->writer, 0);
        rwlock_release(lock, WRITER);
    } else if (readers(state) != 0) {
        rwlock_release(lock, READER);
    }
    return 0;
}

MP_SPELLING(pthread_rwlock_init, __pthread_rwlock_init);
MP_SPELLING(pthread_rwlock_destroy, __pthread_rwlock_destroy);
MP_SPELLING(pthread_rwlock_rdlock, __pthread_rwlock_rdlock);
MP_SPELLING(pthread_rwlock_tryrdlock, __pthread_rwlock_tryrdlock);
MP_SPELLING(pthread_rwlock_wrlock, __pthread_rwlock_wrlock);
MP_SPELLING(pthread_rwlock_trywrlock, __pthread_rwlock_trywrlock);
MP_SPELLING(pthread_rwlock_unlock, __pthread_rwlock_unlock);
