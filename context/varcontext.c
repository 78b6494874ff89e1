/* varcontext.c - contexts: whose they are, sharing, scoped runs
 *
 * A context is an immutable map that can be replaced, and the mark that
 * somebody has entered it.  Its fields, and the field `vars` of the greenlets
 * that have it, change only under its lock; one of several, chosen by address.
 * A greenlet without a context has a lock chosen by its own address.
 *
 * So who holds the lock of the context that g->vars named, and finds it there
 * still, knows that it stays: who takes it from g needs the same lock. */
#include "context/varcontext.h"
#include "context/testhook.h"
#include "context/varcell.h"
#include "context/varlock.h"

#include <errno.h>
#include <stdlib.h>

struct greenlet_context {
    int refs;                    /* atomic */
    bool entered;                /* under the lock, as the map is */
    struct greenlet__varmap map; /* seen by others only as a copy */
};

long greenlet__contexts_elsewhere;

_Static_assert(sizeof(struct greenlet_context) <= GREENLET__CELL_SIZE,
               "a context fits a cell");

/* ---- locks ---- */

/* Lock what g's context is under, and return that; NULL if it has none. */
static struct greenlet_context *lock_vars(struct greenlet *g,
                                          struct greenlet__varlock **lock)
{
    for (;;) {
        struct greenlet_context *context =
            __atomic_load_n(&g->vars, __ATOMIC_ACQUIRE);

        *lock = greenlet__varlock_take(context != NULL ? (void *)context : (void *)g);
        /* Acquire again: it may have come back, as another at its address. */
        if (likely(__atomic_load_n(&g->vars, __ATOMIC_ACQUIRE) == context))
            return context;
        greenlet__varlock_give(*lock);
    }
}

/* Under the lock of what g has now. */
static void store_vars(struct greenlet *g, struct greenlet_context *context)
{
    __atomic_store_n(&g->vars, context, __ATOMIC_RELEASE);
}

/* ---- contexts ---- */

/* Each OS thread counts for itself: the sum is what there is. */
static void count_contexts(int more)
{
    struct greenlet__thread *self = greenlet__thread_peek();

    if (likely(self != NULL))
        greenlet__write(self->os->contexts,
                        greenlet__read(self->os->contexts) + more);
    else
        __atomic_fetch_add(&greenlet__contexts_elsewhere, more,
                           __ATOMIC_RELAXED);
}

void greenlet__cells_free(struct greenlet__os *os)
{
    while (os->cells != NULL) {
        struct greenlet__cell *cell = os->cells;

        os->cells = cell->next;
        free(cell);
    }
}

struct greenlet_context *greenlet_context_new(void)
{
    struct greenlet_context *context = greenlet__cell_take();

    if (context == NULL) {
        greenlet__vars_no_memory();
        return NULL;
    }
    *context = (struct greenlet_context){.refs = 1};
    count_contexts(1);
    return context;
}

struct greenlet_context *greenlet_context_with(struct greenlet_var *var,
                                               void *value)
{
    struct greenlet_context *context = greenlet_context_new();
    struct greenlet__binding *binding =
        context != NULL ? greenlet__binding_make(var, value) : NULL;

    if (likely(binding != NULL &&
               greenlet__varmap_of(binding, &context->map) == 0))
        return context;
    greenlet_context_unref(context);
    if (binding != NULL) {
        binding->next_dead = NULL;
        greenlet__bindings_destroy(binding);
    } else if (var->destroy != NULL) {
        var->destroy(value);
    }
    greenlet__vars_no_memory();
    return NULL;
}

struct greenlet_context *greenlet_context_ref(struct greenlet_context *context)
{
    greenlet__count(&context->refs);
    return context;
}

void greenlet_context_unref(struct greenlet_context *context)
{
    struct greenlet__binding *dead = NULL;

    if (context == NULL || !greenlet__was_last(&context->refs))
        return;
    greenlet__varmap_drop(&context->map, &dead);
    greenlet__cell_give(context);
    count_contexts(-1);
    greenlet__bindings_destroy(dead);
}

void greenlet__vars_free(struct greenlet_context *vars)
{
    greenlet_context_unref(vars);
}

/* The map as it is now, for reading without the lock; to be dropped. */
static struct greenlet__varmap snapshot(struct greenlet_context *context)
{
    struct greenlet__varlock *lock = greenlet__varlock_take(context);
    struct greenlet__varmap map = greenlet__varmap_copy(&context->map);

    greenlet__varlock_give(lock);
    return map;
}

