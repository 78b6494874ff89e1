/* idle.c - those who wait until nothing else is left to do */
#include "hub/schedule.h"

#define HIGHEST 2

static const struct hub__wait_kind waits_for_idle = { "an idle loop", NULL };

void hub__idler_unlink(struct hub *hub, struct hub__idler *idler)
{
    struct hub__idler **link = &hub->idlers;

    while (*link != NULL && *link != idler)
        link = &(*link)->next;
    if (*link != NULL)
        *link = idler->next;
}

/* The oldest last: they are woken in order. */
void hub__idler_link(struct hub *hub, struct hub__idler *idler)
{
    struct hub__idler **link = &hub->idlers;

    while (*link != NULL && (*link)->priority >= idler->priority)
        link = &(*link)->next;
    idler->next = *link;
    *link = idler;
}

/* All of the highest priority that somebody waits at. */
bool hub__idle_wake(struct hub *hub)
{
    int priority = hub->idlers != NULL ? hub->idlers->priority : 0;
    bool woken = hub->idlers != NULL;

    while (hub->idlers != NULL && hub->idlers->priority == priority) {
        struct hub__idler *idler = hub->idlers;

        hub->idlers = idler->next;
        if (idler->waiter != NULL)
            hub__wake(idler->waiter, 0);
        else
            idler->notify(idler);
    }
    return woken;
}

int hub__idle_priority(int priority)
{
    if (priority > HIGHEST)
        return HIGHEST;
    return priority < -HIGHEST ? -HIGHEST : priority;
}

int hub_idle(int priority)
{
    struct hub__waiter waiter;
    struct hub__idler idler = { NULL, &waiter, NULL,
                                hub__idle_priority(priority) };
    struct hub *hub = hub__get();
    int rc;

    rc = hub__waiter_begin(&waiter, &waits_for_idle, hub);
    if (rc < 0)
        return rc;
    hub__idler_link(hub, &idler);
    rc = hub__park_cancelable(&waiter, HUB_FOREVER);
    if (rc != 0)
        hub__idler_unlink(hub, &idler);
    return rc;
}
