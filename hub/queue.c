/* queue.c - items handed from greenlet to greenlet
 *
 * Getters wait only while there is no item, putters only while there is no
 * place. A getter is woken with its item.  A putter is woken with a place, and
 * puts its item itself when it runs: so that if something ends its wait first,
 * nothing was put.  For items that come back from getters whose wait ended
 * early there is always room (`taking`). */
#include "hub/queue_impl.h"

#include <string.h>
#include <unistd.h>

const char hub_queue_end = 0;

static const struct hub__wait_kind waits_for_item = { "an item of queue",
                                                      NULL };
static const struct hub__wait_kind waits_for_place = { "a place in queue",
                                                       NULL };
/* ---- making ---- */

static void warn(void)
{
    static const char text[] =
        "vireo: a queue of size 0 is taken for an unbounded "
        "one; for a rendezvous use hub_channel\n";
    struct hub *hub = hub__peek();

    if (hub != NULL)
        hub__say(hub, text);
    else if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        return; /* nobody to tell */
}

static int init(struct hub_queue *queue, int64_t maxsize, enum hub__order order)
{
    struct hub__queue *q = hub__queue_of(queue);

    if (queue == NULL || maxsize < HUB_UNBOUNDED || maxsize > HUB_QUEUE_MAX)
        return -EINVAL;
    if (maxsize == 0)
        warn();
    memset(queue, 0, sizeof *queue);
    q->limit = maxsize > 0 ? (uint32_t)maxsize : (uint32_t)HUB_QUEUE_MAX;
    q->items.order = order;
    return 0;
}

int hub_queue_init(struct hub_queue *queue, int64_t maxsize)
{
    return init(queue, maxsize, HUB__FIFO);
}

int hub_simple_queue_init(struct hub_queue *queue, int64_t maxsize)
{
    int rc = init(queue, maxsize, HUB__FIFO);

    if (rc == 0)
        hub__queue_of(queue)->simple = 1;
    return rc;
}

int hub_lifo_queue_init(struct hub_queue *queue, int64_t maxsize)
{
    return init(queue, maxsize, HUB__LIFO);
}

int hub_priority_queue_init(struct hub_queue *queue, int64_t maxsize,
                            int (*compare)(const void *a, const void *b,
                                           void *arg),
                            void *arg)
{
    int rc = compare != NULL ? init(queue, maxsize, HUB__PRIORITY) : -EINVAL;

    if (rc == 0) {
        hub__queue_of(queue)->items.compare = compare;
        hub__queue_of(queue)->items.arg = arg;
    }
    return rc;
}

void hub_queue_set_drop(struct hub_queue *queue,
                        void (*drop)(void *item, void *arg), void *arg)
{
    hub__queue_of(queue)->drop = drop;
    hub__queue_of(queue)->drop_arg = arg;
}

/* ---- under the lock ---- */

static inline bool has_place(const struct hub__queue *q)
{
    return (uint64_t)q->items.count + q->granted < q->limit;
}

/* To who waits: all who only look, up to the first who takes it.  False: nobody
 * takes it. */
static __attribute__((noinline)) bool offer(struct hub__queue *q, void *item)
{
    struct hub__link *link;

    while ((link = hub__link_take(&q->getters)) != NULL) {
        struct hub__wait *wait = hub__wait_of(link);

        if (link->notify != NULL) {
            link->notify(link);
            continue;
        }
        wait->item = item;
        if (hub__wait_give(wait, 0) && !wait->peeks)
            return true;
    }
    return false;
}

/* There is a place.  Returns 0 or -ENOMEM. */
static inline int put_locked(struct hub__queue *q, void *item)
{
    int rc = hub__items_reserve(&q->items,
                                q->items.count + hub__queue_taking(q) + 1);

    if (unlikely(rc < 0))
        return rc;
    hub__queue_work_added(q, 1);
    if (q->getters == NULL || !offer(q, item))
        hub__items_put(&q->items, item);
    return 0;
}

/* Places to those who wait for them. */
static void grant(struct hub__queue *q)
{
    struct hub__link *link;

    while (has_place(q) && (link = hub__link_take(&q->putters)) != NULL)
        q->granted += hub__wait_give(hub__wait_of(link), 0);
}

