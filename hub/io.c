/* io.c - what keeps calls on fds fair: a budget, and the order of those who
 * wait */
#include "hub/io_impl.h"

/* The greenlet has made many calls without a wait: those that are ready go
 * first, and the loop looks for more of them. */
static int give_way(struct hub *hub)
{
    int rc;

    hub->look_at = hub->switches;
    hub->polled_at = INT64_MIN / 2;
    rc = hub__yield_cancelable();
    hub->io_switches = hub->switches;
    hub->io_count = 1;
    return rc;
}

int hub__io_cold(struct hub *hub)
{
    if (greenlet__word->current == hub->greenlet || hub__in_handler())
        return 0; /* who cannot wait is not asked to */
    if (hub->io_count > HUB__IO_BUDGET)
        return give_way(hub);
    return hub__own(greenlet__word->current)->pending;
}

/* In the loop itself nobody can wait: a call is always tried. */
bool hub__io_in_the_way(const struct hub *hub, const struct hub__fd *entry,
                        int events)
{
    const struct hub__fd_wait *wait;

    if (greenlet__word->current == hub->greenlet || hub__in_handler())
        return false;
    if (entry->drained & events)
        return true;
    if (entry->woken > 0 && (entry->watched & events))
        return true;
    for (wait = entry->waits; wait != NULL; wait = wait->next)
        if (wait->exclusive && (wait->events & events))
            return true;
    return false;
}
