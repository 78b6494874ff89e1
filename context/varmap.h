/* varmap.h - immutable maps from context variables to their values
 *
 * A map is not changed: setting or removing a variable makes another, which
 * shares all but one path with the first.  So a copy is one reference, and
 * threads may read the same map at once.  Where nobody else has the root, nobody
 * can tell, and it is changed in place after all.  Nothing here takes a lock, calls a
 * function of the program or recurses deeper than GREENLET__VARMAP_DEPTH. */
#ifndef GREENLET_VARMAP_H
#define GREENLET_VARMAP_H

#include "context/contextvar.h"
#include "context/greenlet_impl.h"

/* ---- counting ---- */

/* Whoever counts up has a reference already, or a lock that keeps one: nothing to
 * order.  The bus is locked only where there is another thread. */
static inline void greenlet__count(int *refs)
{
    if (likely(__libc_single_threaded))
        __atomic_store_n(refs, *refs + 1, __ATOMIC_RELAXED);
    else
        __atomic_fetch_add(refs, 1, __ATOMIC_RELAXED);
}

/* Whoever has the only reference need not lock the bus: nobody else can count. */
static inline bool greenlet__was_last(int *refs)
{
    int now = __atomic_load_n(refs, __ATOMIC_ACQUIRE);

    if (likely(__libc_single_threaded || now == 1)) {
        __atomic_store_n(refs, now - 1, __ATOMIC_RELAXED);
        return now == 1;
    }
    return __atomic_sub_fetch(refs, 1, __ATOMIC_ACQ_REL) == 0;
}

/* ---- maps ---- */

struct greenlet_var {
    int refs;      /* atomic */
    uint32_t hash; /* the variables' number: dense, so that trees are shallow */
    void (*destroy)(void *value);
    void *fallback; /* its default */
    bool has_fallback;
    char name[];
};

/* One value of one variable: what set() made.  Counted by the maps and tokens
 * that have it; the variable is counted too, and the value owned. */
struct greenlet__binding {
    int refs; /* atomic */
    struct greenlet_var *var;
    void *value;
    struct greenlet__binding *next_dead; /* once refs is 0 */
};

enum {
    GREENLET__VARMAP_BITS = 4, /* of the hash, for each level */
    GREENLET__VARMAP_WIDTH = 1 << GREENLET__VARMAP_BITS,
    GREENLET__VARMAP_DEPTH = 32 / GREENLET__VARMAP_BITS
};

struct greenlet__varnode;
struct greenlet__varmap { /* all zero: empty */
    struct greenlet__varnode *root;
    size_t size;
};

/* Borrowed from the map; NULL if it has none. */
struct greenlet__binding *
greenlet__varmap_find(const struct greenlet__varmap *map,
                      const struct greenlet_var *var);

/* Another reference to the same map. */
struct greenlet__varmap
greenlet__varmap_copy(const struct greenlet__varmap *map);

/* *to is a map like `from`, in which the binding's variable has this binding
 * (counted), or `var` has none.  Returns 0, or -ENOMEM with *to left alone. */
int greenlet__varmap_set(const struct greenlet__varmap *from,
                         struct greenlet__binding *binding,
                         struct greenlet__varmap *to);
int greenlet__varmap_remove(const struct greenlet__varmap *from,
                            const struct greenlet_var *var,
                            struct greenlet__varmap *to);

/* The same in the map itself, if nobody else has its root and there is room in
 * it.  Others may come by it only by what keeps them from it meanwhile: a lock.
 * True: the binding is given to it, and *replaced is the caller's (NULL: none).
 * False: nothing was done. */
bool greenlet__varmap_set_here(struct greenlet__varmap *map,
                               struct greenlet__binding *binding,
                               struct greenlet__binding **replaced);
/* A map of that binding alone, which is given.  Returns 0 or -ENOMEM, with the
 * binding still the caller's. */
int greenlet__varmap_of(struct greenlet__binding *binding,
                        struct greenlet__varmap *to);

/* Give up a map, or a binding.  Bindings that nobody has any more are put
 * before *dead, for the caller to destroy where it may call functions of the
 * program. */
void greenlet__varmap_drop(struct greenlet__varmap *map,
                           struct greenlet__binding **dead);
void greenlet__binding_drop(struct greenlet__binding *binding,
                            struct greenlet__binding **dead);
struct greenlet__binding *
greenlet__binding_ref(struct greenlet__binding *binding);

/* Until `each` returns other than 0, which is returned. */
int greenlet__varmap_each(const struct greenlet__varmap *map,
                          int (*each)(struct greenlet_var *var, void *value,
                                      void *data),
                          void *data);

#endif
