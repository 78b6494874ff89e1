/* slot.h - the free lists of stack slots, inline: all that a spawn needs of them */
#ifndef GREENLET_SLOT_H
#define GREENLET_SLOT_H

#include "context/greenlet_impl.h"

/* The topmost word of a slot: of a free one the link of its list, marked as
 * such; else the greenlet that has the slot, or something that is none. */
struct greenlet__link {
    uintptr_t next; /* | GREENLET__FREE */
};
#define GREENLET__FREE ((uintptr_t)1)

struct greenlet__slab;

struct greenlet__size_class {
    struct greenlet__size_class *next;
    size_t stride, guard;
    struct greenlet__link *free;
    struct greenlet__slab *slab; /* that slots are carved from */
    size_t slab_size;            /* of the next slab */
    size_t free_count;
};

/* The one on top, which there is.  Of the default size: the control block that a
 * greenlet has there says already which slot it is. */
static inline struct greenlet__link *
greenlet__slot_pop(struct greenlet__size_class *class)
{
    struct greenlet__link *link = class->free;

    class->free = (struct greenlet__link *)(link->next & ~GREENLET__FREE);
    class->free_count--;
    return link;
}

static inline void greenlet__slot_push(struct greenlet__size_class *class,
                                       struct greenlet__link *link)
{
    greenlet__write(link->next, (uintptr_t)class->free | GREENLET__FREE);
    class->free = link;
    class->free_count++;
}

static inline struct greenlet__link *
greenlet__top_of(const struct greenlet__slot *slot)
{
    return (struct greenlet__link *)(slot->base + slot->size) - 1;
}

/* Where the control block lies, from the slot's topmost word. */
static inline struct greenlet *greenlet__below(struct greenlet__link *top)
{
    return (struct greenlet *)(((uintptr_t)top - sizeof(struct greenlet)) &
                               ~(uintptr_t)63);
}

/* The topmost word, from the control block: a slot ends where a page does. */
static inline struct greenlet__link *greenlet__above(struct greenlet *g)
{
    const size_t taken =
        sizeof(struct greenlet) + sizeof(struct greenlet__link);

    return (struct greenlet__link *)((char *)g + (taken + 63) / 64 * 64) - 1;
}

#endif
