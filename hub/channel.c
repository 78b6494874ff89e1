/* channel.c - a queue of capacity 0: items go from hand to hand
 *
 * A wait to put holds its item; who takes it wakes the putter, which has then
 * succeeded whatever else happens to it. */
#include "hub/queue.h"
#include "hub/sync_impl.h"

#include <string.h>

enum { SHUT = 4, OFFERED = 8 }; /* OFFERED: somebody waits to put */

struct channel {
    uint64_t word;
    struct hub__link *getters, *putters;
};
_Static_assert(sizeof(struct channel) <= sizeof(struct hub_channel),
               "struct hub_channel has room for it");

static struct channel *inside(const struct hub_channel *channel)
{
    return (struct channel *)(uintptr_t)channel;
}

static const struct hub__wait_kind waits_to_get = { "an item of channel",
                                                    NULL };
static const struct hub__wait_kind waits_to_put = { "a taker at channel",
                                                    NULL };

void hub_channel_init(struct hub_channel *channel)
{
    memset(channel, 0, sizeof *channel);
}

int hub_channel_destroy(struct hub_channel *channel)
{
    struct channel *c = inside(channel);

    if (hub__sync_waited(&c->word, &c->getters) ||
        hub__sync_waited(&c->word, &c->putters))
        return -EBUSY;
    hub_channel_init(channel);
    return 0;
}

/* ---- under the lock ---- */

static void unlock(const struct channel *c, struct hub__held *held)
{
    held->value &= ~(uint64_t)OFFERED;
    if (c->putters != NULL)
        held->value |= OFFERED;
    hub__sync_unlock(held);
}

/* The oldest wait, taken out; links of others stay. */
static struct hub__wait *take_wait(struct hub__link **list)
{
    struct hub__link *newest = *list, *link;

    for (link = newest; link != NULL;) {
        link = link->next; /* the first is the oldest */
        if (link->notify == NULL) {
            hub__link_remove(list, link);
            return hub__wait_of(link);
        }
        if (link == newest)
            break;
    }
    return NULL;
}

/* To the oldest who waits for one: 0, with the getter in *to if it is of this
 * hub; or -EAGAIN. */
static int offer(struct channel *c, void *item, struct greenlet **to)
{
    struct hub__wait *wait;

    while ((wait = take_wait(&c->getters)) != NULL) {
        struct greenlet *getter = wait->waiter.greenlet;
        bool mine = wait->waiter.hub != NULL && wait->waiter.hub == hub__peek();

        wait->item = item;
        if (!hub__wait_give(wait, 0))
            continue;
        *to = mine ? getter : NULL;
        return 0;
    }
    return -EAGAIN;
}

/* From the oldest who waits to put one: 0 or -EAGAIN. */
static int take(struct channel *c, void **item)
{
    struct hub__link *link;

    while ((link = hub__link_take(&c->putters)) != NULL) {
        void *offered = hub__wait_of(link)->item;

        if (!hub__wait_give(hub__wait_of(link), 0))
            continue;
        *item = offered;
        return 0;
    }
    return -EAGAIN;
}

/* ---- put ---- */

static int try_put(struct channel *c, void *item, struct greenlet **to)
{
    struct hub__held held;
    int rc = hub__sync_lock(&held, &c->word);

    if (rc < 0)
        return rc;
    rc = held.value & SHUT ? -ESHUTDOWN : offer(c, item, to);
    unlock(c, &held);
    return rc;
}

int hub_channel_try_put(struct hub_channel *channel, void *item)
{
    struct greenlet *to = NULL;

    return channel != NULL ? try_put(inside(channel), item, &to) : -EINVAL;
}

/* The getter runs first, as in a rendezvous. */
static void meet(struct greenlet *to)
{
    const struct hub *hub = hub__peek();
    struct hub__waiter self;

    if (to == NULL || greenlet__word->current == hub->greenlet ||
        hub__in_handler())
        return;
    hub__waiter_init(&self);
    if (hub__let_go_first(&self, to) != 0)
        hub__throw_later();
}

/* Out of the list.  True: the item was taken. */
static bool leave(struct channel *c, struct hub__link **list,
                  struct hub__wait *wait)
{
    struct hub__held held;
    bool taken;

    if (hub__sync_lock(&held, &c->word) < 0)
        return false;
    if (hub__link_is_linked(&wait->link))
        hub__link_remove(list, &wait->link);
    taken = wait->given != 0;
    unlock(c, &held);
    return taken;
}

