/* backtrace.c - the frames of a greenlet that is suspended
 *
 * They are walked from where the caller is, on the caller's stack: nothing of
 * the greenlet is run or written, and no thread pointer changes (walk.S). */
#include "context/greenlet_impl.h"
#include "context/testhook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_HERE 128

int greenlet__walk(void **frames, int max, greenlet__fcontext context);

/* The walk begins with greenlet__walk() itself, which is not g's. */
static int walk(const struct greenlet *g, void **frames, int max)
{
    void *few[FRAMES_HERE + 1], **all = few;
    int count;

    if (max > FRAMES_HERE)
        all = greenlet__malloc(((size_t)max + 1) * sizeof *all);
    if (all == NULL)
        return -ENOMEM;
    count = greenlet__walk(all, max + 1, g->context) - 1;
    if (count > 0)
        memcpy(frames, all + 1, (size_t)count * sizeof *frames);
    if (all != few)
        free(all);
    return count > 0 ? count : 0;
}

int greenlet_backtrace(struct greenlet *g, void **frames, int max)
{
    struct greenlet__thread *self = greenlet__thread_self();

    if (!greenlet__is_active(g))
        return 0;
    if (greenlet__read(g->thread) != self)
        return -EXDEV;
    if (g == self->current || max <= 0)
        return 0;
    return walk(g, frames, max);
}
