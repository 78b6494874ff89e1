/* fresh.h - making a greenlet in a slot that has been in use, inline
 *
 * All that a spawn needs of the layer.  What goes beyond, the first slots of a
 * thread and stacks of other sizes among it, is in greenlet.c. */
#ifndef GREENLET_FRESH_H
#define GREENLET_FRESH_H

#include "context/slot.h"
#include "first_frame.h"

#include <stddef.h>
#include <string.h>

/* arch/: where a stack begins. */
void greenlet__entry(void) __attribute__((visibility("hidden")));

/* Fields that are set together: state ... refs, one reference and nothing else;
 * has_weak and odd_slot, neither. */
typedef uint64_t __attribute__((may_alias)) greenlet__several;
#define GREENLET__ONE_REFERENCE ((uint64_t)1 << 32)
_Static_assert(offsetof(struct greenlet, state) == 32 &&
                   offsetof(struct greenlet, refs) == 36 &&
                   offsetof(struct greenlet, has_weak) == 56 &&
                   offsetof(struct greenlet, hub_data) == 64 &&
                   offsetof(struct greenlet, vars) == 120,
               "see greenlet__clear()");

/* What a new one starts with: two cache lines, in as few stores as that takes.
 * gcc makes `rep stos` of a larger memset(), which takes longer to start than the
 * rest of a spawn.  What lies behind is good only where something says so: `has`,
 * for the hub's fields its own. */
static inline __attribute__((always_inline)) void
greenlet__clear(struct greenlet *g, struct greenlet__thread *self,
                const struct greenlet_type *type, greenlet_run *run,
                struct greenlet *parent)
{
    g->context = NULL;
    greenlet__write(g->thread, self); /* others look: see make_orphan() */
    g->next = NULL;
    g->value = NULL;
    greenlet__write(*(greenlet__several *)(void *)&g->state,
                    GREENLET__ONE_REFERENCE);
    g->parent = parent;
    g->run = run;
    *(greenlet__several *)(void *)&g->has_weak = 0;
    memset((char *)g + 64, 0, 64);
    g->type = type;
}

/* Others look at them without a lock. */
static inline void greenlet__count_made(struct greenlet__os *os)
{
    long live = greenlet__read(os->live) + 1;

    greenlet__write(os->live, live);
    if (unlikely(live > greenlet__read(os->peak)))
        greenlet__write(os->peak, live);
}

/* Is there a slot of the default size? */
static inline __attribute__((always_inline)) bool
greenlet__may_reuse(const struct greenlet__os *os)
{
    const struct greenlet__size_class *standard = os->pool.standard;

    return standard != NULL && standard->free != NULL;
}

/* In it: `slot` is good. */
static inline __attribute__((always_inline)) struct greenlet *
greenlet__make_again(struct greenlet__thread *self,
                     const struct greenlet_type *type, greenlet_run *run,
                     struct greenlet *parent)
{
    struct greenlet__os *os = self->os;
    struct greenlet__link *top = greenlet__slot_pop(os->pool.standard);
    struct greenlet *g = greenlet__below(top);

    greenlet__clear(g, self, type, run, parent);
    greenlet__write(top->next, (uintptr_t)g);
    greenlet__count_made(os);
    return g;
}

/* greenlet__prepare(); the state is the caller's to set. */
static inline __attribute__((always_inline)) void
greenlet__prepare_inline(struct greenlet *g, void *top,
                         void (*entry)(struct greenlet *g))
{
    if (unlikely(greenlet__read(g->thread)->tools != 0))
        greenlet__tools_fresh(g, g->slot.base + g->slot.guard, top);
    g->entry = entry;
    g->context = greenlet__first_frame(top, greenlet__entry);
}

#endif
