/* sync_mutex_shared.c - process-shared, robust, PI and PP mutexes
 *
 * They keep libc's format.  libc tells owners apart by kernel tid, which all
 * greenlets of an OS thread share, so each mutex that greenlets use has a gate
 * in this process, found by address: one greenlet is inside at a time, and the
 * gate decides recursion, EDEADLK and EPERM.  The one inside then calls libc's
 * own trylock and unlock with the OS thread's TLS block loaded, so that tid and
 * robust list are those the kernel knows.
 *
 * A real thread has a tid and a robust list of its own: straight to libc.
 * Priorities are not inherited between greenlets. */
#include "monkeypatch/sync_gate.h"
#include "monkeypatch/sys.h"

#include <limits.h>
#include <linux/futex.h>

/* libc's __owner of a robust mutex that nobody repaired. */
#define OWNER_LOST (INT_MAX - 1)

int sync_foreign_init(pthread_mutex_t *mutex,
                      const pthread_mutexattr_t *attributes)
{
    sync_gate_reset(mutex);
    return sync_real()->pthread_mutex_init(mutex, attributes);
}

struct os_call {
    int (*function)(pthread_mutex_t *);
    pthread_mutex_t *mutex;
    int rc;
};

static void os_call_run(void *arg)
{
    struct os_call *call = arg;

    call->rc = call->function(call->mutex);
}

static int on_os_thread(int (*function)(pthread_mutex_t *),
                        pthread_mutex_t *mutex)
{
    struct os_call call = {function, mutex, 0};

    mp__on_os_tcb(os_call_run, &call);
    return call.rc;
}

/* The main thread locked it before it was a greenlet, so without a gate. */
static bool held_from_before(const pthread_mutex_t *mutex, int kind)
{
    uint32_t value = (uint32_t)SYNC_LOAD(&mutex->__data.__lock);
    uint32_t tid = (uint32_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);

    if ((kind & (KIND_ROBUST | KIND_INHERIT)) != 0)
        return (value & FUTEX_TID_MASK) == tid;
    return value != 0 && (uint32_t)SYNC_LOAD(&mutex->__data.__owner) == tid;
}

static int try_inside(pthread_mutex_t *mutex, int kind)
{
    /* libc 2.36 leaves the word locked when it finds this out by a try. */
    if ((kind & KIND_ROBUST) != 0 &&
        SYNC_LOAD(&mutex->__data.__owner) == OWNER_LOST)
        return ENOTRECOVERABLE;
    if (!sync_is_first() && held_from_before(mutex, kind))
        return EBUSY;
    return on_os_thread(mp__real.pthread_mutex_trylock, mutex);
}

static void nap_until(int64_t until)
{
    struct timespec t = {until / 1000000000, until % 1000000000};

    if (mp__may_park())
        mp__sleep_until(until, 0);
    else
        SYS_CALL(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL,
                 0, 0);
}

/* Sleep until the mutex, which somebody beyond the gate holds, may be free.
 * Never acquires.  Returns 0 or -ETIMEDOUT. */
static int wait_beyond(pthread_mutex_t *mutex, int kind, int64_t deadline,
                       int64_t *nap)
{
    uint32_t *word = sync_mutex_word(mutex);
    uint32_t value = SYNC_LOAD_ACQUIRE(word), wanted;
    int rc;

    if ((kind & (KIND_INHERIT | KIND_PROTECT)) != 0) {
        /* The kernel wakes only those who would own it: look again, later. */
        int64_t until = mp__now() + *nap;
        int64_t end = mp__real_time_now(deadline);

        if (*nap < 2000000)
            *nap *= 2;
        nap_until(until < end ? until : end);
        return mp__now() >= mp__real_time_now(deadline) ? -ETIMEDOUT : 0;
    }
    if (value == 0 || (value & FUTEX_OWNER_DIED) != 0)
        return 0;
    wanted = (kind & KIND_ROBUST) != 0 ? value | FUTEX_WAITERS : 2;
    if (value != wanted && !SYNC_CAS(word, &value, wanted))
        return 0;
    rc = sync_kernel_wait(word, wanted, deadline);
    return rc == -ETIMEDOUT ? rc : 0;
}

