/* trace.h - what the switch asks of the tracer */
#ifndef GREENLET_TRACE_H
#define GREENLET_TRACE_H

#include "context/greenlet_impl.h"

/* Tell the tracer of `thread`, whose current greenlet is target.  Returns 0; or,
 * when it failed and has been removed, its error with the record in *raised. */
int greenlet__trace(struct greenlet__thread *thread, enum greenlet_event event,
                    struct greenlet *origin, struct greenlet *target,
                    struct greenlet_exception *raised);

#endif