struct greenlet_context *greenlet_context_copy(struct greenlet_context *context)
{
    struct greenlet_context *copy = greenlet_context_new();
    struct greenlet__varlock *lock;

    if (copy == NULL)
        return NULL;
    if (context != NULL) {
        copy->map = snapshot(context);
        return copy;
    }
    context = lock_vars(greenlet__thread_self()->current, &lock);
    if (context != NULL)
        copy->map = greenlet__varmap_copy(&context->map);
    greenlet__varlock_give(lock);
    return copy;
}

size_t greenlet_context_size(const struct greenlet_context *context)
{
    struct greenlet__varlock *lock = greenlet__varlock_take(context);
    size_t size = context->map.size;

    greenlet__varlock_give(lock);
    return size;
}

int greenlet_context_get(const struct greenlet_context *context,
                         struct greenlet_var *var, void **value)
{
    struct greenlet__varlock *lock = greenlet__varlock_take(context);
    struct greenlet__binding *binding =
        greenlet__varmap_find(&context->map, var);

    if (binding != NULL)
        *value = binding->value;
    greenlet__varlock_give(lock);
    return binding != NULL ? 0 : greenlet__vars_no_value();
}

int greenlet_context_each(struct greenlet_context *context,
                          int (*each)(struct greenlet_var *var, void *value,
                                      void *data),
                          void *data)
{
    struct greenlet__binding *dead = NULL;
    struct greenlet__varmap map = snapshot(context);
    int rc = greenlet__varmap_each(&map, each, data);

    greenlet__varmap_drop(&map, &dead);
    greenlet__bindings_destroy(dead);
    return rc;
}

/* ---- changing what a greenlet has ---- */

bool greenlet__vars_get(struct greenlet *g, const struct greenlet_var *var,
                        void **value)
{
    struct greenlet__binding *binding = NULL;
    struct greenlet_context *context;
    struct greenlet__varlock *lock;

    if (greenlet__read(g->vars) == NULL)
        return false;
    context = lock_vars(g, &lock);
    if (likely(context != NULL))
        binding = greenlet__varmap_find(&context->map, var);
    if (binding != NULL)
        *value = binding->value;
    greenlet__varlock_give(lock);
    return binding != NULL;
}

bool greenlet__vars_set_here(struct greenlet *g,
                             struct greenlet__binding *binding,
                             struct greenlet_context **context,
                             struct greenlet__binding **replaced)
{
    struct greenlet__varlock *lock;
    struct greenlet_context *now;
    bool done;

    if (greenlet__read(g->vars) == NULL)
        return false;
    now = lock_vars(g, &lock);
    done = now != NULL &&
           greenlet__varmap_set_here(&now->map, binding, replaced);
    if (done && context != NULL)
        *context = greenlet_context_ref(now);
    greenlet__varlock_give(lock);
    return done;
}

int greenlet__vars_begin(struct greenlet *g,
                         struct greenlet__vars_change *change)
{
    struct greenlet__varlock *lock;

    *change = (struct greenlet__vars_change){0};
    change->context = lock_vars(g, &lock);
    if (change->context != NULL)
        change->before = greenlet__varmap_copy(&change->context->map);
    greenlet__varlock_give(lock);
    if (change->context != NULL)
        return 0;
    change->context = change->fresh = greenlet_context_new();
    return change->fresh != NULL ? 0 : -ENOMEM;
}

/* Maps are compared by their roots: `before` keeps the one it has from being
 * another at the same address. */
bool greenlet__vars_commit(struct greenlet *g,
                           struct greenlet__vars_change *change,
                           struct greenlet_context **context)
{
    struct greenlet__varmap map = change->before;
    struct greenlet__varlock *lock;
    bool same = lock_vars(g, &lock) ==
                (change->fresh != NULL ? NULL : change->context);

    if (same && change->fresh == NULL)
        same = change->context->map.root == map.root;
    if (likely(same)) {
        if (context != NULL)
            *context = greenlet_context_ref(change->context);
        change->replaced = change->context->map;
        change->context->map = change->after;
        change->after = (struct greenlet__varmap){0};
        if (change->fresh != NULL)
            store_vars(g, change->fresh);
        change->fresh = NULL;
    }
    greenlet__varlock_give(lock);
    return same;
}

void greenlet__vars_end(struct greenlet__vars_change *change,
                        struct greenlet__binding **dead)
{
    greenlet__varmap_drop(&change->before, dead);
    greenlet__varmap_drop(&change->after, dead);
    greenlet__varmap_drop(&change->replaced, dead);
    greenlet_context_unref(change->fresh);
}

