/* thread_attr.c - what a thread is told of itself: attributes and ids */
#include "monkeypatch/per_thread.h"

#include <sys/syscall.h>

/* The stack as glibc reports it: what was asked for, TLS included, the guard
 * not.  The slot may be larger. */
static void report_stack(const struct mp__thread *thread,
                         pthread_attr_t *attributes)
{
    const struct greenlet__slot *slot = &thread->mapped->thread.main.slot;
    size_t size = slot->size - slot->guard;

    if (size > thread->stack_size)
        size = thread->stack_size;
    pthread_attr_setstack(attributes, slot->base + slot->size - size, size);
    pthread_attr_setguardsize(attributes, thread->guard_size);
}

/* Garbage collectors, interpreters and recursion checks ask this of the stack
 * they run on. */
MP_EXPORT int pthread_getattr_np(pthread_t handle, pthread_attr_t *attributes)
{
    struct mp__thread *thread = mp__thread_of(handle);
    int rc;

    mp__init();
    if (thread == NULL || thread->mapped == NULL)
        return mp__real.pthread_getattr_np(handle, attributes);
    rc = pthread_attr_init(attributes);
    if (rc != 0)
        return rc;
    report_stack(thread, attributes);
    rc = mp__sched_report(thread, attributes);
    if (rc != 0) {
        pthread_attr_destroy(attributes);
        return rc;
    }
    pthread_attr_setdetachstate(attributes, thread->detached == 1
                                                ? PTHREAD_CREATE_DETACHED
                                                : PTHREAD_CREATE_JOINABLE);
    return 0;
}

MP_EXPORT pid_t gettid(void)
{
    struct mp__thread *self = mp__self;

    if (self != NULL && !mp__in_vfork_child)
        return (pid_t)self->id;
    mp__init();
    return (pid_t)mp__real.syscall(SYS_gettid);
}
