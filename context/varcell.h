/* varcell.h - memory for contexts, values and small maps: one size, and a few of
 * each thread's own that wait to be used again
 *
 * A server makes and frees some for each request.  What one thread took another
 * may give. */
#ifndef GREENLET_VARCELL_H
#define GREENLET_VARCELL_H

#include "context/greenlet_impl.h"
#include "context/testhook.h"

#include <stdlib.h>

enum { GREENLET__CELL_SIZE = 40 };

/* AddressSanitizer is to see each end of use. */
#if defined(__SANITIZE_ADDRESS__)
enum { GREENLET__CELLS_KEPT = 0 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { GREENLET__CELLS_KEPT = 0 };
#else
enum { GREENLET__CELLS_KEPT = 64 };
#endif
#else
enum { GREENLET__CELLS_KEPT = 64 };
#endif

struct greenlet__cell {
    struct greenlet__cell *next;
};

/* Uninitialised; NULL: no memory. */
static inline void *greenlet__cell_take(void)
{
    struct greenlet__os *os = greenlet__thread_self()->os;
    struct greenlet__cell *cell = os->cells;

    if (GREENLET__ALLOCATION_FAILS())
        return NULL;
    if (unlikely(cell == NULL))
        return malloc(GREENLET__CELL_SIZE);
    os->cells = cell->next;
    os->cells_kept--;
    return cell;
}

/* A thread that has no identity, or none any more, makes none for this. */
static inline void greenlet__cell_give(void *memory)
{
    struct greenlet__thread *self = greenlet__thread_peek();
    struct greenlet__cell *cell = memory;

    if (unlikely(self == NULL || self->os->cells_kept >= GREENLET__CELLS_KEPT)) {
        free(memory);
        return;
    }
    cell->next = self->os->cells;
    self->os->cells = cell;
    self->os->cells_kept++;
}

#endif
