/* queue_end.c - the end of a queue, and of the work that it gave */
#include "hub/queue_impl.h"

#include <stdlib.h>
#include <string.h>

static const struct hub__wait_kind waits_for_done = {
    "the end of all work of queue", NULL
};

/* ---- the end ---- */

/* Take one that is dropped.  False: none is left. */
static bool take_dropped(struct hub__queue *q, void **item)
{
    struct hub__held held;
    bool taken;

    if (hub__sync_lock(&held, &q->word) < 0)
        return false;
    taken = q->items.count > 0;
    if (taken) {
        *item = hub__items_take(&q->items);
        hub__queue_work_done(q);
    }
    hub__queue_unlock(q, &held);
    return taken;
}

static void drop_all(struct hub__queue *q)
{
    void (*drop)(void *, void *) = q->drop;
    void *arg = q->drop_arg, *item;

    while (take_dropped(q, &item))
        if (drop != NULL)
            drop(item, arg);
}

int hub_queue_shutdown(struct hub_queue *queue, bool immediate)
{
    struct hub__queue *q = hub__queue_of(queue);
    struct hub__held held;
    int rc;

    if (queue == NULL)
        return -EINVAL;
    rc = hub__sync_lock(&held, &q->word);
    if (rc < 0)
        return rc;
    held.value |= immediate ? HUB__SHUT | HUB__DROPPED : HUB__SHUT;
    hub__sync_wake_all(&q->getters, -ESHUTDOWN); /* there is no item */
    hub__sync_wake_all(&q->putters, -ESHUTDOWN);
    hub__queue_unlock(q, &held);
    if (immediate)
        drop_all(q);
    return 0;
}

int hub_queue_destroy(struct hub_queue *queue)
{
    struct hub__queue *q = hub__queue_of(queue);
    struct hub__held held;
    bool used;

    if (hub__sync_lock(&held, &q->word) < 0)
        return -EBUSY;
    used = q->getters != NULL || q->putters != NULL || q->joiners != NULL ||
           q->granted != 0 || hub__queue_taking(q) != 0;
    if (!used)
        held.value |= HUB__SHUT | HUB__DROPPED;
    hub__queue_unlock(q, &held);
    if (used)
        return -EBUSY;
    drop_all(q);
    free(q->items.at.ring);
    memset(queue, 0, sizeof *queue);
    return 0;
}

/* ---- work ---- */

int64_t hub_queue_task_done(struct hub_queue *queue)
{
    struct hub__queue *q = hub__queue_of(queue);
    struct hub__held held;
    int64_t left;
    int rc;

    if (queue == NULL)
        return -EINVAL;
    if (q->simple)
        return -ENOTSUP;
    rc = hub__sync_lock(&held, &q->word);
    if (rc < 0)
        return rc;
    left = q->unfinished > 0 ? q->unfinished - 1 : -EDOM;
    if (left >= 0)
        hub__queue_work_done(q);
    hub__queue_unlock(q, &held);
    return left;
}

int hub_queue_join(struct hub_queue *queue, int64_t deadline_ns)
{
    struct hub__queue *q = hub__queue_of(queue);
    struct hub__wait wait;
    struct hub__held held;
    int64_t left;
    int rc;

    if (queue == NULL || q->simple)
        return queue == NULL ? -EINVAL : -ENOTSUP;
    if (hub_queue_unfinished(queue) == 0) {
        hub__sync_settle(&q->word);
        return 0;
    }
    rc = hub__wait_begin(&wait, &waits_for_done, q);
    if (rc == 0)
        rc = hub__sync_lock(&held, &q->word);
    if (rc < 0)
        return rc;
    left = q->unfinished;
    if (left != 0)
        hub__link_add(&q->joiners, &wait.link);
    hub__queue_unlock(q, &held);
    if (left == 0)
        return 0;
    rc = hub__park_cancelable(&wait.waiter, deadline_ns);
    if (rc != 0)
        hub__sync_unlink(&q->word, &q->joiners, &wait.link);
    hub__sync_settle(&q->word);
    return rc;
}
