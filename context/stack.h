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
};

#define GREENLET__STACK_DEFAULT (128u * 1024)
#define GREENLET__STACK_MIN (16u * 1024)

/* Take a slot of at least `size` usable bytes above a guard of `guard` bytes
 * (rounded up to pages; 0 = no guard).  Returns 0 or -ENOMEM. */
int greenlet__slot_take(struct greenlet__pool *pool, size_t size, size_t guard,
                        struct greenlet__slot *slot);
/* Put it back.  No kernel call. */
void greenlet__slot_give(struct greenlet__pool *pool,
                         const struct greenlet__slot *slot);
/* Install the overflow report on an alternate stack for this OS thread. */
void greenlet__overflow_watch(void);
/* True if `address` lies in the guard of a slot; *slot is set. */
bool greenlet__slot_guard_hit(const void *address, struct greenlet__slot *slot);
/* "markers", "mprotect" or "none": for statistics and tests. */
const char *greenlet__guard_kind(void);
size_t greenlet__slots_used(void);
size_t greenlet__slots_free(void);

#endif