/* Returns 0 with an item, -EAGAIN, -ESHUTDOWN. */
static inline int get_locked(struct hub__queue *q, const struct hub__held *held,
                             bool peek, void **item)
{
    if (unlikely(held->value & HUB__DROPPED))
        return -ESHUTDOWN;
    if (q->items.count == 0)
        return held->value & HUB__SHUT ? -ESHUTDOWN : -EAGAIN;
    if (peek) {
        *item = hub__items_first(&q->items);
        return 0;
    }
    *item = hub__items_take(&q->items);
    if (q->putters != NULL)
        grant(q);
    return 0;
}

/* ---- put ---- */

static int try_put(struct hub__queue *q, void *item)
{
    struct hub__held held;
    int rc = hub__sync_lock(&held, &q->word);

    if (unlikely(rc < 0))
        return rc;
    if (unlikely(held.value & HUB__SHUT))
        rc = -ESHUTDOWN;
    else if (unlikely(!has_place(q)))
        rc = -EAGAIN;
    else
        rc = put_locked(q, item);
    hub__queue_unlock(q, &held);
    return rc;
}

int hub_queue_try_put(struct hub_queue *queue, void *item)
{
    return queue != NULL ? try_put(hub__queue_of(queue), item) : -EINVAL;
}

/* Its wait is over: with a place, unless that could not be used. */
static int use_place(struct hub__queue *q, struct hub__wait *wait, int rc)
{
    struct hub__held held;

    if (hub__sync_lock(&held, &q->word) < 0)
        return -EDEADLK;
    if (hub__link_is_linked(&wait->link))
        hub__link_remove(&q->putters, &wait->link);
    if (wait->given) {
        q->granted--;
        if (rc == 0)
            rc =
                held.value & HUB__SHUT ? -ESHUTDOWN : put_locked(q, wait->item);
        grant(q);
    }
    hub__queue_unlock(q, &held);
    return rc;
}

static HUB__SWITCHES __attribute__((noinline)) int
put_slowly(struct hub__queue *q, void *item, int64_t deadline_ns)
{
    struct hub__wait wait;
    struct hub__held held;
    int rc = hub__wait_begin(&wait, &waits_for_place, q);

    if (rc == 0)
        rc = hub__sync_lock(&held, &q->word);
    if (unlikely(rc < 0))
        return rc;
    if ((held.value & HUB__SHUT) || has_place(q)) {
        rc = held.value & HUB__SHUT ? -ESHUTDOWN : put_locked(q, item);
        hub__queue_unlock(q, &held);
        return rc;
    }
    wait.item = item;
    hub__link_add(&q->putters, &wait.link);
    hub__queue_unlock(q, &held);
    rc = hub__park_cancelable_inline(&wait.waiter, deadline_ns);
    return use_place(q, &wait, rc);
}

int hub_queue_put(struct hub_queue *queue, void *item, int64_t deadline_ns)
{
    int rc = hub_queue_try_put(queue, item);

    return likely(rc != -EAGAIN)
               ? rc
               : put_slowly(hub__queue_of(queue), item, deadline_ns);
}

/* ---- get ---- */

static int try_get(struct hub__queue *q, bool peek, void **item)
{
    struct hub__held held;
    void *taken = NULL;
    int rc = hub__sync_lock(&held, &q->word);

    if (unlikely(rc < 0))
        return rc;
    rc = get_locked(q, &held, peek, &taken);
    hub__queue_unlock(q, &held);
    if (rc == 0 && item != NULL)
        *item = taken;
    return rc;
}

/* The wait has ended early: an item that came all the same goes to the next, or
 * back to where it was. */
static void give_up(struct hub__queue *q, struct hub__wait *wait)
{
    struct hub__held held;
    bool drop = false;

    if (hub__sync_lock(&held, &q->word) < 0)
        return;
    if (hub__link_is_linked(&wait->link)) {
        hub__link_remove(&q->getters, &wait->link);
    } else if (wait->given && !wait->peeks) {
        drop = (held.value & HUB__DROPPED) != 0;
        if (drop)
            hub__queue_work_done(q);
        else if (!offer(q, wait->item))
            hub__items_put_back(&q->items, wait->item);
    }
    hub__queue_unlock(q, &held);
    if (drop && q->drop != NULL)
        q->drop(wait->item, q->drop_arg);
}

