/* sync_mutex.c - mutexes of one process: normal, recursive, errorcheck,
 * adaptive
 *
 * libc's bytes are used for what libc uses them for: __lock is the word of
 * sync_impl.h, __count counts the locks of a recursive mutex beyond the first,
 * __owner is our id, __nusers is MUTEX_RELOCKED or 0, __kind is where static
 * initialisers put the type. */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/sync_impl.h"

#include <limits.h>
#include <string.h>

#define TRIES_MOST 32

bool sync_row_is_full(struct sync_row *row, unsigned most)
{
    const struct hub *hub = mp__here->identity->os->hub;
    uint64_t switches = hub != NULL ? greenlet__read(hub->switches) : 0;

    if (row->switches != switches) {
        row->switches = switches;
        row->count = 0;
    }
    if (++row->count < most)
        return false;
    row->count = 0;
    return true;
}

void sync_busy(void)
{
    static __thread struct sync_row tries
        __attribute__((tls_model("initial-exec")));

    if (mp__here != NULL && sync_row_is_full(&tries, TRIES_MOST))
        mp__yield();
}

int sync_deadline(clockid_t clock, const struct timespec *until,
                  int64_t *deadline)
{
    *deadline = HUB_FOREVER;
    if (until == NULL)
        return 0;
    if (!sync_nanoseconds_ok(until))
        return EINVAL;
    *deadline = until->tv_sec < 0 ? 0 : mp__at(clock, until);
    return 0;
}

int sync_lot_wait_cancel(uint32_t *word, uint32_t expected, int64_t deadline,
                         unsigned flags)
{
    int before, rc;

    if (likely(mp__here != NULL || (mp__self_offset != 0 && !mp__hosts)))
        return mp__lot_wait(word, expected, deadline, flags | MP_CANCEL);
    sync_real()->pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &before);
    rc = mp__lot_wait(word, expected, deadline, flags);
    mp__real.pthread_setcanceltype(before, NULL);
    return rc;
}

/* Say in the word that somebody waits.  Returns false when it changed. */
static bool announce(uint32_t *word, uint32_t *value, bool starving)
{
    uint32_t wanted = starving ? WORD_STARVING : WORD_WAITERS;

    if (*value >= wanted)
        return true;
    if (!SYNC_CAS(word, value, wanted))
        return false;
    *value = wanted;
    return true;
}

int sync_word_lock(uint32_t *word, int64_t deadline, unsigned of)
{
    bool waited = false, woken = false, yielded = false;

    for (;;) {
        uint32_t value = SYNC_LOAD(word);
        int rc;

        if (value == WORD_PROMISED && !woken && !yielded) {
            sync_give_way(true);
            yielded = true;
            continue;
        }
        if (value == WORD_FREE || value == WORD_PROMISED) {
            /* Who has waited cannot know whether others still do. */
            if (SYNC_CAS(word, &value,
                         waited || value == WORD_PROMISED ? WORD_WAITERS
                                                          : WORD_LOCKED))
                return 0;
            continue;
        }
        if (!announce(word, &value, woken))
            continue;
        waited = true;
        rc = mp__lot_wait(word, value, deadline, of);
        if (rc == -ETIMEDOUT)
            return rc;
        woken |= rc == 0;
        yielded = false;
    }
}

void sync_word_unlock_slow(uint32_t *word)
{
    uint32_t value = SYNC_LOAD(word);

    do {
        if (value == WORD_FREE || value == WORD_PROMISED)
            return; /* a normal mutex that is not locked */
    } while (!SYNC_CAS(word, &value,
                       value == WORD_STARVING ? WORD_PROMISED : WORD_FREE));
    if (value >= WORD_WAITERS)
        mp__lot_wake(word, 1);
}

/* The caller may hold it already.  Returns 0 or an errno, or -1: it does not,
 * or this type does not care. */
static int lock_again(pthread_mutex_t *mutex, int kind, int deadlock)
{
    if (!sync_has_owner(kind) ||
        SYNC_LOAD(&mutex->__data.__owner) != (int)sync_self())
        return -1;
    if ((kind & KIND_TYPE) == PTHREAD_MUTEX_ERRORCHECK_NP)
        return deadlock;
    if (mutex->__data.__count == UINT_MAX)
        return EAGAIN;
    mutex->__data.__count++;
    return 0;
}

int sync_mutex_lock_slow(pthread_mutex_t *mutex, clockid_t clock,
                         const struct timespec *until)
{
    int kind = SYNC_LOAD(&mutex->__data.__kind);
    int64_t deadline;
    int rc;

    if ((kind & KIND_FOREIGN) != 0)
        return sync_foreign_lock(mutex, clock, until);
    rc = lock_again(mutex, kind, EDEADLK);
    if (rc >= 0)
        return rc;
    rc = sync_deadline(clock, until, &deadline);
    if (rc != 0)
        return rc;
    rc = sync_word_lock(sync_mutex_word(mutex), deadline, MP_OF_MUTEX);
    if (rc < 0)
        return -rc;
    sync_mutex_own(mutex, kind);
    return 0;
}

