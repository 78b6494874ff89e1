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

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct greenlet_context {
    int refs;                    /* atomic */
    bool entered;                /* under the lock, as the map is */
    struct greenlet__varmap map; /* never changed in place */
};

static size_t contexts; /* atomic: made and not yet freed */

/* ---- locks ---- */

enum { LOCK_BITS = 4, LOCKS = 1 << LOCK_BITS };
/* Each on a cache line of its own.  Recursive: while a fork holds them its
 * handlers may use variables. */
#define UNLOCKED                               \
    {                                          \
        PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP \
    }
static struct {
    pthread_mutex_t mutex;
} __attribute__((aligned(64)))
locks[LOCKS] = {UNLOCKED, UNLOCKED, UNLOCKED, UNLOCKED, UNLOCKED, UNLOCKED,
                UNLOCKED, UNLOCKED, UNLOCKED, UNLOCKED, UNLOCKED, UNLOCKED,
                UNLOCKED, UNLOCKED, UNLOCKED, UNLOCKED};

static pthread_mutex_t *lock(const void *of)
{
    uint32_t mixed = (uint32_t)((uintptr_t)of >> 4) * 2654435761u;
    pthread_mutex_t *mutex = &locks[mixed >> (32 - LOCK_BITS)].mutex;

    pthread_mutex_lock(mutex);
    return mutex;
}

/* The child's only thread has another id than the one that owns the locks: libc
 * would not let it unlock them (EPERM), so they are made anew. */
void greenlet__vars_fork(enum greenlet__fork when)
{
    static const pthread_mutex_t unlocked =
        PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    static pid_t parent;

    for (int i = 0; i < LOCKS; i++) {
        if (when == FORK_PREPARE)
            pthread_mutex_lock(&locks[i].mutex);
        else if (getpid() == parent)
            pthread_mutex_unlock(&locks[i].mutex);
        else
            locks[i].mutex = unlocked;
    }
    if (when == FORK_PREPARE)
        parent = getpid();
}

/* Lock what g's context is under, and return that; NULL if it has none. */
static struct greenlet_context *lock_vars(struct greenlet *g,
                                          pthread_mutex_t **mutex)
{
    for (;;) {
        struct greenlet_context *context =
            __atomic_load_n(&g->vars, __ATOMIC_ACQUIRE);

        *mutex = lock(context != NULL ? (void *)context : (void *)g);
        /* Acquire again: it may have come back, as another at its address. */
        if (likely(__atomic_load_n(&g->vars, __ATOMIC_ACQUIRE) == context))
            return context;
        pthread_mutex_unlock(*mutex);
    }
}

/* Under the lock of what g has now. */
static void store_vars(struct greenlet *g, struct greenlet_context *context)
{
    __atomic_store_n(&g->vars, context, __ATOMIC_RELEASE);
}

/* ---- contexts ---- */

struct greenlet_context *greenlet_context_new(void)
{
    struct greenlet_context *context = greenlet__calloc(1, sizeof *context);

    if (context == NULL) {
        greenlet__vars_no_memory();
        return NULL;
    }
    greenlet__thread_self(); /* from now on a fork holds our locks */
    context->refs = 1;
    __atomic_fetch_add(&contexts, 1, __ATOMIC_RELAXED);
    return context;
}

size_t greenlet__contexts_made(void)
{
    return __atomic_load_n(&contexts, __ATOMIC_RELAXED);
}

struct greenlet_context *greenlet_context_ref(struct greenlet_context *context)
{
    __atomic_fetch_add(&context->refs, 1, __ATOMIC_RELAXED);
    return context;
}

