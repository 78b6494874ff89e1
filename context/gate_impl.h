/* gate_impl.h - the cases of the gate's self-test
 *
 * Rules for a case: it runs in the calling thread, in whatever greenlet that is
 * in; everything it has is in its trial, for other threads run it too; it ends,
 * and without a crash, also when what it looks at is wrong. */
#ifndef GREENLET_GATE_IMPL_H
#define GREENLET_GATE_IMPL_H

#include "context/gate.h"
#include "context/greenlet_impl.h"

#include <errno.h>

enum { GREENLET__GATE_EVENTS = 8 };

/* What one case has; who runs it gives it back. */
struct greenlet__trial {
    struct greenlet *self; /* the greenlet that runs the gate */
    struct greenlet_var *var;
    struct greenlet *g, *other;
    struct greenlet_context *context, *second;
    bool seen; /* a body found what should have been */
    /* tracing */
    struct greenlet *expected; /* whom the next event must be about */
    const char *traced_in;     /* an address on the stack of that call */
    char events[GREENLET__GATE_EVENTS + 1]; /* 's' switch, 't' throw */
};

struct greenlet__gate_case {
    const char *id, *what;
    /* 0: it holds.  -ENOMEM: nobody knows.  Other errors: it does not. */
    int (*holds)(struct greenlet__trial *trial);
};

/* Case i, or NULL behind the last: gate_cases.c, gate_vars.c. */
const struct greenlet__gate_case *greenlet__gate_case(size_t i);
extern const struct greenlet__gate_case greenlet__gate_vars[];
extern const size_t greenlet__gate_vars_count;

/* The verdict of a case that looked. */
static inline int greenlet__gate_verdict(bool holds)
{
    return holds ? 0 : -EPROTO;
}

/* Make *g (one of the trial's) with that body.  0 or -ENOMEM. */
static inline int greenlet__gate_make(struct greenlet **g, greenlet_run *run)
{
    *g = greenlet_new(run, NULL, 0);
    return *g != NULL ? 0 : -ENOMEM;
}

/* Make *g and start it: 0, or what ended the switch. */
static inline int greenlet__gate_start(struct greenlet__trial *trial,
                                       struct greenlet **g, greenlet_run *run)
{
    int rc = greenlet__gate_make(g, run);

    return rc < 0 ? rc : greenlet_switch(*g, trial, NULL);
}

#endif
