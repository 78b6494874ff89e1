/* defer.c - cleanups that a greenlet runs at its end, whichever way it ends
 *
 * A kill ends waits by an error instead of unwinding frames: what must happen
 * even if the code between forgets to look is deferred. */
#include "context/greenlet_impl.h"
#include "context/testhook.h"

#include <errno.h>
#include <stdlib.h>

struct greenlet__deferred {
    struct greenlet__deferred *before;
    void (*function)(void *data);
    void *data;
};

static struct greenlet__deferred **list_of(struct greenlet *g)
{
    if (!(g->has & HAS_MORE)) {
        g->has |= HAS_MORE;
        g->deferred = NULL;
    }
    return &g->deferred;
}

int greenlet_defer(void (*function)(void *data), void *data)
{
    struct greenlet *self = greenlet__thread_self()->current;
    struct greenlet__deferred *entry = greenlet__malloc(sizeof *entry);
    struct greenlet__deferred **list = list_of(self);

    if (entry == NULL)
        return greenlet__fail(-ENOMEM, &greenlet_memory_class, "no memory");
    *entry = (struct greenlet__deferred){ *list, function, data };
    *list = entry;
    return 0;
}

int greenlet_undefer(void (*function)(void *data), void *data)
{
    struct greenlet__deferred **link =
        list_of(greenlet__thread_self()->current);
    struct greenlet__deferred *entry;

    while ((entry = *link) != NULL &&
           (entry->function != function || entry->data != data))
        link = &entry->before;
    if (entry == NULL)
        return -ENOENT;
    *link = entry->before;
    free(entry);
    return 0;
}

const void *greenlet_deferred(void)
{
    const struct greenlet *self = greenlet__thread_self()->current;

    return self->has & HAS_MORE ? self->deferred : NULL;
}

/* Out of the list before it is called: it may switch, and defer more. */
static void run_until(struct greenlet *self, const void *since)
{
    struct greenlet__deferred *entry;

    while ((entry = self->deferred) != NULL && entry != since) {
        struct greenlet__deferred now = *entry;

        self->deferred = now.before;
        free(entry);
        now.function(now.data);
    }
}

void greenlet_run_deferred(const void *since)
{
    struct greenlet *self = greenlet__thread_self()->current;

    list_of(self);
    run_until(self, since);
}

void (*greenlet__hub_ends)(struct greenlet *g);

/* What the hub keeps for it goes last; that may call the program, too. */
void greenlet__run_deferred(struct greenlet *self)
{
    do {
        run_until(self, NULL);
        if (greenlet__hub_ends != NULL)
            greenlet__hub_ends(self);
    } while (self->deferred != NULL);
}

void greenlet__forget_deferred(struct greenlet *g)
{
    struct greenlet__deferred *entry, *before;

    for (entry = g->deferred; entry != NULL; entry = before) {
        before = entry->before;
        free(entry);
    }
}
