/* stack.h - stacks cut from slabs, kept on free lists per OS thread */
#ifndef GREENLET_STACK_H
#define GREENLET_STACK_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of a slab: `size` bytes from `base`, of which the lowest `guard` are
 * the guard.  size 0 means none. */
struct greenlet__slot {
    char *base;
    size_t size;
    size_t guard;
};

struct greenlet__size_class;

/* Free slots of one OS thread, LIFO for each size. */
struct greenlet__pool {
    struct greenlet__size_class *classes;
    struct greenlet__size_class *last_used;
    struct greenlet__size_class *standard; /* default size; NULL: not yet */
};

#define GREENLET__STACK_DEFAULT (128u * 1024)
#define GREENLET__STACK_MIN (16u * 1024)

/* Take a slot of at least `size` usable bytes above a guard of `guard` bytes
 * (rounded up to pages; 0 = no guard).  Returns 0 or -ENOMEM. */
int greenlet__slot_take(struct greenlet__pool *pool, size_t size, size_t guard,
                        struct greenlet__slot *slot);
/* Where the control block of a greenlet lies in its slot: at the top, but for one
 * word, which says whose the slot is (greenlet__slot_owner()). */
struct greenlet;
struct greenlet *greenlet__in_slot(const struct greenlet__slot *slot);
void greenlet__slot_owner(const struct greenlet__slot *slot,
                          struct greenlet *g);
/* Put it back.  No kernel call. */
void greenlet__slot_give(struct greenlet__pool *pool,
                         const struct greenlet__slot *slot);
/* overflow.c: an alternate stack for this OS thread and, unless the program has
 * its own, a SIGSEGV handler that names the greenlet whose stack ended. */
void greenlet__overflow_watch(void);
/* The report alone: true if `address` was in a guard and has been reported. */
bool greenlet__overflow_report(const void *address);
/* True if `address` lies in the guard of a slot; *slot is set. */
bool greenlet__slot_guard_hit(const void *address, struct greenlet__slot *slot);
/* "markers", "mprotect" or "none": for statistics and tests. */
const char *greenlet__guard_kind(void);
/* Slots cut so far in this process; free ones of one pool. */
size_t greenlet__slots_made(void);
size_t greenlet__pool_free(const struct greenlet__pool *pool);
/* Of free slots of the default size all but the first page goes back to the
 * system, except of the `keep` that would be taken first. */
void greenlet__pool_trim(const struct greenlet__pool *pool, size_t keep);
size_t greenlet__orphans_free(void);
/* The orphans' lock over a fork; see greenlet__fork. */
void greenlet__stack_fork(bool prepare);
/* Its thread ended: what is free is for those that find none of their own. */
void greenlet__pool_close(struct greenlet__pool *pool);

#endif
