/* spawn.c - greenlets that the hub runs: spawn, join, sleep, kill
 *
 * A spawned greenlet holds a reference to itself until it has left its stack,
 * so that it runs on when its maker is not interested. */
#include "hub/schedule.h"

#include <errno.h>

struct joiner {
    struct joiner *next;
    struct hub__waiter waiter;
};

static void task_left(struct greenlet *g)
{
    if (greenlet__drop_reference(g))
        greenlet__free(g);
}

static void wake_joiners(struct greenlet *g)
{
    struct joiner *joiner = g->hub_data[HUB_DATA_JOINERS];

    g->hub_data[HUB_DATA_JOINERS] = NULL;
    while (joiner != NULL) {
        struct joiner *next = joiner->next;

        hub__wake(&joiner->waiter, 0);
        joiner = next;
    }
}

static void run_task(struct greenlet *self)
{
    void (*function)(void *);

    *(void **)&function = self->hub_data[HUB_DATA_FUNCTION];
    function(self->value);
    if (self->hub_data[HUB_DATA_JOINERS] != NULL)
        wake_joiners(self);
    hub__leave(self->thread->os->hub);
}

struct greenlet *hub_spawn(void (*function)(void *arg), void *arg)
{
    struct hub *hub = hub__get();
    struct greenlet *g = hub != NULL ? greenlet__make(0) : NULL;

    if (g == NULL)
        return NULL;
    g->refs = 2;
    g->value = arg;
    *(void (**)(void *))&g->hub_data[HUB_DATA_FUNCTION] = function;
    g->on_left = task_left;
    greenlet__prepare(g, g, run_task);
    hub__enter(hub);
    hub__push_ready(hub, g);
    hub__exit(hub);
    return g;
}

int hub_kill(struct greenlet *g)
{
    struct hub__waiter *waiter = g->hub_data[HUB_DATA_WAITER];

    if (greenlet_dead(g))
        return -ESRCH;
    if (waiter == NULL || !hub__wake(waiter, -ECANCELED))
        g->hub_data[HUB_DATA_KILLED] = g;
    return 0;
}

static void unlink_joiner(struct greenlet *g, struct joiner *joiner)
{
    struct joiner **link = (struct joiner **)&g->hub_data[HUB_DATA_JOINERS];

    while (*link != NULL && *link != joiner)
        link = &(*link)->next;
    if (*link != NULL)
        *link = joiner->next;
}

HUB__SWITCHES int hub_join(struct greenlet *g, int64_t deadline_ns)
{
    struct hub *hub = hub__get();
    struct joiner joiner;
    int rc;

    if (greenlet_dead(g))
        return 0;
    if (hub == NULL)
        return -ENOMEM;
    if (g == greenlet__word->current)
        return -EDEADLK;
    hub__waiter_init_inline(&joiner.waiter);
    joiner.next = g->hub_data[HUB_DATA_JOINERS];
    g->hub_data[HUB_DATA_JOINERS] = &joiner;
    rc = hub__park_cancelable(&joiner.waiter, deadline_ns);
    if (rc != 0)
        unlink_joiner(g, &joiner);
    return rc;
}

HUB__SWITCHES int hub_sleep(int64_t ns)
{
    struct hub__waiter waiter;

    if (ns <= 0) {
        hub_yield();
        return 0;
    }
    if (hub__get() == NULL)
        return -ENOMEM;
    hub__waiter_init_inline(&waiter);
    return hub__park_cancelable(&waiter, hub_now() + ns) == -ECANCELED
               ? -ECANCELED
               : 0;
}