int sync_mutex_trylock(pthread_mutex_t *mutex)
{
    int kind = SYNC_LOAD(&mutex->__data.__kind);
    int rc;

    sync_give_way(SYNC_LOAD(sync_mutex_word(mutex)) == WORD_PROMISED);
    if (unlikely((kind & KIND_FOREIGN) != 0)) {
        rc = sync_foreign_trylock(mutex);
    } else if (likely(sync_word_try(sync_mutex_word(mutex)))) {
        sync_mutex_own(mutex, kind);
        return 0;
    } else {
        rc = lock_again(mutex, kind, EBUSY);
        if (rc < 0)
            rc = EBUSY;
    }
    if (rc == EBUSY)
        sync_busy();
    return rc;
}

int sync_mutex_unlock_slow(pthread_mutex_t *mutex)
{
    int kind = SYNC_LOAD(&mutex->__data.__kind);

    if ((kind & KIND_FOREIGN) != 0)
        return sync_foreign_unlock(mutex);
    if (SYNC_LOAD(&mutex->__data.__owner) != (int)sync_self())
        return EPERM;
    if (mutex->__data.__count > 0) {
        mutex->__data.__count--;
        return 0;
    }
    sync_mutex_disown(mutex);
    sync_word_unlock(sync_mutex_word(mutex));
    return 0;
}

/* True when libc must make it: the format is libc's. */
static bool wants_foreign(const pthread_mutexattr_t *attributes)
{
    int shared = 0, robust = 0, protocol = 0;

    pthread_mutexattr_getpshared(attributes, &shared);
    pthread_mutexattr_getrobust(attributes, &robust);
    pthread_mutexattr_getprotocol(attributes, &protocol);
    return shared != PTHREAD_PROCESS_PRIVATE ||
           robust != PTHREAD_MUTEX_STALLED || protocol != PTHREAD_PRIO_NONE;
}

/* No original here in the common case: allocators make their mutexes before
 * anything else has run. */
MP_EXPORT int pthread_mutex_init(pthread_mutex_t *mutex,
                                 const pthread_mutexattr_t *attributes)
{
    int type = PTHREAD_MUTEX_TIMED_NP;

    if (attributes != NULL) {
        if (wants_foreign(attributes))
            return sync_foreign_init(mutex, attributes);
        pthread_mutexattr_gettype(attributes, &type);
    }
    memset(mutex, 0, sizeof *mutex);
    mutex->__data.__kind = type & KIND_TYPE;
    return 0;
}

int sync_mutex_destroy(pthread_mutex_t *mutex)
{
    int kind = SYNC_LOAD(&mutex->__data.__kind);
    uint32_t value;

    if (kind == KIND_DESTROYED)
        return 0;
    if ((kind & KIND_FOREIGN) != 0)
        return sync_real()->pthread_mutex_destroy(mutex);
    value = SYNC_LOAD(sync_mutex_word(mutex));
    if (value != WORD_FREE && value != WORD_PROMISED)
        return EBUSY;
    SYNC_STORE(&mutex->__data.__kind, KIND_DESTROYED);
    return 0;
}

MP_EXPORT int pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    return sync_mutex_destroy(mutex);
}

MP_EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    return sync_mutex_lock(mutex);
}

MP_EXPORT int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    return sync_mutex_trylock(mutex);
}

MP_EXPORT int pthread_mutex_timedlock(pthread_mutex_t *mutex,
                                      const struct timespec *until)
{
    return sync_mutex_lock_until(mutex, CLOCK_REALTIME, until);
}

MP_EXPORT int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                      const struct timespec *until)
{
    if (!sync_clock_ok(clock))
        return EINVAL;
    return sync_mutex_lock_until(mutex, clock, until);
}

bool sync_turn_due;

void sync_give_turn(void)
{
    if (mp__here == NULL)
        return;
    sync_turn_due = false;
    mp__io_give_way();
}

MP_EXPORT int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    int rc = sync_mutex_unlock(mutex);

    if (unlikely(sync_turn_due))
        sync_give_turn();
    return rc;
}

MP_SPELLING(pthread_mutex_init, __pthread_mutex_init);
MP_SPELLING(pthread_mutex_destroy, __pthread_mutex_destroy);
MP_SPELLING(pthread_mutex_lock, __pthread_mutex_lock);
MP_SPELLING(pthread_mutex_trylock, __pthread_mutex_trylock);
MP_SPELLING(pthread_mutex_unlock, __pthread_mutex_unlock);

void mp__sync_forked(void)
{
    sync_gate_forked();
    sync_once_forked();
}
