/* greenlink.c - functions that are called when a greenlet has ended
 *
 * Each lies on the list of the greenlet among those who join it, and when its
 * turn comes on the ready list of the hub: so all go in the order in which they
 * were linked.  Never at once: who links has always gone on first. */
#include "context/testhook.h"
#include "hub/schedule.h"

#include <errno.h>
#include <stdlib.h>

struct hub__glink {
    struct hub__link link;     /* on g's list, until the end */
    struct hub_callback call;  /* on the ready list, afterwards */
    struct hub__glink *next, **back; /* all of g, the oldest first */
    struct greenlet *g;        /* counted once it is queued */
    hub_ended_function *function;
    void *arg;
    enum hub_link_kind kind;
    bool queued;
};

static void append(struct hub__more *more, struct hub__glink *glink)
{
    struct hub__glink **at = &more->glinks;

    while (*at != NULL)
        at = &(*at)->next;
    glink->next = NULL;
    glink->back = at;
    *at = glink;
}

static void take_out(struct hub__glink *glink)
{
    *glink->back = glink->next;
    if (glink->next != NULL)
        glink->next->back = glink->back;
}

/* On whatever stack g ended; it must live until the call. */
static void queue(struct hub__link *link)
{
    struct hub__glink *glink = container_of(link, struct hub__glink, link);

    glink->call.hub = hub__get(); /* not that of then, which may have gone */
    if (glink->call.hub == NULL) {
        take_out(glink);
        free(glink);
        return;
    }
    greenlet_ref(glink->g);
    glink->queued = true;
    hub__callback_push(&glink->call);
}

static int call_function(void *arg, void **unused)
{
    struct hub__glink *glink = arg;
    int rc = glink->function(glink->g, glink->arg);

    (void)unused;
    greenlet_unref(glink->g);
    free(glink);
    return rc < 0 ? rc : 0;
}

static void report(struct hub *hub, int rc)
{
    struct greenlet_exception record;

    greenlet__take_raised(greenlet__word->current, rc, &record);
    hub__handle_error(hub, NULL, &record);
    greenlet_exception_clear(&record);
}

static bool is_wanted(const struct hub__glink *glink)
{
    return (glink->kind != HUB_LINK_VALUE || hub_successful(glink->g)) &&
           (glink->kind != HUB_LINK_EXCEPTION || !hub_successful(glink->g));
}

/* In the loop. */
static void call(void *arg)
{
    struct hub__glink *glink = arg;
    struct hub *hub = glink->call.hub;
    int rc = 0;

    take_out(glink);
    if (!is_wanted(glink)) {
        greenlet_unref(glink->g);
        free(glink);
        return;
    }
    if (glink->kind == HUB_LINK_RAW) {
        rc = call_function(glink, NULL);
    } else if (hub__run_at_once(hub, call_function, glink) < 0) {
        greenlet_unref(glink->g);
        free(glink);
        rc = -ENOMEM;
    }
    if (rc < 0)
        report(hub, rc);
}

int hub_link(struct greenlet *g, enum hub_link_kind kind,
             hub_ended_function *function, void *arg)
{
    struct hub *hub = hub__get();
    struct hub__glink *glink;
    struct hub__more *more;
    int rc = hub__check_owner(g);

    if (rc < 0)
        return rc;
    if (function == NULL || (unsigned)kind > HUB_LINK_EXCEPTION)
        return -EINVAL;
    more = hub__more(g);
    if (hub == NULL || more == NULL)
        return -ENOMEM;
    glink = greenlet__malloc(sizeof *glink);
    if (glink == NULL)
        return -ENOMEM;
    *glink = (struct hub__glink){ .link.notify = queue,
                                  .g = g,
                                  .function = function,
                                  .arg = arg,
                                  .kind = kind };
    hub__callback_init(&glink->call, hub, call, glink);
    append(more, glink);
    if (hub_ready(g))
        queue(&glink->link);
    else
        hub__end_link(g, &glink->link);
    return 0;
}

static void drop(struct hub__glink *glink)
{
    struct greenlet *g = glink->g;
    bool queued = glink->queued;

    if (queued)
        hub__unready(glink->call.hub,
                     (struct greenlet *)(void *)&glink->call);
    else
        hub__end_unlink(g, &glink->link);
    take_out(glink);
    free(glink);
    if (queued)
        greenlet_unref(g);
}

int hub_link_remove(struct greenlet *g, hub_ended_function *function, void *arg)
{
    struct hub__glink *glink;
    int rc = hub__check_owner(g);

    if (rc < 0)
        return rc;
    glink = hub__own(g)->more != NULL ? hub__own(g)->more->glinks : NULL;
    while (glink != NULL && (glink->function != function || glink->arg != arg))
        glink = glink->next;
    if (glink == NULL)
        return -ENOENT;
    drop(glink);
    return 0;
}

int hub_link_remove_all(struct greenlet *g)
{
    struct hub__more *more;
    int rc = hub__check_owner(g), count = 0;

    if (rc < 0)
        return rc;
    greenlet_ref(g);
    more = hub__own(g)->more;
    while (more != NULL && more->glinks != NULL) {
        drop(more->glinks);
        count++;
    }
    greenlet_unref(g);
    return count;
}

/* g is freed, and has not ended: nobody is told. */
void hub__glinks_free(struct hub__more *more)
{
    struct hub__glink *glink, *next;

    for (glink = more->glinks; glink != NULL; glink = next) {
        next = glink->next;
        free(glink);
    }
    more->glinks = NULL;
}
