/* collect.c - which of several objects is ready first */
#include "hub/collect.h"

#include "context/testhook.h"
#include "hub/schedule.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

static const struct hub__wait_kind waits_for_several = {
    "one of several objects", NULL
};

static struct hub *lock(struct hub__collector *c)
{
    struct hub *hub = hub__peek();

    if (hub != NULL)
        hub__enter(hub);
    while (!__libc_single_threaded &&
           __atomic_exchange_n(&c->lock, 1, __ATOMIC_ACQUIRE) != 0)
        sched_yield();
    return hub;
}

static void unlock(struct hub__collector *c, struct hub *hub)
{
    __atomic_store_n(&c->lock, 0, __ATOMIC_RELEASE);
    if (hub != NULL)
        hub__exit(hub);
}

static void append(struct hub__collector *c, struct hub__collected *node)
{
    node->next = NULL;
    *c->last = node;
    c->last = &node->next;
}

void hub__collector_told(struct hub__link *link)
{
    struct hub__collected *node =
        container_of(link, struct hub__collected, link);
    struct hub__collector *c = node->collector;
    struct hub *hub = lock(c);

    append(c, node);
    if (c->waiter != NULL && hub == NULL)
        hub__wake(c->waiter, 0);
    else if (c->waiter != NULL)
        hub__wake_entered(c->waiter, 0);
    c->waiter = NULL;
    unlock(c, hub);
}

static int link_one(struct hub__collector *c, const struct hub_object *object)
{
    struct hub__collected *node = &c->nodes[c->linked];
    struct hub *hub;
    int rc;

    if (object->ops == NULL || object->pointer == NULL)
        return -EINVAL;
    *node = (struct hub__collected){ .link.notify = hub__collector_told,
                                     .object = *object,
                                     .collector = c };
    rc = object->ops->link(&node->object, &node->link);
    if (rc < 0)
        return rc;
    c->linked++;
    if (rc > 0) {
        hub = lock(c);
        append(c, node);
        unlock(c, hub);
    }
    return 0;
}

int hub__collector_open(struct hub__collector *c,
                        const struct hub_object *objects, size_t n)
{
    int rc = 0;

    *c = (struct hub__collector){ .count = n };
    c->last = &c->first;
    if (n > 0)
        c->nodes = greenlet__calloc(n, sizeof *c->nodes);
    if (n > 0 && c->nodes == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = link_one(c, &objects[i]);
    if (rc < 0)
        hub__collector_close(c);
    return rc;
}

static struct hub__collected *take(struct hub__collector *c)
{
    struct hub *hub = lock(c);
    struct hub__collected *node = c->first;

    if (node != NULL) {
        c->first = node->next;
        if (c->first == NULL)
            c->last = &c->first;
        c->taken++;
    }
    unlock(c, hub);
    return node;
}

static int wait_for_one(struct hub__collector *c, int64_t deadline_ns)
{
    struct hub__waiter waiter;
    struct hub *hub;
    int rc = hub__waiter_begin(&waiter, &waits_for_several, c);

    if (rc < 0)
        return rc;
    hub = lock(c);
    if (c->first != NULL) {
        unlock(c, hub);
        return 0;
    }
    c->waiter = &waiter;
    unlock(c, hub);
    rc = hub__park_cancelable(&waiter, deadline_ns);
    hub = lock(c);
    c->waiter = NULL;
    unlock(c, hub);
    return rc;
}

/* What is ready already is told with the next turn, as all else is. */
int hub__collector_next(struct hub__collector *c, int64_t deadline_ns,
                        size_t *index)
{
    struct hub__collected *node;
    int rc = 0;

    if (c->taken == c->count)
        return 0;
    if (!c->waited && c->first != NULL && hub__peek() != NULL)
        rc = hub_sleep(0);
    c->waited = true;
    while (rc == 0 && (node = take(c)) == NULL)
        rc = wait_for_one(c, deadline_ns);
    if (rc < 0)
        return rc;
    *index = (size_t)(node - c->nodes);
    return 1;
}

void hub__collector_close(struct hub__collector *c)
{
    for (size_t i = 0; i < c->linked; i++) {
        struct hub__collected *node = &c->nodes[i];

        node->object.ops->unlink(&node->object, &node->link);
    }
    free(c->nodes);
    c->nodes = NULL;
    c->linked = 0;
}
