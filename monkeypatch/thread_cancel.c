/* thread_cancel.c - cancellation of mapped threads
 *
 * State, type and request are ours: glibc's own are never set, so that no call
 * inside libc acts on them.  A deferred request ends the cancelable wait that
 * its target is in; the wait's return acts on it (state.c). */
#include "monkeypatch/end_wait.h"
#include "monkeypatch/native_threads.h"
#include "monkeypatch/preempt.h"

MP_EXPORT int pthread_cancel(pthread_t handle)
{
    struct mp__thread *thread = mp__thread_of(handle);

    if (thread == NULL) {
        int rc;

        mp__init();
        rc = mp__real.pthread_cancel(handle);
        if (rc == 0 && mp__natives > 0)
            mp__native_cancelled(handle);
        return rc;
    }
    if (thread->ended || thread->exiting)
        return 0;
    __atomic_store_n(&thread->cancel_pending, 1, __ATOMIC_SEQ_CST);
    if (thread != mp__self) {
        struct mp__carrier *carrier = thread->carrier;
        bool at_once = thread->cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS;

        mp__end_wait(thread, MP_END_CANCEL);
        if (unlikely(mp__several) && at_once &&
            carrier != mp__carrier_now())
            mp__preempt_poke(carrier);
    } else if (thread->cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS)
        mp__testcancel();
    return 0;
}

MP_EXPORT void pthread_testcancel(void)
{
    if (mp__self != NULL) {
        mp__testcancel();
        return;
    }
    mp__init();
    mp__real.pthread_testcancel();
}

MP_EXPORT int pthread_setcancelstate(int state, int *old)
{
    struct mp__thread *self = mp__self;

    if (self == NULL) {
        mp__init();
        return mp__real.pthread_setcancelstate(state, old);
    }
    if (state != PTHREAD_CANCEL_ENABLE && state != PTHREAD_CANCEL_DISABLE)
        return EINVAL;
    if (old != NULL)
        *old = self->cancel_state;
    self->cancel_state = (uint8_t)state;
    if (self->cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS)
        mp__testcancel();
    return 0;
}

MP_EXPORT int pthread_setcanceltype(int type, int *old)
{
    struct mp__thread *self = mp__self;

    if (self == NULL) {
        mp__init();
        return mp__real.pthread_setcanceltype(type, old);
    }
    if (type != PTHREAD_CANCEL_DEFERRED && type != PTHREAD_CANCEL_ASYNCHRONOUS)
        return EINVAL;
    if (old != NULL)
        *old = self->cancel_type;
    self->cancel_type = (uint8_t)type;
    if (type == PTHREAD_CANCEL_ASYNCHRONOUS)
        mp__testcancel();
    return 0;
}
