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

static bool cannot_wait(const struct hub *hub)
{
    return greenlet__word->current == hub->greenlet || hub__in_handler();
}

/* One of those who go first may close fd. */
int hub__io_cold(struct hub *hub, int fd)
{
    const struct hub__fd *entry = hub__fd_peek(hub, fd);
    uint16_t closed = entry != NULL ? entry->closed : 0;
    int rc;

    if (cannot_wait(hub))
        return 0; /* who cannot wait is not asked to */
    if (hub->io_count <= HUB__IO_BUDGET) {
        rc = hub__own(greenlet__word->current)->pending;
        hub__killed_by(greenlet__word->current, rc);
        return rc;
    }
    rc = give_way(hub);
    entry = hub__fd_peek(hub, fd);
    return rc == 0 && entry != NULL && entry->closed != closed ? -EBADF : rc;
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
