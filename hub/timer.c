/* timer.c - deadlines: a heap with four children a node, the earliest on top
 *
 * libev's own timers round to a millisecond, so it is given none: the loop
 * sleeps until the top of this heap (poll.c).  Deadlines that are equal fire in
 * the order in which they were set.
 *
 * In one turn of the loop sleeps end first, then come fds; those who were woken
 * run; then fire the deadlines of waits and of scopes: who leaves the scope because
 * of an event that came in time has not timed out. */
#include "hub/hub_impl.h"
#include "hub/timer_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DUE (UINT32_C(1) << 31) /* in places: among those that are due */
#define FIRST_ROOM 64

static void place(struct hub__heap *heap, struct hub__heap_entry entry,
                  uint32_t index)
{
    heap->entries[index] = entry;
    heap->places[entry.slot] = index;
}

static bool before(const struct hub__heap_entry *a,
                   const struct hub__heap_entry *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline
                                      : (int32_t)(a->order - b->order) < 0;
}

static void sift_up(struct hub__heap *heap, struct hub__heap_entry entry,
                    uint32_t index)
{
    while (index > 0) {
        uint32_t above = (index - 1) / 4;

        if (before(&heap->entries[above], &entry))
            break;
        place(heap, heap->entries[above], index);
        index = above;
    }
    place(heap, entry, index);
}

static uint32_t earliest_child(const struct hub__heap *heap, uint32_t index)
{
    uint32_t first = 4 * index + 1, end = first + 4, least = first;

    if (end > heap->count)
        end = heap->count;
    for (uint32_t child = first + 1; child < end; child++)
        if (before(&heap->entries[child], &heap->entries[least]))
            least = child;
    return least;
}

static void sift_down(struct hub__heap *heap, struct hub__heap_entry entry,
                      uint32_t index)
{
    while (4 * index + 1 < heap->count) {
        uint32_t child = earliest_child(heap, index);

        if (!before(&heap->entries[child], &entry))
            break;
        place(heap, heap->entries[child], index);
        index = child;
    }
    place(heap, entry, index);
}

/* To `room` of them; what has grown already is no harm if another cannot. */
static int grow_one(void **array, size_t size, uint32_t room)
{
    void *grown = greenlet__realloc(*array, size * room);

    if (grown == NULL)
        return -ENOMEM;
    *array = grown;
    return 0;
}

/* Every timer has its place among those that are due, too: then finding one
 * never needs memory. */
static int grow(struct hub__heap *heap)
{
    uint32_t room = heap->room != 0 ? heap->room * 2 : FIRST_ROOM;
    void *arrays[] = { heap->entries, heap->places, heap->timers, heap->due };
    const size_t sizes[] = { sizeof *heap->entries, sizeof *heap->places,
                             sizeof(struct hub__timer *), sizeof *heap->due };
    int rc = 0;

    for (size_t i = 0; i < 4 && rc == 0; i++)
        rc = grow_one(&arrays[i], sizes[i], room);
    heap->entries = arrays[0];
    heap->places = arrays[1];
    heap->timers = arrays[2];
    heap->due = arrays[3];
    if (heap->room == 0)
        heap->free = HUB__NO_INDEX;
    if (rc == 0)
        heap->room = room;
    return rc;
}

int hub__timers_reserve(struct hub *hub, uint32_t count)
{
    int rc = 0;

    while (hub->heap.room < count && rc == 0)
        rc = grow(&hub->heap);
    return rc;
}

int64_t hub__timer_deadline(const struct hub *hub,
                            const struct hub__timer *timer)
{
    const struct hub__heap *heap = &hub->heap;
    uint32_t index = heap->places[timer->slot];

    return index & DUE ? hub->now : heap->entries[index].deadline;
}

void hub__timers_free(struct hub *hub)
{
    free(hub->heap.entries);
    free(hub->heap.places);
    free(hub->heap.timers);
    free(hub->heap.due);
    memset(&hub->heap, 0, sizeof hub->heap);
}

void hub__timer_init(struct hub__timer *timer,
                     void (*fire)(struct hub *hub, struct hub__timer *timer))
{
    timer->slot = HUB__NO_INDEX;
    timer->early = 0;
    timer->unreferenced = 0;
    timer->fire = fire;
}

static uint32_t take_free_slot(struct hub__heap *heap)
{
    uint32_t slot = heap->free;

    if (slot == HUB__NO_INDEX)
        return heap->slots++;
    heap->free = heap->places[slot];
    return slot;
}

int hub__timer_add(struct hub *hub, struct hub__timer *timer, int64_t deadline)
{
    struct hub__heap *heap = &hub->heap;
    struct hub__heap_entry entry = { deadline, heap->order, 0 };

    if (unlikely(heap->count + heap->due_count >= heap->room) &&
        grow(heap) < 0)
        return -ENOMEM;
    heap->order++;
    entry.slot = timer->slot = take_free_slot(heap);
    heap->timers[entry.slot] = timer;
    timer->deadline = deadline;
    if (!timer->unreferenced)
        hub->active++;
    sift_up(heap, entry, heap->count++);
    return 0;
}

static void take_from_heap(struct hub__heap *heap, uint32_t index)
{
    struct hub__heap_entry last = heap->entries[--heap->count];

    if (index == heap->count)
        return;
    if (index > 0 && before(&last, &heap->entries[(index - 1) / 4]))
        sift_up(heap, last, index);
    else
        sift_down(heap, last, index);
}