void greenlet_context_unref(struct greenlet_context *context)
{
    struct greenlet__binding *dead = NULL;

    if (context == NULL ||
        __atomic_sub_fetch(&context->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    greenlet__varmap_drop(&context->map, &dead);
    free(context);
    __atomic_fetch_sub(&contexts, 1, __ATOMIC_RELAXED);
    greenlet__bindings_destroy(dead);
}

void greenlet__vars_free(struct greenlet_context *vars)
{
    greenlet_context_unref(vars);
}

/* The map as it is now, for reading without the lock; to be dropped. */
static struct greenlet__varmap snapshot(struct greenlet_context *context)
{
    pthread_mutex_t *mutex = lock(context);
    struct greenlet__varmap map = greenlet__varmap_copy(&context->map);

    pthread_mutex_unlock(mutex);
    return map;
}

struct greenlet_context *greenlet_context_copy(struct greenlet_context *context)
{
    struct greenlet_context *copy = greenlet_context_new();
    pthread_mutex_t *mutex;

    if (copy == NULL)
        return NULL;
    if (context != NULL) {
        copy->map = snapshot(context);
        return copy;
    }
    context = lock_vars(greenlet__thread_self()->current, &mutex);
    if (context != NULL)
        copy->map = greenlet__varmap_copy(&context->map);
    pthread_mutex_unlock(mutex);
    return copy;
}

size_t greenlet_context_size(const struct greenlet_context *context)
{
    pthread_mutex_t *mutex = lock(context);
    size_t size = context->map.size;

    pthread_mutex_unlock(mutex);
    return size;
}

int greenlet_context_get(const struct greenlet_context *context,
                         struct greenlet_var *var, void **value)
{
    pthread_mutex_t *mutex = lock(context);
    struct greenlet__binding *binding =
        greenlet__varmap_find(&context->map, var);

    if (binding != NULL)
        *value = binding->value;
    pthread_mutex_unlock(mutex);
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
    pthread_mutex_t *mutex;

    if (greenlet__read(g->vars) == NULL)
        return false;
    context = lock_vars(g, &mutex);
    if (likely(context != NULL))
        binding = greenlet__varmap_find(&context->map, var);
    if (binding != NULL)
        *value = binding->value;
    pthread_mutex_unlock(mutex);
    return binding != NULL;
}

int greenlet__vars_begin(struct greenlet *g,
                         struct greenlet__vars_change *change)
{
    pthread_mutex_t *mutex;

    *change = (struct greenlet__vars_change){0};
    change->context = lock_vars(g, &mutex);
    if (change->context != NULL)
        change->before = greenlet__varmap_copy(&change->context->map);
    pthread_mutex_unlock(mutex);
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
    pthread_mutex_t *mutex;
    bool same = lock_vars(g, &mutex) ==
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
    pthread_mutex_unlock(mutex);
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
    pthread_mutex_t *mutex;

    if (runs_elsewhere(g))
        return greenlet__fail(-EBUSY, &greenlet_value_class,
                              "cannot get context of a greenlet that is "
                              "running in a different thread");
    *context = lock_vars(g, &mutex);
    if (*context != NULL)
        greenlet_context_ref(*context);
    pthread_mutex_unlock(mutex);
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
    pthread_mutex_t *mutex;
    struct greenlet_context *old = lock_vars(g, &mutex);

    store_vars(g, context);
    pthread_mutex_unlock(mutex);
    return old;
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
    pthread_mutex_t *mutex = lock(context);
    bool entered = context->entered;

    context->entered = true;
    pthread_mutex_unlock(mutex);
    return !entered || GREENLET__BROKEN(120);
}

/* Back to `previous` if g has `context` still; else `previous` is what is left
 * over.  One reference to either comes back. */
static bool leave(struct greenlet *g, struct greenlet_context *context,
                  struct greenlet_context *previous,
                  struct greenlet_context **left_over)
{
    pthread_mutex_t *mutex;
    bool same = lock_vars(g, &mutex) == context;

    if (same)
        store_vars(g, previous);
    pthread_mutex_unlock(mutex);
    mutex = lock(context);
    context->entered = false;
    pthread_mutex_unlock(mutex);
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
