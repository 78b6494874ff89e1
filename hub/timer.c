/* timer.c - deadlines: a heap with four children a node, the earliest on top
 *
 * libev's own timers round to a millisecond, so it is given none: the loop
 * sleeps until the top of this heap (loop.c).  Deadlines that are equal fire in
 * the order in which they were set.
 *
 * In one turn of the loop sleeps end first, then come fds, then deadlines of
 * waits and of scopes: whose wait ends by an event in time has not timed out. */
#include "hub/hub_impl.h"

#include <errno.h>
#include <stdlib.h>

#define DUE (UINT32_C(1) << 31) /* in timer.index: a place in hub->due */

static void place(struct hub *hub, struct hub__heap_entry entry, uint32_t index)
{
    hub->heap[index] = entry;
    entry.timer->index = index;
}

static bool before(const struct hub__heap_entry *a,
                   const struct hub__heap_entry *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline
                                      : a->timer->order < b->timer->order;
}

static void sift_up(struct hub *hub, struct hub__heap_entry entry,
                    uint32_t index)
{
    while (index > 0) {
        uint32_t above = (index - 1) / 4;

        if (before(&hub->heap[above], &entry))
            break;
        place(hub, hub->heap[above], index);
        index = above;
    }
    place(hub, entry, index);
}

static uint32_t earliest_child(const struct hub *hub, uint32_t index)
{
    uint32_t first = 4 * index + 1, end = first + 4, least = first;

    if (end > hub->heap_count)
        end = hub->heap_count;
    for (uint32_t child = first + 1; child < end; child++)
        if (before(&hub->heap[child], &hub->heap[least]))
            least = child;
    return least;
}

static void sift_down(struct hub *hub, struct hub__heap_entry entry,
                      uint32_t index)
{
    while (4 * index + 1 < hub->heap_count) {
        uint32_t child = earliest_child(hub, index);

        if (!before(&hub->heap[child], &entry))
            break;
        place(hub, hub->heap[child], index);
        index = child;
    }
    place(hub, entry, index);
}

/* Every timer has its place among those that are due, too: then finding one
 * never needs memory. */
static int grow(struct hub *hub)
{
    uint32_t room = hub->heap_room ? hub->heap_room * 2 : 64;
    struct hub__heap_entry *heap = realloc(hub->heap, room * sizeof *heap);
    struct hub__timer **due;

    if (heap == NULL)
        return -ENOMEM;
    hub->heap = heap;
    due = realloc(hub->due, room * sizeof(struct hub__timer *));
    if (due == NULL)
        return -ENOMEM;
    hub->due = due;
    hub->heap_room = room;
    return 0;
}

void hub__timer_init(struct hub__timer *timer,
                     void (*fire)(struct hub *hub, struct hub__timer *timer))
{
    timer->index = HUB__NO_INDEX;
    timer->early = 0;
    timer->unreferenced = 0;
    timer->fire = fire;
}

int hub__timer_add(struct hub *hub, struct hub__timer *timer, int64_t deadline)
{
    struct hub__heap_entry entry = { deadline, timer };

    if (hub->heap_count + hub->due_count >= hub->heap_room && grow(hub) < 0)
        return -ENOMEM;
    timer->deadline = deadline;
    timer->order = hub->timer_order++;
    if (!timer->unreferenced)
        hub->active++;
    sift_up(hub, entry, hub->heap_count++);
    return 0;
}

static void take_out(struct hub *hub, struct hub__timer *timer)
{
    uint32_t index = timer->index;
    struct hub__heap_entry last;

    timer->index = HUB__NO_INDEX;
    if (!timer->unreferenced)
        hub->active--;
    if (index & DUE) {
        hub->due[index & ~DUE] = NULL;
        return;
    }
    last = hub->heap[--hub->heap_count];
    if (last.timer == timer)
        return;
    if (index > 0 && before(&last, &hub->heap[(index - 1) / 4]))
        sift_up(hub, last, index);
    else
        sift_down(hub, last, index);
}

void hub__timer_remove(struct hub *hub, struct hub__timer *timer)
{
    hub__enter(hub);
    take_out(hub, timer);
    hub__exit(hub);
}

static void fire(struct hub *hub, struct hub__timer *timer)
{
    if (timer->fire != NULL)
        timer->fire(hub, timer);
    else
        hub__wake(container_of(timer, struct hub__waiter, timer), -ETIMEDOUT);
}

/* It keeps its reference on the loop until it fires. */
static void set_aside(struct hub *hub, struct hub__timer *timer)
{
    hub__enter(hub);
    take_out(hub, timer);
    if (!timer->unreferenced)
        hub->active++;
    timer->index = DUE | hub->due_count;
    hub->due[hub->due_count++] = timer;
    hub__exit(hub);
}

/* Those that were set before this turn: one that sets itself again at once must
 * not keep the loop from fds. */
void hub__timer_run(struct hub *hub, int64_t now)
{
    uint64_t end = hub->timer_order;

    while (hub->heap_count > 0 && hub->heap[0].deadline <= now &&
           hub->heap[0].timer->order < end) {
        struct hub__timer *timer = hub->heap[0].timer;

        if (timer->early) {
            hub__timer_remove(hub, timer);
            fire(hub, timer);
        } else {
            set_aside(hub, timer);
        }
    }
}

void hub__timer_run_late(struct hub *hub)
{
    for (uint32_t i = 0; i < hub->due_count; i++) {
        struct hub__timer *timer = hub->due[i];

        if (timer == NULL)
            continue;
        hub__timer_remove(hub, timer);
        fire(hub, timer);
    }
    hub->due_count = 0;
}

int64_t hub__timer_next(const struct hub *hub)
{
    return hub->heap_count > 0 ? hub->heap[0].deadline : HUB_FOREVER;
}
