/* condition.c - to wait for what others do under a lock
 *
 * A notified wait goes on to wait for the lock, in the order in which they were
 * notified.  What is thrown at it then is kept until it owns the lock. */
#include "hub/sync_impl.h"

#include <limits.h>
#include <string.h>

struct condition {
    uint64_t word;
    struct hub__link *links;
    struct hub_rlock *lock;
};
_Static_assert(sizeof(struct condition) <= sizeof(struct hub_condition),
               "struct hub_condition has room for it");

static struct condition *inside(const struct hub_condition *condition)
{
    return (struct condition *)(uintptr_t)condition;
}

static const struct hub__wait_kind waits_for_condition = { "condition", NULL };

int hub_condition_init(struct hub_condition *condition, struct hub_rlock *lock)
{
    if (condition == NULL || lock == NULL)
        return -EINVAL;
    memset(condition, 0, sizeof *condition);
    inside(condition)->lock = lock;
    return 0;
}

int hub_condition_destroy(struct hub_condition *condition)
{
    struct condition *c = inside(condition);

    if (hub__sync_waited(&c->word, &c->links))
        return -EBUSY;
    memset(condition, 0, sizeof *condition);
    return 0;
}

/* Under the lock of the condition's word.  Returns how many. */
static int wake(struct condition *c, int n)
{
    struct hub__link *link;
    int woken = 0;

    while (woken < n && (link = hub__link_take(&c->links)) != NULL)
        woken += hub__wait_give(hub__wait_of(link), 0);
    return woken;
}

static int notify(struct condition *c, int n)
{
    struct hub__held held;
    int rc = hub__sync_lock(&held, &c->word);

    if (rc < 0)
        return rc;
    rc = wake(c, n);
    hub__sync_unlock(&held);
    return rc;
}

int hub_condition_notify(struct hub_condition *condition, int n)
{
    struct condition *c = inside(condition);

    if (condition == NULL || c->lock == NULL || n < 0)
        return -EINVAL;
    return hub_rlock_owned(c->lock) > 0 ? notify(c, n) : -EPERM;
}

int hub_condition_notify_all(struct hub_condition *condition)
{
    return hub_condition_notify(condition, INT_MAX);
}

/* ---- wait ---- */

/* Returns how its wait for the lock was disturbed, 0: not.  It owns it then,
 * but for -EDEADLK when the loop ran dry. */
static int take_back(struct condition *c, int count)
{
    int rc = 0, again;

    while ((again = hub__rlock_return(c->lock, count)) != 0) {
        const struct greenlet_exception *why = greenlet_caught_peek();

        rc = again;
        if (rc == -EDEADLK && why != NULL &&
            greenlet_class_is(why->cls, &hub_loop_exit_class))
            break;
    }
    return rc;
}

/* Out of the list.  True: it was notified. */
static bool leave(struct condition *c, struct hub__wait *wait)
{
    struct hub__held held;
    bool notified;

    if (hub__sync_lock(&held, &c->word) < 0)
        return false;
    if (hub__link_is_linked(&wait->link))
        hub__link_remove(&c->links, &wait->link);
    notified = wait->given != 0;
    hub__sync_unlock(&held);
    return notified;
}

static int enter(struct condition *c, struct hub__wait *wait)
{
    struct hub__held held;
    int rc = hub__wait_begin(wait, &waits_for_condition, c);

    if (rc == 0)
        rc = hub__sync_lock(&held, &c->word);
    if (rc < 0)
        return rc;
    hub__link_add(&c->links, &wait->link);
    hub__sync_unlock(&held);
    return 0;
}

int hub_condition_wait(struct hub_condition *condition, int64_t deadline_ns)
{
    struct condition *c = inside(condition);
    struct hub__wait wait;
    bool notified;
    int rc, count, disturbed;

    if (condition == NULL || c->lock == NULL)
        return -EINVAL;
    if (hub_rlock_owned(c->lock) == 0)
        return -EPERM;
    rc = enter(c, &wait);
    if (rc < 0)
        return rc;
    rc = hub__rlock_leave(c->lock, &count);
    if (rc < 0) {
        leave(c, &wait);
        return rc;
    }
    rc = hub__park_cancelable(&wait.waiter, deadline_ns);
    notified = leave(c, &wait);
    disturbed = take_back(c, count);
    if (disturbed != 0)
        rc = disturbed;
    if (rc != 0 && notified)
        notify(c, 1);
    return rc;
}

int hub_condition_wait_for(struct hub_condition *condition,
                           bool (*holds)(void *arg), void *arg,
                           int64_t deadline_ns)
{
    struct condition *c = inside(condition);
    int rc = 0;

    if (condition == NULL || c->lock == NULL || holds == NULL)
        return -EINVAL;
    if (hub_rlock_owned(c->lock) == 0)
        return -EPERM;
    while (!holds(arg)) {
        if (rc != 0)
            return rc;
        rc = hub_condition_wait(condition, deadline_ns);
        if (rc == -EDEADLK && hub_rlock_owned(c->lock) == 0)
            return rc;
    }
    return rc == 0 || rc == -ETIMEDOUT ? 0 : rc;
}
