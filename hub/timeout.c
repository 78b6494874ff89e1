/* timeout.c - deadlines on any block of code */
#include "hub/schedule.h"

#include <errno.h>

struct timeout {
    struct hub__frame frame; /* first: a timeout is a scope */
    struct hub__timer timer;
    struct hub *hub;
    uint8_t state;
};
enum { IDLE, RUNNING, FIRED, CANCELED };
_Static_assert(sizeof(struct timeout) <= sizeof(struct hub_timeout),
               "struct hub_timeout has room for it");
_Static_assert(sizeof(struct hub__frame) <= sizeof(struct hub_shield),
               "struct hub_shield has room for it");

static struct timeout *inside(struct hub_timeout *timeout)
{
    return (struct timeout *)(void *)timeout->private_;
}

static void fire(struct hub *hub, struct hub__timer *timer)
{
    struct timeout *t = container_of(timer, struct timeout, timer);

    (void)hub;
    t->state = FIRED;
    hub__frame_end(&t->frame, -ETIMEDOUT);
}

bool hub__timer_is_timeout_of(const struct hub__timer *timer,
                              const struct greenlet *g)
{
    return timer->fire == fire &&
           container_of(timer, const struct timeout, timer)->frame.greenlet == g;
}

static int arm(struct timeout *t, int64_t deadline_ns)
{
    int rc = 0;

    if (deadline_ns == HUB_FOREVER)
        return 0;
    t->hub = hub__get(); /* the one that it was begun in may have gone */
    if (t->hub == NULL)
        return -ENOMEM;
    hub__enter(t->hub);
    rc = hub__timer_add(t->hub, &t->timer, deadline_ns);
    hub__exit(t->hub);
    return rc;
}

static void disarm(struct timeout *t)
{
    if (t->timer.slot != HUB__NO_INDEX)
        hub__timer_remove(t->hub, &t->timer);
}

int hub_timeout_begin(struct hub_timeout *timeout, int64_t deadline_ns)
{
    struct timeout *t = inside(timeout);
    int rc;

    t->hub = hub__get();
    if (t->hub == NULL)
        return -ENOMEM;
    t->state = RUNNING;
    hub__timer_init(&t->timer, fire);
    rc = arm(t, deadline_ns);
    if (rc < 0)
        return rc;
    hub__frame_enter(&t->frame, false);
    t->frame.kind = HUB__FRAME_TIMEOUT;
    return 0;
}

int hub_timeout_reset(struct hub_timeout *timeout, int64_t deadline_ns)
{
    struct timeout *t = inside(timeout);

    if (t->state == FIRED)
        return -ETIMEDOUT;
    disarm(t);
    t->state = RUNNING;
    return arm(t, deadline_ns);
}

void hub_timeout_cancel(struct hub_timeout *timeout)
{
    struct timeout *t = inside(timeout);

    disarm(t);
    if (t->state == RUNNING)
        t->state = CANCELED;
}

int hub_timeout_end(struct hub_timeout *timeout)
{
    struct timeout *t = inside(timeout);

    disarm(t);
    hub__frame_leave(&t->frame);
    return t->state == FIRED ? -ETIMEDOUT : 0;
}

bool hub_timeout_fired(const struct hub_timeout *timeout)
{
    return ((const struct timeout *)(const void *)timeout->private_)->state ==
           FIRED;
}

bool hub_timeout_pending(const struct hub_timeout *timeout)
{
    return ((const struct timeout *)(const void *)timeout->private_)
               ->timer.slot != HUB__NO_INDEX;
}

int hub_with_timeout(int64_t deadline_ns, greenlet_run *run, void *arg,
                     void **result)
{
    struct hub_timeout timeout;
    void *value = NULL;
    int rc = hub_timeout_begin(&timeout, deadline_ns);

    if (rc < 0)
        return rc;
    rc = run(arg, &value);
    hub_timeout_end(&timeout);
    if (rc == 0 && result != NULL)
        *result = value;
    return rc;
}