static void take_out(struct hub *hub, struct hub__timer *timer)
{
    struct hub__heap *heap = &hub->heap;
    uint32_t slot = timer->slot, index = heap->places[slot];

    if (index & DUE)
        heap->due[index & ~DUE] = HUB__NO_INDEX;
    else
        take_from_heap(heap, index);
    heap->places[slot] = heap->free;
    heap->free = slot;
    timer->slot = HUB__NO_INDEX;
    if (!timer->unreferenced)
        hub->active--;
}

void hub__timer_remove(struct hub *hub, struct hub__timer *timer)
{
    hub__enter(hub);
    take_out(hub, timer);
    hub__exit(hub);
}

/* It had room, so there is room. */
void hub__timer_move(struct hub *hub, struct hub__timer *timer, int64_t from,
                     int64_t to)
{
    if (timer->slot == HUB__NO_INDEX || timer->deadline != from)
        return;
    hub__enter(hub);
    take_out(hub, timer);
    hub__timer_add(hub, timer, to);
    hub__exit(hub);
}

static void fire(struct hub *hub, struct hub__timer *timer)
{
    hub__timer_remove(hub, timer);
    if (timer->fire != NULL)
        timer->fire(hub, timer);
    else
        hub__wake(container_of(timer, struct hub__waiter, timer), -ETIMEDOUT);
}

/* It keeps its slot, and its reference on the loop, until it fires. */
static void set_aside(struct hub *hub, uint32_t slot)
{
    struct hub__heap *heap = &hub->heap;

    hub__enter(hub);
    take_from_heap(heap, 0);
    heap->places[slot] = DUE | heap->due_count;
    heap->due[heap->due_count++] = slot;
    hub__exit(hub);
}

/* Those that were set before this turn: one that sets itself again at once must
 * not keep the loop from fds. */
void hub__timer_run(struct hub *hub, int64_t now)
{
    struct hub__heap *heap = &hub->heap;
    uint32_t end = heap->order;

    while (heap->count > 0 && heap->entries[0].deadline <= now &&
           (int32_t)(heap->entries[0].order - end) < 0) {
        uint32_t slot = heap->entries[0].slot;

        if (heap->timers[slot]->early)
            fire(hub, heap->timers[slot]);
        else
            set_aside(hub, slot);
    }
}

void hub__timer_run_late(struct hub *hub)
{
    struct hub__heap *heap = &hub->heap;

    for (uint32_t i = 0; i < heap->due_count; i++)
        if (heap->due[i] != HUB__NO_INDEX)
            fire(hub, heap->timers[heap->due[i]]);
    heap->due_count = 0;
}

/* Whom they wake goes before what was queued since the turn. */
static void late_fire(void *arg)
{
    struct hub *hub = arg;
    struct greenlet *tail = hub->ready_tail;

    hub__timer_run_late(hub);
    if (tail == NULL || tail->next == NULL)
        return;
    hub__enter(hub);
    hub->ready_tail->next = hub->ready_head;
    hub->ready_head = tail->next;
    hub->ready_tail = tail;
    tail->next = NULL;
    hub__exit(hub);
}

void hub__timer_late_init(struct hub *hub)
{
    hub__callback_init(&hub->late, hub, late_fire, hub);
}

static void late_soon(struct hub *hub)
{
    if (hub->heap.due_count > 0 && !hub->late.queued)
        hub__callback_push(&hub->late);
}

void hub__timer_late_is_due(struct hub *hub)
{
    if (hub->ready_head == NULL)
        hub__timer_run_late(hub);
    else
        late_soon(hub);
}

int64_t hub__timer_next(const struct hub *hub)
{
    return hub->heap.count > 0 ? hub->heap.entries[0].deadline : HUB_FOREVER;
}

static void forget(struct hub__heap *heap, uint32_t slot)
{
    heap->timers[slot]->slot = HUB__NO_INDEX;
    heap->places[slot] = heap->free;
    heap->free = slot;
}

void hub__timers_closed(struct hub *hub)
{
    struct hub__heap *heap = &hub->heap;

    for (uint32_t i = 0; i < heap->due_count; i++)
        if (heap->due[i] != HUB__NO_INDEX)
            forget(heap, heap->due[i]);
    for (uint32_t i = 0; i < heap->count; i++)
        forget(heap, heap->entries[i].slot);
    hub__timers_free(hub);
}

/* The rest is nowhere any more: who takes one out later must not find it. */
void hub__timers_forked(struct hub *hub)
{
    const struct greenlet *self = greenlet__word->current;
    struct hub__heap *heap = &hub->heap;
    uint32_t count = heap->count, kept = 0;

    for (uint32_t i = 0; i < heap->due_count; i++)
        if (heap->due[i] != HUB__NO_INDEX)
            forget(heap, heap->due[i]);
    heap->count = heap->due_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = heap->entries[i].slot;

        if (hub__timer_is_timeout_of(heap->timers[slot], self))
            heap->entries[kept++] = heap->entries[i];
        else
            forget(heap, slot);
    }
    heap->count = 0;
    for (uint32_t i = 0; i < kept; i++) {
        struct hub__heap_entry entry = heap->entries[i];

        hub->active += !heap->timers[entry.slot]->unreferenced;
        sift_up(heap, entry, heap->count++);
    }
}
