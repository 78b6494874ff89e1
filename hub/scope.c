/* scope.c - what ends waits from outside: kill, timeouts, shields
 *
 * Scopes nest on the stack of a greenlet, the innermost first; outside of all is
 * the greenlet itself, which hub_kill() ends.  A scope that has ended stays so:
 * each wait in it ends at once, until it is left or a shield is entered.  What
 * the next wait ends with is kept ready in `pending`, so that a wait looks at
 * one word. */
#include "hub/schedule.h"

#include <errno.h>

/* The innermost scope that has ended decides: once it is left, the next. */
static int find_pending(const struct hub__own *own)
{
    const struct hub__frame *frame;

    for (frame = own->frames; frame != NULL; frame = frame->outer) {
        if (frame->error != 0)
            return frame->error;
        if (frame->shield)
            return 0;
    }
    if (!(own->flags & HUB__KILLED))
        return 0;
    return own->more != NULL && own->more->killed.cls != NULL
               ? greenlet__error_of(&own->more->killed)
               : -ECANCELED;
}

void hub__scopes_changed(struct greenlet *g)
{
    struct hub__own *own = hub__own(g);

    own->pending = (int16_t)find_pending(own);
    if (own->pending != 0 && greenlet__read(g->state) == GREENLET_WAITING &&
        own->waiter != NULL && own->waiter->cancelable)
        hub__wake(own->waiter, own->pending);
}

void hub__frame_enter(struct hub__frame *frame, bool shield)
{
    struct greenlet *self = greenlet__thread_self()->current;
    struct hub__own *own = hub__own(self);

    frame->outer = own->frames;
    frame->greenlet = self;
    frame->error = 0;
    frame->shield = shield;
    frame->kind = HUB__FRAME_PLAIN;
    own->frames = frame;
    if (shield)
        own->pending = 0;
}

/* Frames inside that were not left are left with it. */
void hub__frame_leave(struct hub__frame *frame)
{
    struct hub__own *own = hub__own(frame->greenlet);

    own->frames = frame->outer;
    own->pending = (int16_t)find_pending(own);
}

void hub__frame_end(struct hub__frame *frame, int error)
{
    frame->error = error;
    hub__scopes_changed(frame->greenlet);
}

/* Before the wait began. */
int hub__canceled_early(struct hub__waiter *waiter, int pending)
{
    waiter->result = pending;
    hub__killed_by(waiter->greenlet, pending);
    return pending;
}

void hub_shield_begin(struct hub_shield *shield)
{
    hub__frame_enter((struct hub__frame *)(void *)shield->private_, true);
}

void hub_shield_end(struct hub_shield *shield)
{
    hub__frame_leave((struct hub__frame *)(void *)shield->private_);
}

int hub_canceled(void)
{
    struct greenlet__thread *self = greenlet__thread_peek();

    return self != NULL ? hub__own(self->current)->pending : 0;
}
