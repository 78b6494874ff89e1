/* sync_c11.c - mtx_*, cnd_*, call_once and tss_*
 *
 * libc's own jump straight to its hidden pthread functions, so each needs a
 * definition here.  thrd_* are with the threads. */
#include "monkeypatch/sync_impl.h"

#include <string.h>

static int thrd_result(int error)
{
    switch (error) {
    case 0:
        return thrd_success;
    case ENOMEM:
        return thrd_nomem;
    case ETIMEDOUT:
        return thrd_timedout;
    case EBUSY:
        return thrd_busy;
    default:
        return thrd_error;
    }
}

static inline pthread_mutex_t *mutex_of(mtx_t *mutex)
{
    return (pthread_mutex_t *)mutex;
}

static inline pthread_cond_t *cond_of(cnd_t *cond)
{
    return (pthread_cond_t *)cond;
}

MP_EXPORT int mtx_init(mtx_t *mutex, int type)
{
    switch (type) {
    case mtx_plain:
    case mtx_timed:
        type = PTHREAD_MUTEX_TIMED_NP;
        break;
    case mtx_plain | mtx_recursive:
    case mtx_timed | mtx_recursive:
        type = PTHREAD_MUTEX_RECURSIVE_NP;
        break;
    default:
        return thrd_error;
    }
    memset(mutex, 0, sizeof *mutex);
    mutex_of(mutex)->__data.__kind = type;
    return thrd_success;
}

MP_EXPORT void mtx_destroy(mtx_t *mutex)
{
    sync_mutex_destroy(mutex_of(mutex));
}

MP_EXPORT int mtx_lock(mtx_t *mutex)
{
    return thrd_result(sync_mutex_lock(mutex_of(mutex)));
}

MP_EXPORT int mtx_timedlock(mtx_t *mutex, const struct timespec *until)
{
    return thrd_result(
        sync_mutex_lock_until(mutex_of(mutex), CLOCK_REALTIME, until));
}

MP_EXPORT int mtx_trylock(mtx_t *mutex)
{
    return thrd_result(sync_mutex_trylock(mutex_of(mutex)));
}

MP_EXPORT int mtx_unlock(mtx_t *mutex)
{
    return thrd_result(sync_mutex_unlock(mutex_of(mutex)));
}

MP_EXPORT int cnd_init(cnd_t *cond)
{
    return thrd_result(sync_cond_init(cond_of(cond), false, CLOCK_REALTIME));
}

MP_EXPORT void cnd_destroy(cnd_t *cond)
{
    sync_cond_destroy(cond_of(cond));
}

MP_EXPORT int cnd_wait(cnd_t *cond, mtx_t *mutex)
{
    return thrd_result(
        sync_cond_wait(cond_of(cond), mutex_of(mutex), HUB_FOREVER));
}

MP_EXPORT int cnd_timedwait(cnd_t *cond, mtx_t *mutex,
                            const struct timespec *until)
{
    return thrd_result(
        sync_cond_timedwait(cond_of(cond), mutex_of(mutex), until));
}

MP_EXPORT int cnd_signal(cnd_t *cond)
{
    return thrd_result(sync_cond_signal(cond_of(cond)));
}

MP_EXPORT int cnd_broadcast(cnd_t *cond)
{
    return thrd_result(sync_cond_broadcast(cond_of(cond)));
}

MP_EXPORT void call_once(once_flag *once, void (*function)(void))
{
    sync_once((uint32_t *)once, function);
}

/* By the names that the program would use: what this library does for keys, it
 * does there. */
MP_EXPORT int tss_create(tss_t *key, tss_dtor_t destructor)
{
    return thrd_result(pthread_key_create(key, destructor));
}

MP_EXPORT void tss_delete(tss_t key)
{
    pthread_key_delete(key);
}

MP_EXPORT void *tss_get(tss_t key)
{
    return pthread_getspecific(key);
}

MP_EXPORT int tss_set(tss_t key, void *value)
{
    return thrd_result(pthread_setspecific(key, value));
}
