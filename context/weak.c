/* weak.c - handles that do not keep their greenlet (G-013)
 *
 * One lock for all: handles are rare.  Who frees a greenlet clears its handle
 * under it; who asks counts a reference under it, unless the count has reached
 * zero already. */
#include "context/greenlet_impl.h"
#include "context/testhook.h"

struct greenlet_weak {
    struct greenlet *target; /* NULL: gone */
    int handles;             /* of the program; the greenlet's own not counted */
};

static pthread_mutex_t weak_lock = PTHREAD_MUTEX_INITIALIZER;

void greenlet__weak_fork(enum greenlet__fork when)
{
    if (when == FORK_PREPARE)
        pthread_mutex_lock(&weak_lock);
    else
        pthread_mutex_unlock(&weak_lock);
}

/* All handles of a greenlet are one. */
struct greenlet_weak *greenlet_weak_new(struct greenlet *g)
{
    struct greenlet_weak *weak;

    pthread_mutex_lock(&weak_lock);
    if (g->has_weak) {
        weak = g->weak;
    } else {
        weak = greenlet__malloc(sizeof *weak);
        if (weak != NULL) {
            *weak = (struct greenlet_weak){ g, 0 };
            g->weak = weak;
            __atomic_store_n(&g->has_weak, 1, __ATOMIC_RELEASE);
        }
    }
    if (weak != NULL)
        weak->handles++;
    pthread_mutex_unlock(&weak_lock);
    return weak;
}

struct greenlet *greenlet_weak_get(struct greenlet_weak *weak)
{
    struct greenlet *g;
    int refs;

    pthread_mutex_lock(&weak_lock);
    g = weak->target;
    if (g != NULL) {
        refs = __atomic_load_n(&g->refs, __ATOMIC_RELAXED);
        while (refs > 0 && !__atomic_compare_exchange_n(&g->refs, &refs,
                                                        refs + 1, true,
                                                        __ATOMIC_ACQUIRE,
                                                        __ATOMIC_RELAXED))
            ;
        if (refs <= 0)
            g = NULL; /* its last reference has just gone */
    }
    pthread_mutex_unlock(&weak_lock);
    return g;
}

void greenlet_weak_free(struct greenlet_weak *weak)
{
    bool last;

    if (weak == NULL)
        return;
    pthread_mutex_lock(&weak_lock);
    last = --weak->handles == 0;
    if (last && weak->target != NULL)
        __atomic_store_n(&weak->target->has_weak, 0, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&weak_lock);
    if (last)
        free(weak);
}

const struct greenlet *greenlet__weak_peek(const struct greenlet_weak *weak)
{
    return greenlet__read(weak->target);
}

void greenlet__weak_clear(struct greenlet *g)
{
    pthread_mutex_lock(&weak_lock);
    if (g->has_weak) {
        greenlet__write(g->weak->target, NULL);
        greenlet__write(g->has_weak, 0);
    }
    pthread_mutex_unlock(&weak_lock);
}
