/* destroy.c - the end of a hub: by call, and with its thread
 *
 * What the hub spawned and has not ended is killed and runs to its end, so that
 * cleanups run and nobody is left waiting on objects of other threads.  Those
 * who refuse are left suspended, as orphans are. */
#include "hub/schedule.h"

#include <errno.h>
#include <stdlib.h>

#define ROUNDS 100 /* of killing and letting run: each may spawn again */

struct roll {
    struct hub *hub;
    struct greenlet **list;
    size_t count, room;
};

static bool is_unfinished(const struct hub *hub, struct greenlet *g)
{
    return greenlet__read(g->thread) == hub->os->first &&
           (hub__own(g)->flags & (HUB__SPAWNED | HUB__DONE)) == HUB__SPAWNED &&
           greenlet__is_active(g);
}

static int collect(struct greenlet *g, void *data)
{
    struct roll *roll = data;

    if (!is_unfinished(roll->hub, g))
        return 0;
    if (roll->count < roll->room)
        roll->list[roll->count] = greenlet_ref(g);
    roll->count++;
    return 0;
}

/* References to all that have not ended; NULL: none, or no memory. */
static void call_roll(struct hub *hub, struct roll *roll)
{
    *roll = (struct roll){ .hub = hub };
    greenlet_each(collect, roll);
    if (roll->count == 0)
        return;
    roll->room = roll->count;
    roll->count = 0;
    roll->list = calloc(roll->room, sizeof(struct greenlet *));
    if (roll->list == NULL)
        roll->room = 0;
    greenlet_each(collect, roll);
    if (roll->count > roll->room)
        roll->count = roll->room;
}

/* Returns how many there were. */
static size_t kill_all(struct hub *hub)
{
    static const struct greenlet_exception destroyed = {
        .cls = &hub_destroyed_class, .text = "the hub is going"
    };
    struct roll roll;
    size_t count;

    call_roll(hub, &roll);
    count = roll.room;
    for (size_t i = 0; i < roll.count; i++)
        if (hub_kill_with(roll.list[i], &destroyed) < 0)
            hub_kill(roll.list[i]);
    hub_yield();
    for (size_t i = 0; i < roll.count; i++)
        greenlet_unref(roll.list[i]);
    free(roll.list);
    return count;
}

/* On the loop's own stack, which it leaves for good. */
void hub__closed(struct hub *hub)
{
    struct greenlet *to = hub->closing;

    greenlet__leave(to);
}

static void free_hub(struct hub *hub)
{
    struct greenlet__os *os = hub->os;

    hub__loop_close(hub);
    os->hub = NULL;
    os->loop = NULL;
    greenlet_unref(hub->greenlet);
    hub__watch_forked(hub);
    hub__timers_free(hub);
    free(hub->handlers);
    free(hub);
}

static int close_hub(struct hub *hub)
{
    struct greenlet *self = greenlet__word->current;
    int rc = 0;

    for (int i = 0; i < ROUNDS && kill_all(hub) > 0; i++)
        ;
    if (kill_all(hub) > 0)
        rc = -EBUSY;
    hub->closing = self;
    greenlet__resume(hub->greenlet); /* leaves its stack, and comes back */
    free_hub(hub);
    return rc;
}

int hub_destroy(void)
{
    struct hub *hub = hub__peek();

    if (hub == NULL)
        return 0;
    if (greenlet__word->current != hub->main)
        return -EPERM;
    return close_hub(hub);
}

void hub__thread_ends(struct greenlet__os *os)
{
    struct hub *hub = os->hub;

    if (hub != NULL && greenlet__word->current == hub->main)
        close_hub(hub);
}