/* ---- contexts of greenlets ---- */

/* Whose thread is another one, and runs it (G-118).  The lock keeps that
 * thread's state from being freed.  The answer may be old when it comes; what
 * follows is safe nevertheless, only later than the program may think. */
static bool runs_elsewhere(struct greenlet *g)
{
    struct greenlet__thread *thread;
    bool runs;

    if (likely(greenlet__read(g->thread) == greenlet__thread_self()) ||
        GREENLET__BROKEN(118))
        return false;
    pthread_mutex_lock(&greenlet__threads_lock);
    thread = greenlet__read(g->thread);
    runs = thread != NULL && greenlet__read(thread->current) == g &&
           greenlet__is_active(g);
    pthread_mutex_unlock(&greenlet__threads_lock);
    return runs;
}

int greenlet_get_context(struct greenlet *g, struct greenlet_context **context)
{
    struct greenlet__varlock *lock;

    if (runs_elsewhere(g))
        return greenlet__fail(-EBUSY, &greenlet_value_class,
                              "cannot get context of a greenlet that is "
                              "running in a different thread");
    *context = lock_vars(g, &lock);
    if (*context != NULL)
        greenlet_context_ref(*context);
    greenlet__varlock_give(lock);
    if (*context == NULL && GREENLET__BROKEN(115))
        *context = greenlet_context_new();
    if (*context != NULL && greenlet_dead(g) && GREENLET__BROKEN(121)) {
        greenlet_context_unref(*context);
        *context = NULL;
    }
    return 0;
}

/* Give g a context; the one it had is given to the caller. */
static struct greenlet_context *exchange(struct greenlet *g,
                                         struct greenlet_context *context)
{
    struct greenlet__varlock *lock;
    struct greenlet_context *old = lock_vars(g, &lock);

    store_vars(g, context);
    greenlet__varlock_give(lock);
    return old;
}

struct greenlet_context *
greenlet_swap_context(struct greenlet_context *context)
{
    return exchange(greenlet__thread_self()->current, context);
}

int greenlet_set_context(struct greenlet *g, struct greenlet_context *context)
{
    if (runs_elsewhere(g))
        return greenlet__fail(-EBUSY, &greenlet_value_class,
                              "cannot set context of a greenlet that is "
                              "running in a different thread");
    if (context == NULL && GREENLET__BROKEN(119))
        return greenlet__fail(-EINVAL, &greenlet_type_class,
                              "greenlet context must be a context");
    if (GREENLET__BROKEN(116) &&
        (greenlet_dead(g) || g == greenlet__thread_self()->current))
        return 0;
    if (context != NULL)
        context = GREENLET__BROKEN(117) ? greenlet_context_copy(context)
                                        : greenlet_context_ref(context);
    greenlet_context_unref(exchange(g, context));
    return 0;
}

static bool enter(struct greenlet_context *context)
{
    struct greenlet__varlock *lock = greenlet__varlock_take(context);
    bool entered = context->entered;

    context->entered = true;
    greenlet__varlock_give(lock);
    return !entered || GREENLET__BROKEN(120);
}

/* Back to `previous` if g has `context` still; else `previous` is what is left
 * over.  One reference to either comes back. */
static bool leave(struct greenlet *g, struct greenlet_context *context,
                  struct greenlet_context *previous,
                  struct greenlet_context **left_over)
{
    struct greenlet__varlock *lock;
    bool same = lock_vars(g, &lock) == context;

    if (same)
        store_vars(g, previous);
    greenlet__varlock_give(lock);
    lock = greenlet__varlock_take(context);
    context->entered = false;
    greenlet__varlock_give(lock);
    *left_over = same ? context : previous;
    return same;
}

int greenlet_context_run(struct greenlet_context *context,
                         int (*function)(void *arg), void *arg, int *result)
{
    struct greenlet *g = greenlet__thread_self()->current;
    struct greenlet_context *previous, *left_over;
    bool same;
    int rc;

    if (!enter(context))
        return greenlet__fail(-EBUSY, &greenlet_value_class,
                              "context is already entered");
    greenlet_context_ref(context); /* until it is left: also without g's */
    previous = exchange(g, greenlet_context_ref(context));
    rc = function(arg);
    if (result != NULL)
        *result = rc;
    same = leave(g, context, previous, &left_over);
    greenlet_context_unref(left_over);
    greenlet_context_unref(context);
    return same ? 0
                : greenlet__fail(-EDOM, &greenlet_value_class,
                                 "the greenlet has another context than the "
                                 "one that was entered");
}
