/* timer.c - deadlines: a binary heap of waiters, the earliest on top
 *
 * libev's own timers round to a millisecond, so it is given none: the loop
 * sleeps until the top of this heap (loop.c). */
#include "hub/hub_impl.h"

#include <errno.h>
#include <stdlib.h>

static void place(struct hub *hub, struct hub__waiter *waiter, uint32_t index)
{
    hub->heap[index] = waiter;
    waiter->heap_index = index;
}

static void sift_up(struct hub *hub, struct hub__waiter *waiter, uint32_t index)
{
    while (index > 0) {
        uint32_t above = (index - 1) / 2;

        if (hub->heap[above]->deadline <= waiter->deadline)
            break;
        place(hub, hub->heap[above], index);
        index = above;
    }
    place(hub, waiter, index);
}

static void sift_down(struct hub *hub, struct hub__waiter *waiter,
                      uint32_t index)
{
    for (;;) {
        uint32_t below = 2 * index + 1;

        if (below >= hub->heap_count)
            break;
        if (below + 1 < hub->heap_count &&
            hub->heap[below + 1]->deadline < hub->heap[below]->deadline)
            below++;
        if (hub->heap[below]->deadline >= waiter->deadline)
            break;
        place(hub, hub->heap[below], index);
        index = below;
    }
    place(hub, waiter, index);
}

int hub__timer_add(struct hub *hub, struct hub__waiter *waiter)
{
    if (hub->heap_count == hub->heap_room) {
        uint32_t room = hub->heap_room ? hub->heap_room * 2 : 64;
        struct hub__waiter **heap =
            realloc(hub->heap, room * sizeof(struct hub__waiter *));

        if (heap == NULL)
            return -ENOMEM;
        hub->heap = heap;
        hub->heap_room = room;
    }
    sift_up(hub, waiter, hub->heap_count++);
    return 0;
}

static void take_out(struct hub *hub, struct hub__waiter *waiter)
{
    uint32_t index = waiter->heap_index;
    struct hub__waiter *last = hub->heap[--hub->heap_count];

    waiter->heap_index = HUB__NO_INDEX;
    if (last == waiter)
        return;
    if (index > 0 && hub->heap[(index - 1) / 2]->deadline > last->deadline)
        sift_up(hub, last, index);
    else
        sift_down(hub, last, index);
}

void hub__timer_remove(struct hub *hub, struct hub__waiter *waiter)
{
    hub__enter(hub);
    take_out(hub, waiter);
    hub__exit(hub);
}

void hub__timer_run(struct hub *hub, int64_t now)
{
    while (hub->heap_count > 0 && hub->heap[0]->deadline <= now) {
        struct hub__waiter *waiter = hub->heap[0];

        hub__timer_remove(hub, waiter);
        hub__wake(waiter, -ETIMEDOUT);
    }
}

int64_t hub__timer_next(const struct hub *hub)
{
    return hub->heap_count > 0 ? hub->heap[0]->deadline : HUB_FOREVER;
}
