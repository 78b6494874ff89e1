/* hog.c - the list of those that compute */
#include "hub/hog.h"
#include "hub/poll_impl.h"
#include "hub/schedule.h"

/* So long others may keep all of them waiting. */
#define STARVED_NS (10 * HUB_MILLISECOND)
/* So many wait for what one of them has, it seems, with so few switches from one to
 * the next; and so often in that time it is called back. */
enum { STUCK = 2, STUCK_WITHIN = 2, RECALLS = 4 };
#define RECALLS_NS (10 * HUB_MILLISECOND)

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
    hub->hogs.away = self;
    hub->hogs.stuck = 0;
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

static void take_out(struct hub__hogs *hogs, const struct greenlet *g)
{
    struct greenlet **link = &hogs->head, *before = NULL;

    while (*link != NULL && *link != g) {
        before = *link;
        link = &before->next;
    }
    if (*link == NULL)
        return;
    *link = g->next;
    if (hogs->tail == g)
        hogs->tail = before;
}

void hub__hogs_remove(struct hub *hub, const struct greenlet *g)
{
    if (hub->hogs.away == g)
        hub->hogs.away = NULL;
    take_out(&hub->hogs, g);
}

/* Next of all. */
static void go_on(struct hub *hub, struct greenlet *g)
{
    struct hub__hogs *hogs = &hub->hogs;

    hub__hogs_remove(hub, g);
    hogs->served = hub->now;
    hogs->last = g;
    hub__ready_first(hub, g);
}

void hub__hogs_take(struct hub *hub)
{
    struct hub__hogs *hogs = &hub->hogs;

    hogs->granted = hub->ready_head != NULL;
    if (hogs->granted && hub->now - hogs->served < STARVED_NS)
        return;
    hub__enter(hub);
    go_on(hub, hogs->head);
    hub__exit(hub);
}

static bool may_recall(struct hub *hub)
{
    struct hub__hogs *hogs = &hub->hogs;

    if (hogs->away == NULL || hub->ready_head == NULL)
        return false;
    if (hub->now - hogs->recalls_since > RECALLS_NS) {
        hogs->recalls_since = hub->now;
        hogs->recalls = 0;
    }
    return hogs->recalls++ < RECALLS;
}

void hub__hogs_met(struct hub *hub, const uint32_t *word, bool again)
{
    struct hub__hogs *hogs = &hub->hogs;
    uint64_t switches = greenlet__read(hub->switches);

    if (hogs->woken_on == word && hogs->woken_at == switches)
        return;
    if (again || hogs->word != word || switches - hogs->stuck_at > STUCK_WITHIN)
        hogs->stuck = 0;
    hogs->word = word;
    hogs->stuck_at = switches;
    if (again || ++hogs->stuck < STUCK || !may_recall(hub))
        return;
    hogs->granted = true;
    go_on(hub, hogs->away);
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
