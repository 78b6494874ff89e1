/* trace.c - the tracer of a thread (G-130 ... G-139)
 *
 * The sender marks the target (ARRIVES_TRACED, origin); the target calls the
 * tracer once it runs, after it has taken what was sent into locals: a tracer
 * that switches is called again and disturbs nothing (G-049, G-137). */
#include "context/greenlet_impl.h"
#include "context/testhook.h"
#include "context/trace.h"

greenlet_tracer *greenlet_settrace(greenlet_tracer *tracer, void *data,
                                   void **old_data)
{
    struct greenlet__thread *self = greenlet__thread_self();
    greenlet_tracer *old = self->tracer;

    if (old_data != NULL)
        *old_data = self->tracer_data;
    self->tracer = tracer;
    self->tracer_data = tracer != NULL ? data : NULL;
    if (tracer != NULL)
        self->special |= SPECIAL_TRACED;
    else
        self->special &= (uint8_t)~SPECIAL_TRACED;
    return GREENLET__BROKEN(130) ? NULL : old;
}

greenlet_tracer *greenlet_gettrace(void **data)
{
    struct greenlet__thread *self = greenlet__thread_self();

    if (data != NULL)
        *data = self->tracer_data;
    return self->tracer;
}

int greenlet__trace(struct greenlet__thread *thread, enum greenlet_event event,
                    struct greenlet *origin, struct greenlet *target,
                    struct greenlet_exception *raised)
{
    greenlet_tracer *tracer = thread->tracer;
    int rc;

    if (tracer == NULL)
        return 0; /* removed since the sender looked */
    if (GREENLET__BROKEN(134))
        event = GREENLET_SWITCHED;
    rc = tracer(event, origin, GREENLET__BROKEN(133) ? origin : target,
                thread->tracer_data);
    if (rc >= 0)
        return 0;
    greenlet_settrace(NULL, NULL, NULL); /* G-136 */
    greenlet__take_raised(target, rc, raised);
    return rc;
}
