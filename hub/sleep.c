/* sleep.c - waits for a time */
#include "hub/schedule.h"

#include <errno.h>

static const struct hub__wait_kind sleeps = { "a time to come", NULL };

/* Not by -ETIMEDOUT: that is the end of a scope around it. */
static void sleep_is_over(struct hub *hub, struct hub__timer *timer)
{
    (void)hub;
    hub__wake(container_of(timer, struct hub__waiter, timer), 0);
}

static int sleep_until(int64_t deadline_ns, bool unreferenced)
{
    struct hub__waiter waiter;
    int rc;

    rc = hub__waiter_begin_inline(&waiter, &sleeps, NULL);
    if (rc < 0)
        return rc;
    waiter.timer.early = 1;
    waiter.timer.unreferenced = unreferenced;
    waiter.timer.fire = sleep_is_over;
    rc = hub__park_cancelable_inline(&waiter, deadline_ns);
    return rc == -ETIMEDOUT && waiter.greenlet == NULL ? 0 : rc;
}

int hub_sleep_until(int64_t deadline_ns)
{
    return sleep_until(deadline_ns, false);
}

int hub_sleep_unreferenced(int64_t ns)
{
    return sleep_until(hub_deadline(ns), true);
}

int hub_sleep(int64_t ns)
{
    return ns > 0 ? sleep_until(hub_deadline(ns), false)
                  : hub__yield_cancelable();
}
