/* hog.c - the list of those that compute */
#include "hub/hog.h"
#include "hub/poll_impl.h"
#include "hub/schedule.h"

/* So long others may keep all of them waiting. */
#define STARVED_NS (10 * HUB_MILLISECOND)

static void push(struct hub__hogs *hogs, struct greenlet *g, bool first)
{
    g->next = first ? hogs->head : NULL;
    if (first)
        hogs->head = g;
    else if (hogs->tail != NULL)
        hogs->tail->next = g;
    else
        hogs->head = g;
    if (!first || hogs->tail == NULL)
        hogs->tail = g;
}

bool hub__hog_gives_way(struct hub *hub, bool first)
{
    struct greenlet *self = greenlet__word->current;

    hub__enter(hub);
    push(&hub->hogs, self, first && hub->hogs.last == self);
    hub->hogs.served = hub_now();
    hub__own(self)->waiter = NULL;
    greenlet__write(self->state, GREENLET_WAITING);
    hub->poll_due = true;
    hub->listens = false; /* what it finds is no news to who watches */
    greenlet__write(hub->switches, greenlet__read(hub->switches) + 1);
    hub__exit(hub);
    greenlet__resume(hub->greenlet);
    greenlet__write(self->state, GREENLET_ACTIVE);
    if (unlikely(self->arrival != 0))
        hub__run_by_other(self, NULL);
    return hub->hogs.granted;
}

void hub__hogs_take(struct hub *hub)
{
    struct hub__hogs *hogs = &hub->hogs;
    struct greenlet *g = hogs->head;

    hogs->granted = hub->ready_head != NULL;
    if (hogs->granted && hub->now - hogs->served < STARVED_NS)
        return;
    hub__enter(hub);
    hogs->head = g->next;
    if (g->next == NULL)
        hogs->tail = NULL;
    hogs->served = hub->now;
    hogs->last = g;
    hub__ready_first(hub, g);
    hub__exit(hub);
}

void hub__hogs_remove(struct hub *hub, const struct greenlet *g)
{
    struct greenlet **link = &hub->hogs.head, *before = NULL;

    while (*link != NULL && *link != g) {
        before = *link;
        link = &before->next;
    }
    if (*link == NULL)
        return;
    *link = g->next;
    if (hub->hogs.tail == g)
        hub->hogs.tail = before;
}

void hub__hogs_call(struct hub *hub, void (*runs)(struct hub *hub))
{
    hub->hogs.runs = runs;
    if (runs != NULL)
        hub->look_at = hub->switches;
}

void hub__hog_listen(struct hub *hub, bool first)
{
    const struct greenlet *head = hub->ready_head;

    hub__loop_ring(hub);
    __atomic_store_n(&hub->listens, true, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if ((head != NULL && (!first || head->next != NULL)) ||
        __atomic_load_n(&hub->remote, __ATOMIC_ACQUIRE) != NULL ||
        __atomic_load_n(&hub->remote_calls, __ATOMIC_ACQUIRE) != NULL)
        hub__rouse(hub);
}
