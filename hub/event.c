/* event.c - a flag that greenlets wait for
 *
 * Setting it takes out all who wait and puts them on the ready list.  Until the
 * last of them has run it is `noted`: who comes then, finds it set and would
 * overtake them queues right behind the last. */
#include "hub/sync_impl.h"

#include <string.h>

enum { SET = 4, NOTED = 8 };

struct event {
    uint64_t word;
    struct hub__link *links;
    struct hub__wait *last; /* of those that were woken and have not run */
    uint64_t noted;         /* how many those are, in all hubs */
};
_Static_assert(sizeof(struct event) == sizeof(struct hub_event),
               "struct hub_event has room for it");

static struct event *inside(const struct hub_event *event)
{
    return (struct event *)(uintptr_t)event;
}

static const struct hub__wait_kind waits_for_event = { "event", NULL };

static bool is_set(const void *event)
{
    return (hub__word_read(&((const struct event *)event)->word) & SET) != 0;
}

void hub_event_init(struct hub_event *event)
{
    memset(event, 0, sizeof *event);
}

int hub_event_destroy(struct hub_event *event)
{
    struct event *e = inside(event);
    struct hub__held held;
    bool used;

    if (hub__sync_lock(&held, &e->word) < 0)
        return -EBUSY;
    used = e->links != NULL || e->noted != 0;
    hub__sync_unlock(&held);
    if (!used)
        hub_event_init(event);
    return used ? -EBUSY : 0;
}

static void wake_one(struct event *e, struct hub__link *link)
{
    struct hub__wait *wait = hub__wait_of(link);

    if (link->notify != NULL) {
        link->notify(link);
        return;
    }
    if (!hub__wait_give(wait, 0))
        return;
    e->noted++;
    e->last = wait;
}

static void unlock(struct event *e, struct hub__held *held)
{
    held->value &= ~(uint64_t)NOTED;
    if (e->noted != 0)
        held->value |= NOTED;
    hub__sync_unlock_waited(held, e->links);
}

static int set_slowly(struct event *e)
{
    struct hub__held held;
    struct hub__link *link;
    int rc = hub__sync_lock(&held, &e->word);

    if (rc < 0)
        return rc;
    held.value |= SET;
    while ((link = hub__link_take(&e->links)) != NULL)
        wake_one(e, link);
    unlock(e, &held);
    return 0;
}

int hub_event_set(struct hub_event *event)
{
    struct event *e = inside(event);
    uint64_t value;

    if (event == NULL)
        return -EINVAL;
    value = hub__word_read(&e->word);
    while (!(value & (HUB__LOCKED | HUB__WAITED)))
        if ((value & SET) || hub__word_cas(&e->word, &value, value | SET))
            return 0;
    return set_slowly(e);
}

int hub_event_clear(struct hub_event *event)
{
    struct event *e = inside(event);
    struct hub__held held;
    uint64_t value;
    int rc;

    if (event == NULL)
        return -EINVAL;
    value = hub__word_read(&e->word);
    while (!(value & HUB__LOCKED))
        if (!(value & SET) ||
            hub__word_cas(&e->word, &value, value & ~(uint64_t)SET))
            return 0;
    rc = hub__sync_lock(&held, &e->word);
    if (rc < 0)
        return rc;
    held.value &= ~(uint64_t)SET;
    hub__sync_unlock(&held);
    return 0;
}

bool hub_event_is_set(const struct hub_event *event)
{
    return event != NULL && is_set(inside(event));
}

/* It has run: not noted any more. */
static void leave(struct event *e, struct hub__wait *wait)
{
    struct hub__held held;

    if (hub__sync_lock(&held, &e->word) < 0)
        return;
    if (hub__link_is_linked(&wait->link))
        hub__link_remove(&e->links, &wait->link);
    if (wait->given)
        e->noted--;
    if (e->last == wait)
        e->last = NULL;
    unlock(e, &held);
}

/* It is set.  Behind those of this hub that were woken and have not run. */
static int go_behind(struct event *e, struct hub__wait *wait)
{
    struct hub__held held;
    struct greenlet *after = NULL;
    int rc = hub__sync_lock(&held, &e->word);

    if (rc < 0)
        return rc;
    if (e->last != NULL && e->last->waiter.hub == wait->waiter.hub)
        after = e->last->waiter.greenlet;
    if (after != NULL) {
        wait->given = 1;
        e->noted++;
        e->last = wait;
    }
    unlock(e, &held);
    if (after == NULL)
        return 0;
    rc = hub__let_go_first(&wait->waiter, after);
    leave(e, wait);
    return rc;
}

static HUB__SWITCHES __attribute__((noinline)) int wait_for(struct event *e,
                                                            int64_t deadline_ns)
{
    struct hub__wait wait;
    struct hub__held held;
    int rc = hub__wait_begin(&wait, &waits_for_event, e);

    if (rc == 0)
        rc = hub__sync_lock(&held, &e->word);
    if (unlikely(rc < 0))
        return is_set(e) ? 0 : rc; /* a callback need not wait for it */
    if (held.value & SET) {
        hub__sync_unlock(&held);
        return wait.waiter.hub != NULL ? go_behind(e, &wait) : 0;
    }
    hub__link_add(&e->links, &wait.link);
    held.value |= HUB__WAITED;
    hub__sync_unlock(&held);
    rc = hub__park_cancelable_inline(&wait.waiter, deadline_ns);
    leave(e, &wait);
    return rc;
}

int hub_event_wait(struct hub_event *event, int64_t deadline_ns)
{
    struct event *e = inside(event);

    if (event == NULL)
        return -EINVAL;
    if ((hub__word_read(&e->word) & (HUB__LOCKED | SET | NOTED)) == SET)
        return 0;
    return wait_for(e, deadline_ns);
}

/* ---- as an object ---- */

HUB__IS_SHARED(event, links);
static const struct hub_object_ops ops = { &waits_for_event, is_set,
                                           hub__shared_link,
                                           hub__shared_unlink };

struct hub_object hub_event_object(struct hub_event *event)
{
    struct hub_object object = { &ops, event };

    return object;
}