/* Under the lock: get into the list.  Returns 0, or -ENOMEM. */
static int wait_for_item(struct hub__queue *q, struct hub__wait *wait)
{
    if (!wait->peeks) {
        int rc = hub__items_reserve(&q->items,
                                    q->items.count + hub__queue_taking(q) + 1);

        if (rc < 0)
            return rc;
        __atomic_fetch_add(&q->taking, 1, __ATOMIC_RELAXED);
    }
    hub__link_add(&q->getters, &wait->link);
    return 0;
}

static HUB__SWITCHES __attribute__((noinline)) int
get_slowly(struct hub__queue *q, bool peek, int64_t deadline_ns, void **item)
{
    struct hub__wait wait;
    struct hub__held held;
    int rc = hub__wait_begin(&wait, &waits_for_item, q);

    if (rc == 0)
        rc = hub__sync_lock(&held, &q->word);
    if (unlikely(rc < 0))
        return rc;
    wait.peeks = peek;
    rc = get_locked(q, &held, peek, &wait.item);
    if (unlikely(rc != -EAGAIN)) {
        hub__queue_unlock(q, &held);
        goto out;
    }
    rc = wait_for_item(q, &wait);
    hub__queue_unlock(q, &held);
    if (unlikely(rc < 0))
        return rc;
    rc = hub__park_cancelable_inline(&wait.waiter, deadline_ns);
    if (unlikely(rc != 0))
        give_up(q, &wait);
    if (!peek)
        __atomic_fetch_sub(&q->taking, 1, __ATOMIC_RELAXED);
    hub__sync_settle(&q->word);
out:
    if (rc == 0 && item != NULL)
        *item = wait.item;
    return rc;
}

static inline int get(struct hub_queue *queue, bool peek, int64_t deadline_ns,
                      void **item)
{
    int rc;

    if (unlikely(queue == NULL))
        return -EINVAL;
    rc = try_get(hub__queue_of(queue), peek, item);
    return rc != -EAGAIN
               ? rc
               : get_slowly(hub__queue_of(queue), peek, deadline_ns, item);
}

int hub_queue_get(struct hub_queue *queue, int64_t deadline_ns, void **item)
{
    return get(queue, false, deadline_ns, item);
}

int hub_queue_try_get(struct hub_queue *queue, void **item)
{
    return queue != NULL ? try_get(hub__queue_of(queue), false, item) : -EINVAL;
}

int hub_queue_peek(struct hub_queue *queue, int64_t deadline_ns, void **item)
{
    return get(queue, true, deadline_ns, item);
}

int hub_queue_try_peek(struct hub_queue *queue, void **item)
{
    return queue != NULL ? try_get(hub__queue_of(queue), true, item) : -EINVAL;
}

int hub_queue_next(struct hub_queue *queue, void **item)
{
    void *next = NULL;
    int rc = hub_queue_get(queue, HUB_FOREVER, &next);

    if (rc < 0)
        return rc;
    if (next == HUB_QUEUE_END)
        return 0;
    if (item != NULL)
        *item = next;
    return 1;
}

/* ---- looking ---- */

int64_t hub_queue_size(const struct hub_queue *queue)
{
    return queue != NULL
               ? (int64_t)(hub__word_read(&hub__queue_of(queue)->word) >> 32)
               : 0;
}

int64_t hub_queue_unfinished(const struct hub_queue *queue)
{
    return queue != NULL ? __atomic_load_n(&hub__queue_of(queue)->unfinished,
                                           __ATOMIC_RELAXED)
                         : 0;
}

bool hub_queue_empty(const struct hub_queue *queue)
{
    return hub_queue_size(queue) == 0;
}

bool hub_queue_full(const struct hub_queue *queue)
{
    return queue != NULL &&
           hub_queue_size(queue) >= hub__queue_of(queue)->limit;
}

static bool is_ready(const void *queue)
{
    uint64_t word = hub__word_read(&((const struct hub__queue *)queue)->word);

    return word >> 32 != 0 || (word & HUB__SHUT) != 0;
}

HUB__IS_SHARED(hub__queue, getters);
static const struct hub_object_ops ops = { &waits_for_item, is_ready,
                                           hub__shared_link,
                                           hub__shared_unlink };

struct hub_object hub_queue_object(struct hub_queue *queue)
{
    struct hub_object object = { &ops, queue };

    return object;
}