static int put_slowly(struct channel *c, void *item, int64_t deadline_ns)
{
    struct hub__wait wait;
    struct hub__held held;
    struct greenlet *to = NULL;
    int rc = hub__wait_begin(&wait, &waits_to_put, c);

    if (rc == 0)
        rc = hub__sync_lock(&held, &c->word);
    if (rc < 0)
        return rc;
    rc = held.value & SHUT ? -ESHUTDOWN : offer(c, item, &to);
    if (rc != -EAGAIN) {
        unlock(c, &held);
        if (rc == 0)
            meet(to);
        return rc;
    }
    wait.item = item;
    hub__link_add(&c->putters, &wait.link);
    hub__sync_wake_all(&c->getters, 0); /* links of others */
    unlock(c, &held);
    rc = hub__park_cancelable(&wait.waiter, deadline_ns);
    if (leave(c, &c->putters, &wait) && rc != 0) {
        hub__throw_later();
        rc = 0;
    }
    return rc;
}

int hub_channel_put(struct hub_channel *channel, void *item,
                    int64_t deadline_ns)
{
    struct greenlet *to = NULL;
    int rc;

    if (channel == NULL)
        return -EINVAL;
    rc = try_put(inside(channel), item, &to);
    if (rc == 0)
        meet(to);
    return rc != -EAGAIN ? rc : put_slowly(inside(channel), item, deadline_ns);
}

/* ---- get ---- */

static int try_get(struct channel *c, void **item)
{
    struct hub__held held;
    void *taken = NULL;
    int rc = hub__sync_lock(&held, &c->word);

    if (rc < 0)
        return rc;
    rc = held.value & SHUT ? -ESHUTDOWN : take(c, &taken);
    unlock(c, &held);
    if (rc == 0 && item != NULL)
        *item = taken;
    return rc;
}

int hub_channel_try_get(struct hub_channel *channel, void **item)
{
    return channel != NULL ? try_get(inside(channel), item) : -EINVAL;
}

static int get_slowly(struct channel *c, int64_t deadline_ns, void **item)
{
    struct hub__wait wait;
    struct hub__held held;
    int rc = hub__wait_begin(&wait, &waits_to_get, c);

    if (rc == 0)
        rc = hub__sync_lock(&held, &c->word);
    if (rc < 0)
        return rc;
    rc = held.value & SHUT ? -ESHUTDOWN : take(c, &wait.item);
    if (rc == -EAGAIN)
        hub__link_add(&c->getters, &wait.link);
    unlock(c, &held);
    if (rc == -EAGAIN) {
        rc = hub__park_cancelable(&wait.waiter, deadline_ns);
        if (leave(c, &c->getters, &wait) && rc != 0) {
            hub__throw_later();
            rc = 0;
        }
    }
    if (rc == 0 && item != NULL)
        *item = wait.item;
    return rc;
}

int hub_channel_get(struct hub_channel *channel, int64_t deadline_ns,
                    void **item)
{
    int rc = channel != NULL ? try_get(inside(channel), item) : -EINVAL;

    return rc != -EAGAIN ? rc : get_slowly(inside(channel), deadline_ns, item);
}

int hub_channel_next(struct hub_channel *channel, void **item)
{
    void *next = NULL;
    int rc = hub_channel_get(channel, HUB_FOREVER, &next);

    if (rc < 0)
        return rc;
    if (next == HUB_QUEUE_END)
        return 0;
    if (item != NULL)
        *item = next;
    return 1;
}

/* ---- the end, and looking ---- */

int hub_channel_shutdown(struct hub_channel *channel)
{
    struct channel *c = inside(channel);
    struct hub__held held;
    int rc;

    if (channel == NULL)
        return -EINVAL;
    rc = hub__sync_lock(&held, &c->word);
    if (rc < 0)
        return rc;
    held.value |= SHUT;
    hub__sync_wake_all(&c->getters, -ESHUTDOWN);
    hub__sync_wake_all(&c->putters, -ESHUTDOWN);
    unlock(c, &held);
    return 0;
}

static bool is_ready(const void *channel)
{
    uint64_t word = hub__word_read(&((const struct channel *)channel)->word);

    return (word & (SHUT | OFFERED)) != 0;
}

HUB__IS_SHARED(channel, getters);
static const struct hub_object_ops ops = { &waits_to_get, is_ready,
                                           hub__shared_link,
                                           hub__shared_unlink };

struct hub_object hub_channel_object(struct hub_channel *channel)
{
    struct hub_object object = { &ops, channel };

    return object;
}
