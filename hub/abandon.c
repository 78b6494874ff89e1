/* abandon.c - scopes whose frames are given up, by an unwinding or a longjmp()
 *
 * They are locals of those frames: each is left while it is still there, for a
 * timer or a task would find something else in its place. */
#include "hub/schedule.h"
#include "hub/task.h"
#include "hub/timeout.h"

const void *hub_entered(void)
{
    struct greenlet__thread *self = greenlet__thread_peek();

    return self != NULL ? hub__own(self->current)->frames : NULL;
}

/* A frame is the first member of what it belongs to. */
static void leave(struct hub__frame *frame)
{
    void *whole = frame;

    switch (frame->kind) {
    case HUB__FRAME_TIMEOUT:
        hub_timeout_end(whole);
        break;
    case HUB__FRAME_TASKS:
        hub_scope_end(whole);
        break;
    default:
        hub__frame_leave(frame);
    }
}

void hub_leave_since(const void *since)
{
    struct greenlet__thread *self = greenlet__thread_peek();
    struct hub__own *own = self != NULL ? hub__own(self->current) : NULL;

    while (own != NULL && own->frames != NULL && own->frames != since)
        leave(own->frames);
}
