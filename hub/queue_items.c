/* queue_items.c - memory of a queue's items, and the heap of a priority queue
 */
#include "hub/queue_impl.h"

#include "context/testhook.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16

/* What wraps round the end of the old ring goes behind it in the new one. */
static void unwrap(struct hub__items *items, uint32_t old_room)
{
    uint32_t end = items->head + items->count;

    if (items->order != HUB__PRIORITY && end > old_room)
        memcpy(items->at.ring + old_room, items->at.ring,
               (end - old_room) * sizeof(void *));
}

int hub__items_grow(struct hub__items *items, uint32_t room)
{
    size_t size = items->order == HUB__PRIORITY ? sizeof(struct hub__entry)
                                                : sizeof(void *);
    uint32_t more = items->room != 0 ? items->room * 2 : FIRST_ROOM;
    uint32_t old = items->room;
    void **ring;

    while (more < room)
        more *= 2;
    ring = greenlet__realloc(items->at.ring, more * size);
    if (ring == NULL)
        return -ENOMEM;
    items->at.ring = ring;
    items->room = more;
    if (old != 0)
        unwrap(items, old);
    return 0;
}

/* ---- the heap: two children a node, the least on top ---- */

static bool before(const struct hub__items *items, const struct hub__entry *a,
                   const struct hub__entry *b)
{
    int rc = items->compare(a->item, b->item, items->arg);

    return rc != 0 ? rc < 0 : a->order < b->order;
}

void hub__items_push(struct hub__items *items, void *item, bool back)
{
    struct hub__entry *heap = items->at.heap;
    struct hub__entry entry = { item,
                                back ? --items->oldest : ++items->newest };
    uint32_t at = items->count++;

    while (at > 0 && before(items, &entry, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = entry;
}

void *hub__items_pop(struct hub__items *items)
{
    struct hub__entry *heap = items->at.heap;
    void *item = heap[0].item;
    uint32_t count = --items->count, at = 0, child;
    struct hub__entry last = heap[count];

    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && before(items, &heap[child + 1], &heap[child]))
            child++;
        if (!before(items, &heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return item;
}
