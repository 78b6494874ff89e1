/* queue_impl.h - where a queue keeps its items: a ring, a stack or a heap
 *
 * All under the lock of the queue.  Memory grows by doubling; putting never
 * needs any that was not reserved before. */
#ifndef HUB_QUEUE_IMPL_H
#define HUB_QUEUE_IMPL_H

#include "hub/queue.h"
#include "hub/sync_impl.h"

enum hub__order { HUB__FIFO, HUB__LIFO, HUB__PRIORITY };

struct hub__entry {
    void *item;
    int64_t order; /* of equal ones */
};

struct hub__items {
    union {
        void **ring; /* also as a stack; room is a power of two */
        struct hub__entry *heap;
    } at;
    uint32_t room, head, count;
    uint32_t order;         /* enum hub__order */
    int64_t newest, oldest; /* orders that were given to what came */
    int (*compare)(const void *a, const void *b, void *arg);
    void *arg;
};

/* queue_items.c */
int hub__items_grow(struct hub__items *items, uint32_t room);
void hub__items_push(struct hub__items *items, void *item, bool back);
void *hub__items_pop(struct hub__items *items);

/* Returns 0 or -ENOMEM. */
static inline int hub__items_reserve(struct hub__items *items, uint32_t room)
{
    return likely(room <= items->room) ? 0 : hub__items_grow(items, room);
}

static inline void hub__items_put(struct hub__items *items, void *item)
{
    if (unlikely(items->order == HUB__PRIORITY)) {
        hub__items_push(items, item, false);
        return;
    }
    items->at.ring[(items->head + items->count++) & (items->room - 1)] = item;
}

/* What was taken, and not wanted after all: it is next again. */
static inline void hub__items_put_back(struct hub__items *items, void *item)
{
    if (items->order == HUB__PRIORITY) {
        hub__items_push(items, item, true);
        return;
    }
    if (items->order == HUB__FIFO) {
        items->head = (items->head - 1) & (items->room - 1);
        items->at.ring[items->head] = item;
        items->count++;
        return;
    }
    hub__items_put(items, item);
}

/* The next one; there is one. */
static inline void *hub__items_first(const struct hub__items *items)
{
    uint32_t at = items->head;

    if (items->order == HUB__PRIORITY)
        return items->at.heap[0].item;
    if (items->order == HUB__LIFO)
        at += items->count - 1;
    return items->at.ring[at & (items->room - 1)];
}

static inline void *hub__items_take(struct hub__items *items)
{
    void *item;

    if (unlikely(items->order == HUB__PRIORITY))
        return hub__items_pop(items);
    item = hub__items_first(items);
    items->count--;
    if (items->order == HUB__FIFO)
        items->head = (items->head + 1) & (items->room - 1);
    return item;
}

/* The upper half of the word is the number of items. */
enum { HUB__SHUT = 4, HUB__DROPPED = 8, HUB__QUEUE_FLAGS = 15 };

struct hub__queue {
    uint64_t word;
    struct hub__link *getters, *putters, *joiners;
    struct hub__items items;
    uint32_t limit;
    uint32_t granted;   /* places that putters were woken with */
    uint32_t taking;    /* atomic: getters that wait, or were given an item */
    uint32_t simple;    /* no task_done, no join */
    int64_t unfinished; /* atomic */
    void (*drop)(void *item, void *arg);
    void *drop_arg;
};
_Static_assert(sizeof(struct hub__queue) <= sizeof(struct hub_queue),
               "struct hub_queue has room for it");

static inline struct hub__queue *hub__queue_of(const struct hub_queue *queue)
{
    return (struct hub__queue *)(uintptr_t)queue;
}

/* ---- under the lock ---- */

static inline void hub__queue_unlock(struct hub__queue *q,
                                     struct hub__held *held)
{
    held->value = (held->value & HUB__QUEUE_FLAGS) | (uint64_t)q->items.count
                                                         << 32;
    hub__sync_unlock(held);
}

static inline uint32_t hub__queue_taking(const struct hub__queue *q)
{
    return __atomic_load_n(&q->taking, __ATOMIC_RELAXED);
}

static inline void hub__queue_work_added(struct hub__queue *q, int64_t more)
{
    __atomic_store_n(&q->unfinished,
                     __atomic_load_n(&q->unfinished, __ATOMIC_RELAXED) + more,
                     __ATOMIC_RELAXED);
}

static inline void hub__queue_work_done(struct hub__queue *q)
{
    hub__queue_work_added(q, -1);
    if (q->unfinished == 0 && q->joiners != NULL)
        hub__sync_wake_all(&q->joiners, 0);
}

#endif