/* Inside the gate: acquire.  Returns as pthread_mutex_lock(). */
static int lock_inside(pthread_mutex_t *mutex, int kind, int64_t deadline)
{
    int64_t nap = 50000;
    bool waited = false;
    int rc;

    for (;;) {
        rc = try_inside(mutex, kind);
        if (rc != EBUSY)
            break;
        if (sync_is_first() &&
            (kind & KIND_TYPE) == PTHREAD_MUTEX_ERRORCHECK_NP &&
            held_from_before(mutex, kind))
            return EDEADLK;
        if (wait_beyond(mutex, kind, deadline, &nap) < 0)
            return ETIMEDOUT;
        waited = true;
    }
    /* We may have eaten the wake-up of one of several: the next is our job. */
    if (waited && (rc == 0 || rc == EOWNERDEAD)) {
        if ((kind & KIND_ROBUST) != 0)
            __atomic_fetch_or(sync_mutex_word(mutex), FUTEX_WAITERS,
                              __ATOMIC_RELAXED);
        else if ((kind & (KIND_INHERIT | KIND_PROTECT)) == 0)
            SYNC_STORE(sync_mutex_word(mutex), 2);
    }
    return rc;
}

/* The caller holds it.  Returns 0 or an errno, or -1: block, as libc does. */
static int gate_again(struct sync_gate *gate, int kind, bool try)
{
    switch (kind & KIND_TYPE) {
    case PTHREAD_MUTEX_RECURSIVE_NP:
        if (gate->depth == UINT_MAX)
            return EAGAIN;
        gate->depth++;
        return 0;
    case PTHREAD_MUTEX_ERRORCHECK_NP:
        if (try && (kind & (KIND_ROBUST | KIND_INHERIT)) == 0)
            return EBUSY;
        return EDEADLK;
    default:
        return try ? EBUSY : -1;
    }
}

/* Take the gate's word.  Returns 0 or an errno. */
static int gate_enter(struct sync_gate *gate, clockid_t clock,
                      const struct timespec *until, bool try, int64_t *deadline)
{
    int rc = sync_deadline(clock, until, deadline);

    if (try ? sync_word_try(&gate->word) : sync_word_fast(&gate->word))
        return 0; /* a bad `until` is only seen by who waits */
    if (try)
        return EBUSY;
    if (rc == 0)
        rc = -sync_word_lock(&gate->word, *deadline, MP_OF_GATE);
    return rc;
}

static int foreign_lock(pthread_mutex_t *mutex, clockid_t clock,
                        const struct timespec *until, bool try)
{
    int kind = SYNC_LOAD(&mutex->__data.__kind);
    struct sync_gate *gate = sync_gate_get(mutex, true);
    int64_t deadline;
    int rc;

    if (gate == NULL)
        return ENOMEM;
    if (SYNC_LOAD(&gate->owner) == sync_self()) {
        rc = gate_again(gate, kind, try);
        if (rc >= 0) {
            sync_gate_put(gate);
            return rc;
        }
    }
    rc = gate_enter(gate, clock, until, try, &deadline);
    if (rc != 0) {
        sync_gate_put(gate);
        return rc;
    }
    rc = try_inside(mutex, kind);
    if (rc == EBUSY && !try)
        rc = until != NULL && !sync_nanoseconds_ok(until)
                 ? EINVAL
                 : lock_inside(mutex, kind, deadline);
    if (rc == 0 || rc == EOWNERDEAD) {
        gate->depth = 0;
        gate->is_mutex = true;
        SYNC_STORE(&gate->owner, sync_self());
    } else {
        sync_gate_leave(gate);
    }
    return rc;
}

int sync_foreign_lock(pthread_mutex_t *mutex, clockid_t clock,
                      const struct timespec *until)
{
    if (SYNC_LOAD(&mutex->__data.__kind) == KIND_DESTROYED)
        return EINVAL;
    if (mp__here != NULL)
        return foreign_lock(mutex, clock, until, false);
    return until == NULL
               ? sync_real()->pthread_mutex_lock(mutex)
               : sync_real()->pthread_mutex_clocklock(mutex, clock, until);
}

int sync_foreign_trylock(pthread_mutex_t *mutex)
{
    if (SYNC_LOAD(&mutex->__data.__kind) == KIND_DESTROYED)
        return EINVAL;
    if (mp__here != NULL)
        return foreign_lock(mutex, CLOCK_REALTIME, NULL, true);
    return sync_real()->pthread_mutex_trylock(mutex);
}

