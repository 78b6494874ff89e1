/* permits.c - a count of places, for pools */
#include "hub/permits.h"

#include "hub/schedule.h"

struct hub__permit_wait {
    struct hub__waiter waiter;
    struct hub__permit_wait *next, **back; /* back NULL: not linked */
    bool takes; /* else it only wants to know */
    bool given;
};

void hub__permits_init(struct hub__permits *permits, size_t free,
                       const struct hub__wait_kind *kind, const void *object)
{
    permits->free = free;
    permits->first = NULL;
    permits->last = &permits->first;
    permits->kind = kind;
    permits->object = object;
}

static void unlink_wait(struct hub__permits *permits,
                        struct hub__permit_wait *wait)
{
    *wait->back = wait->next;
    if (wait->next != NULL)
        wait->next->back = wait->back;
    else
        permits->last = wait->back;
    wait->back = NULL;
}

static void hand_over(struct hub__permits *permits)
{
    struct hub__permit_wait *wait;

    while (permits->free > 0 && (wait = permits->first) != NULL) {
        unlink_wait(permits, wait);
        if (hub__wake(&wait->waiter, 0) && wait->takes) {
            wait->given = true;
            permits->free--;
        }
    }
}

void hub__permits_give(struct hub__permits *permits)
{
    permits->free++;
    hand_over(permits);
}

bool hub__permits_try(struct hub__permits *permits)
{
    if (permits->free == 0 || permits->first != NULL)
        return false;
    permits->free--;
    return true;
}

static int wait_for(struct hub__permits *permits, bool takes,
                    int64_t deadline_ns)
{
    struct hub__permit_wait wait = { .takes = takes };
    int rc = hub__waiter_begin(&wait.waiter, permits->kind, permits->object);

    if (rc < 0)
        return rc;
    wait.back = permits->last;
    *permits->last = &wait;
    permits->last = &wait.next;
    rc = hub__park_cancelable(&wait.waiter, deadline_ns);
    if (wait.back != NULL)
        unlink_wait(permits, &wait);
    if (rc < 0 && wait.given)
        hub__permits_give(permits);
    return rc;
}

int hub__permits_take(struct hub__permits *permits, int64_t deadline_ns)
{
    return hub__permits_try(permits) ? 0 : wait_for(permits, true, deadline_ns);
}

int hub__permits_wait(struct hub__permits *permits, int64_t deadline_ns)
{
    return permits->free > 0 ? 0 : wait_for(permits, false, deadline_ns);
}
