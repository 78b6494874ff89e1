/* thread_join.c - waiting for the end of a thread, or giving up to */
#include "monkeypatch/end_wait.h"
#include "monkeypatch/thread_impl.h"

enum { JOINABLE, DETACHED, JOINED };

/* Cancellation unwinds through a join: the thread is joinable again. */
static void give_back(struct mp__thread **thread)
{
    MP_ALL_STAY;

    if (*thread != NULL)
        __atomic_store_n(&(*thread)->detached, JOINABLE, __ATOMIC_RELEASE);
    if (mp__self != NULL)
        mp__self->joining = NULL;
}

/* Who waits for us and is cancelled will not wait any more. */
static bool waits_for_us(const struct mp__thread *thread)
{
    return mp__self != NULL && thread->joining == mp__self &&
           !__atomic_load_n(&thread->cancel_pending, __ATOMIC_ACQUIRE);
}

static int claim(struct mp__thread *thread)
{
    uint32_t state = JOINABLE;
    MP_ALL_STAY;

    if (thread == mp__self || waits_for_us(thread))
        return EDEADLK;
    if (!__atomic_compare_exchange_n(&thread->detached, &state, JOINED, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return EINVAL;
    return 0;
}

static int join(struct mp__thread *thread, void **result, int64_t deadline)
{
    struct mp__thread *guarded __attribute__((cleanup(give_back))) = NULL;
    int rc = claim(thread);

    if (rc != 0)
        return rc;
    guarded = thread;
    if (mp__self != NULL)
        mp__self->joining = thread;
    while (__atomic_load_n(&thread->ended, __ATOMIC_ACQUIRE) == 0)
        if (mp__lot_wait(&thread->ended, 0, deadline, MP_CANCEL | MP_OF_JOIN) ==
            -ETIMEDOUT)
            return ETIMEDOUT;
    guarded = NULL;
    if (mp__self != NULL)
        mp__self->joining = NULL;
    if (result != NULL)
        *result = thread->result;
    if (thread->mapped != NULL)
        mp__thread_free(thread);
    return 0;
}

/* A real thread: only waiting for it is offloaded. */
struct native_join {
    pthread_t handle;
    void **result;
    int rc;
};

static void join_native(void *data)
{
    struct native_join *call = data;

    call->rc = mp__real.pthread_join(call->handle, call->result);
}

MP_EXPORT int pthread_join(pthread_t handle, void **result)
{
    struct mp__thread *thread = mp__thread_of(handle);
    struct native_join call = { handle, result, 0 };

    if (likely(thread != NULL)) {
        mp__testcancel();
        return join(thread, result, HUB_FOREVER);
    }
    mp__init();
    if (mp__here == NULL)
        return mp__real.pthread_join(handle, result);
    mp__offload(join_native, &call, HUB_OFFLOAD_LONG);
    return call.rc;
}

MP_EXPORT int pthread_tryjoin_np(pthread_t handle, void **result)
{
    struct mp__thread *thread = mp__thread_of(handle);

    if (thread == NULL) {
        mp__init();
        return mp__real.pthread_tryjoin_np(handle, result);
    }
    if (__atomic_load_n(&thread->ended, __ATOMIC_ACQUIRE) == 0) {
        mp__yield(); /* a loop of tries must let it come to its end */
        if (__atomic_load_n(&thread->ended, __ATOMIC_ACQUIRE) == 0)
            return EBUSY;
    }
    return join(thread, result, 0);
}

MP_EXPORT int pthread_clockjoin_np(pthread_t handle, void **result,
                                   clockid_t clock, const struct timespec *until)
{
    struct mp__thread *thread = mp__thread_of(handle);

    if (thread == NULL) {
        mp__init();
        return mp__real.pthread_clockjoin_np(handle, result, clock, until);
    }
    if (until == NULL)
        return pthread_join(handle, result);
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return EINVAL;
    if (__atomic_load_n(&thread->ended, __ATOMIC_ACQUIRE) == 0 &&
        !mp__timespec_ok(until))
        return EINVAL;
    return join(thread, result, mp__at(clock, until));
}

MP_EXPORT int pthread_timedjoin_np(pthread_t handle, void **result,
                                   const struct timespec *until)
{
    if (mp__thread_of(handle) == NULL) {
        mp__init();
        return mp__real.pthread_timedjoin_np(handle, result, until);
    }
    return pthread_clockjoin_np(handle, result, CLOCK_REALTIME, until);
}

/* False: it is detached or joined.  Who ends without being seen here to have ended
 * frees itself. */
static bool let_go(struct mp__thread *thread, bool *ended)
{
    uint32_t state = JOINABLE;
    MP_ALL_STAY;

    if (!__atomic_compare_exchange_n(&thread->detached, &state, DETACHED, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return false;
    *ended = thread->ended != 0;
    return true;
}

MP_EXPORT int pthread_detach(pthread_t handle)
{
    struct mp__thread *thread = mp__thread_of(handle);
    bool ended;

    if (thread == NULL) {
        mp__init();
        return mp__real.pthread_detach(handle);
    }
    if (!let_go(thread, &ended))
        return EINVAL;
    if (ended && thread->mapped != NULL)
        mp__thread_free(thread);
    return 0;
}