int sync_foreign_unlock(pthread_mutex_t *mutex)
{
    int kind = SYNC_LOAD(&mutex->__data.__kind), rc = 0;
    bool checks =
        sync_has_owner(kind) || (kind & (KIND_ROBUST | KIND_INHERIT)) != 0;
    struct sync_gate *gate;
    uint32_t owner;

    if (kind == KIND_DESTROYED)
        return EINVAL;
    if (mp__here == NULL)
        return sync_real()->pthread_mutex_unlock(mutex);
    gate = sync_gate_get(mutex, false);
    owner = gate != NULL ? SYNC_LOAD(&gate->owner) : 0;
    if (owner == sync_self() && gate->depth > 0)
        gate->depth--;
    else if (checks && owner != sync_self() &&
             (owner != 0 || !sync_is_first()))
        rc = EPERM;
    else {
        rc = on_os_thread(mp__real.pthread_mutex_unlock, mutex);
        if (rc == 0 && owner != 0)
            sync_gate_leave(gate);
    }
    if (gate != NULL)
        sync_gate_put(gate);
    return rc;
}

/* Take it out of the OS thread's list of robust mutexes, as libc does.  Links
 * point at the __next of a node; PI ones have the lowest bit set. */
static void robust_unlink(pthread_mutex_t *mutex)
{
    __pthread_list_t *node = &mutex->__data.__list;
    char *next = (char *)((uintptr_t)node->__next & ~(uintptr_t)1);
    char *prev = (char *)((uintptr_t)node->__prev & ~(uintptr_t)1);
    size_t adjust = offsetof(__pthread_list_t, __next);

    ((__pthread_list_t *)(void *)(next - adjust))->__prev = node->__prev;
    ((__pthread_list_t *)(void *)(prev - adjust))->__next = node->__next;
    node->__prev = NULL;
    node->__next = NULL;
}

/* What the kernel does for a thread that ends.  Where others wait in the kernel
 * for a PI mutex it goes to the first of them, who is not told of the death:
 * the kernel has no call for that. */
static void owner_dies(pthread_mutex_t *mutex)
{
    uint32_t *word = sync_mutex_word(mutex);
    uint32_t value = SYNC_LOAD(word);
    bool inherit = (SYNC_LOAD(&mutex->__data.__kind) & KIND_INHERIT) != 0;

    robust_unlink(mutex);
    if (inherit && (value & FUTEX_WAITERS) != 0 &&
        SYS_CALL(SYS_futex, word, FUTEX_UNLOCK_PI, 0, 0, 0, 0) == 0)
        return;
    while (!SYNC_CAS(word, &value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
        continue;
    if ((value & FUTEX_WAITERS) != 0)
        sync_kernel_wake(word, 1);
}

static bool is_robust(const struct sync_gate *gate)
{
    const pthread_mutex_t *mutex = gate->object;

    return gate->is_mutex &&
           (SYNC_LOAD(&mutex->__data.__kind) & KIND_ROBUST) != 0;
}

void mp__mutex_thread_ends(struct mp__thread *thread)
{
    struct sync_gate *gate;

    while ((gate = sync_gate_of(thread->id, is_robust)) != NULL) {
        owner_dies(gate->object);
        sync_gate_leave(gate);
    }
}

MP_EXPORT int pthread_mutex_consistent(pthread_mutex_t *mutex)
{
    if (mp__here == NULL ||
        (SYNC_LOAD(&mutex->__data.__kind) & KIND_ROBUST) == 0)
        return sync_real()->pthread_mutex_consistent(mutex);
    return on_os_thread(mp__real.pthread_mutex_consistent, mutex);
}
MP_SPELLING(pthread_mutex_consistent, pthread_mutex_consistent_np);

MP_EXPORT int pthread_mutex_getprioceiling(const pthread_mutex_t *mutex,
                                           int *ceiling)
{
    return sync_real()->pthread_mutex_getprioceiling(mutex, ceiling);
}

struct ceiling_call {
    pthread_mutex_t *mutex;
    int ceiling, *old, rc;
};

static void ceiling_run(void *arg)
{
    struct ceiling_call *call = arg;

    call->rc = mp__real.pthread_mutex_setprioceiling(call->mutex, call->ceiling,
                                                     call->old);
}

/* It locks and unlocks the mutex: a helper may as well wait for it. */
MP_EXPORT int pthread_mutex_setprioceiling(pthread_mutex_t *mutex, int ceiling,
                                           int *old)
{
    struct ceiling_call call = {mutex, ceiling, old, EAGAIN};

    if (mp__here == NULL)
        return sync_real()->pthread_mutex_setprioceiling(mutex, ceiling, old);
    mp__offload(ceiling_run, &call, HUB_OFFLOAD_LONG);
    return call.rc;
}
