/* fork.c - the child of a fork(): by which rule, and what the parts of a hub do
 *
 * Signals are blocked over a fork: one that is sent to the child at once finds it
 * with a loop of its own, and what its handler leaves there is not forgotten.
 * The preload library has handlers of its own, and calls hub__forked() itself. */
#include "hub/config_impl.h"
#include "hub/fork.h"
#include "hub/schedule.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static __thread sigset_t mask_before;

/* The rule is the option, whose words stand in the order of the enum. */
int hub_set_fork_rule(int wanted)
{
    int before;

    if (wanted != HUB_FORK_ALONE && wanted != HUB_FORK_ALL)
        return -EINVAL;
    before = (int)hub__option(HUB_OPTION_FORK);
    hub_config_set_number(HUB_OPTION_FORK, wanted);
    return before;
}

bool hub__fork_keeps(void)
{
    return hub__option(HUB_OPTION_FORK) == HUB_FORK_ALL;
}

/* ---- parts ---- */

void hub__part_add(struct hub *hub, struct hub__part *part)
{
    part->next = hub->parts;
    hub->parts = part;
}

void hub__part_remove(struct hub *hub, struct hub__part *part)
{
    struct hub__part **at = &hub->parts;

    while (*at != part)
        at = &(*at)->next;
    *at = part->next;
}

/* One that is told may take itself out. */
void hub__parts_tell(struct hub *hub, enum hub__part_event event)
{
    struct hub__part *part, *next;

    for (part = hub->parts; part != NULL; part = next) {
        next = part->next;
        part->tell(part, hub, event);
    }
}

/* ---- the others ---- */

static bool is_other(const struct hub *hub, const struct greenlet *g)
{
    return g != greenlet__word->current && g != hub->greenlet &&
           greenlet__read(g->thread) == hub->os->first;
}

/* It never runs again; whoever asks sees one that was killed.  Nothing wakes it. */
static int is_gone(struct greenlet *g, void *data)
{
    const struct hub *hub = data;
    struct hub__own *own = hub__own(g);

    if (!is_other(hub, g))
        return 0;
    if (own->waiter != NULL)
        own->waiter->state = WAITER_CLOSED;
    own->waiter = NULL;
    own->pending = 0;
    if (greenlet__read(g->state) == GREENLET_WAITING)
        greenlet__write(g->state, GREENLET_ACTIVE); /* in no list of the hub */
    if ((own->flags & (HUB__SPAWNED | HUB__DONE)) == HUB__SPAWNED) {
        own->flags |= HUB__DONE;
        own->rc = -ECANCELED;
        *hub__result(g) = NULL;
    }
    return 0;
}

static bool counts_here(const struct hub__link *link)
{
    return link->notify == hub__task_ended ||
           link->notify == hub__member_ended ||
           link->notify == hub__job_ended ||
           link->notify == hub__feeder_ended ||
           link->notify == hub__collector_told;
}

/* Those who wait for its end are gone, but it may be a task of a scope, or a member
 * of a group, that the caller waits for. */
static int tell_its_end(struct greenlet *g, void *data)
{
    struct hub__own *own = hub__own(g);
    struct hub__link *links = own->links, *link;

    if (!is_other(data, g) || links == NULL)
        return 0;
    own->links = NULL;
    greenlet_ref(g);
    while ((link = hub__link_take(&links)) != NULL)
        if (counts_here(link))
            link->notify(link);
    greenlet_unref(g);
    return 0;
}

void hub__others_are_gone(struct hub *hub)
{
    struct greenlet *self = greenlet__word->current;

    greenlet_each(is_gone, hub);
    greenlet_each(tell_its_end, hub);
    hub__own(self)->links = NULL; /* who joins it is gone */
    if (self == hub->greenlet || self == hub->main)
        return;
    hub->main = greenlet_ref(self);
    hub->heir = true;
}

/* The hub of an heir goes: he is the main one of the next, too. */
static struct greenlet__os *os_of_heir;
static struct greenlet *heir; /* counted */

void hub__heir_keep(struct hub *hub)
{
    os_of_heir = hub->os;
    heir = hub->main;
}

void hub__heir_take(struct hub *hub)
{
    if (heir == NULL || hub->os != os_of_heir)
        return;
    hub->main = heir;
    hub->heir = true;
    heir = NULL;
}

/* ---- handlers of fork() ---- */

static void tell(enum hub__part_event event)
{
    struct hub *hub = hub__peek();

    if (hub != NULL)
        hub__parts_tell(hub, event);
}

static void before(void)
{
    sigset_t all;

    if (!hub__lenient) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &mask_before);
    }
    hub__fork_keeps(); /* read, so that the child needs no lock for it */
    tell(HUB__PART_BEFORE_FORK);
    hub__offload_before_fork();
    hub__signals_before_fork();
    hub__children_before_fork();
}

static void in_parent(void)
{
    hub__children_after_fork();
    hub__signals_after_fork();
    hub__offload_after_fork();
    tell(HUB__PART_AFTER_FORK);
    if (!hub__lenient)
        pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
}

static void in_child(void)
{
    if (hub__lenient)
        return;
    hub__forked(NULL, getpid());
    pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
}

void hub__fork_start(void)
{
    if (pthread_atfork(before, in_parent, in_child) != 0)
        abort(); /* no memory for a few words, before anything began */
}
