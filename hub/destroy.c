/* destroy.c - the end of a hub: by call, and with its thread
 *
 * What the hub spawned and has not ended is killed and runs to its end, so
 * that cleanups run and nobody is left waiting on objects of other threads.
 * Cleanups may wait (in a shield), but not for ever: those who have not
 * ended after a second are left suspended, as orphans are.
 *
 * Objects know who waits for them, and a wait knows its hub; so do links.  A hub
 * that leaves any of them behind stays as memory that may be written to. */
#include "hub/schedule.h"
#include "hub/sight.h"

#include <errno.h>
#include <stdlib.h>

#define ROUNDS 100 /* of killing and letting run: each may spawn again */
#define GRACE_NS HUB_SECOND

#define FEW 16

struct roll {
    struct hub *hub;
    struct greenlet **list;
    size_t count, room;
    struct greenlet *few[FEW]; /* the list, or what there is of it without memory */
};

static bool is_unfinished(const struct hub *hub, struct greenlet *g)
{
    return greenlet__read(g->thread) == hub->os->first && g != hub->main &&
           (hub__own(g)->flags & (HUB__SPAWNED | HUB__DONE)) == HUB__SPAWNED &&
           hub_active(g);
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

/* References to all that have not ended, or, without memory, to some. */
static void call_roll(struct hub *hub, struct roll *roll)
{
    roll->hub = hub;
    roll->count = roll->room = 0;
    roll->list = NULL;
    greenlet_each(collect, roll);
    roll->room = roll->count;
    roll->count = 0;
    if (roll->room > FEW)
        roll->list = greenlet__calloc(roll->room, sizeof(struct greenlet *));
    if (roll->list == NULL) {
        roll->list = roll->few;
        roll->room = FEW;
    }
    greenlet_each(collect, roll);
    if (roll->count > roll->room)
        roll->count = roll->room;
}

/* Returns how many there were. */
static size_t kill_all(struct hub *hub, int64_t until)
{
    static const struct greenlet_exception destroyed = {
        .cls = &hub_destroyed_class, .text = "the hub is going"
    };
    struct roll roll;

    call_roll(hub, &roll);
    for (size_t i = 0; i < roll.count; i++)
        if (hub_kill_with(roll.list[i], &destroyed) < 0)
            hub_kill(roll.list[i]);
    hub__enter(hub);
    hub__take_remote(hub); /* calls of other threads: they are made, and freed */
    hub__exit(hub);
    hub_yield();
    for (size_t i = 0; i < roll.count; i++) {
        hub_join(roll.list[i], until);
        greenlet_unref(roll.list[i]);
    }
    if (roll.list != roll.few)
        free(roll.list);
    return roll.count;
}

/* On the loop's own stack, which it leaves for good. */
void hub__closed(struct hub *hub)
{
    struct greenlet *to = hub->closing;

    greenlet__leave(to);
}

static int waits(struct greenlet *g, void *hub)
{
    return greenlet__read(g->thread) == ((struct hub *)hub)->os->first &&
           greenlet__read(g->state) == GREENLET_WAITING;
}

/* Threads of a program (preload) are not looked for. */
static bool is_known_to_others(struct hub *hub)
{
    return !hub__lenient && (hub->links != 0 || hub->ready_head != NULL ||
                             greenlet_each(waits, hub) != 0);
}

/* For ever, where tools that look for lost memory find it. */
static void keep(struct hub *hub)
{
    static struct hub *kept;

    hub__all_lock();
    hub->next_hub = kept;
    kept = hub;
    hub__all_unlock();
}

static void free_hub(struct hub *hub)
{
    struct greenlet__os *os = hub->os;
    bool stays = is_known_to_others(hub);

    hub__parts_tell(hub, HUB__PART_CLOSES);
    hub__sight_close(hub);
    hub__loop_close(hub);
    os->hub = NULL;
    os->loop = NULL;
    greenlet_unref(hub->greenlet);
    if (!stays)
        hub__watch_forked(hub);
    hub__scope_of_hub_free(hub);
    hub__spawners_free(hub);
    if (hub->idents != NULL)
        hub__idents_drop(hub->idents);
    if (hub__lenient)
        hub__timers_free(hub);
    else
        hub__timers_closed(hub);
    free(hub->handlers);
    hub->handlers = NULL;
    if (hub->heir)
        hub__heir_keep(hub);
    if (stays)
        keep(hub);
    else
        free(hub);
}

static int close_hub(struct hub *hub)
{
    struct greenlet *self = greenlet__word->current;
    int64_t until = hub_deadline(GRACE_NS);
    struct hub__frame shield;
    int rc = -EBUSY;

    /* Who was killed itself waits all the same. */
    hub__frame_enter(&shield, true);
    for (int i = 0; i < ROUNDS && rc < 0 && hub_now() < until; i++) {
        bool was_ready = hub->ready_head != NULL; /* and may wait since */
        size_t killed = kill_all(hub, until);

        hub__parts_tell(hub, HUB__PART_ENDS);
        if (killed == 0 && !was_ready && hub->ready_head == NULL)
            rc = 0;
    }
    hub__frame_leave(&shield);
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
    if (hub__in_handler())
        return hub__fail(&hub_blocking_class, "a signal handler cannot wait");
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
