/* connpool_end.c - pools of connections: filling, sweeping, closing, looking */
#include "hub/connpool_impl.h"

#include <limits.h>
#include <stdlib.h>

static const struct hub__wait_kind waits_for_closing = {
    "the connections of pool to be closed", NULL};

/* ---- filling and sweeping ---- */

/* 1 with an empty place; 0: there is no need, or no place. */
static int obtain_to_fill(struct hub_connpool *pool, unsigned count,
                          struct hub__place **place)
{
    struct hub__held held;
    int rc = hub__sync_lock(&held, &pool->word);

    if (rc < 0)
        return rc;
    if (held.value & HUB__POOL_SHUT) {
        rc = -ESHUTDOWN;
    } else if (pool->stats.open < count) {
        *place = hub__pool_obtain_empty(pool);
        rc = *place != NULL;
    }
    hub__pool_unlock(pool, &held);
    return rc;
}

static int fill(struct hub_connpool *pool, struct hub__lease *lease,
                unsigned count, int64_t deadline_ns)
{
    struct hub__place *place;
    int rc = 1;

    /* Others may close some meanwhile: that is not to keep us here for ever. */
    for (unsigned i = 0; i < count && rc > 0; i++) {
        rc = obtain_to_fill(pool, count, &place);
        if (rc <= 0)
            break;
        hub__pool_lease_place(lease, place);
        rc = hub__pool_prepare(pool, place, false, deadline_ns);
        hub__pool_release(pool, place, rc == 0);
        hub__pool_lease_place(lease, NULL);
        rc = rc == 0 ? 1 : rc;
    }
    return rc < 0 ? rc : 0;
}

int hub_connpool_fill(struct hub_connpool *pool, unsigned count,
                      int64_t deadline_ns)
{
    struct hub__lease *lease;
    int rc = hub__pool_look_at(pool);

    if (rc == 0)
        rc = hub__pool_begin_lease(pool, &lease);
    if (rc < 0)
        return rc;
    rc = fill(pool, lease, count, deadline_ns);
    hub__pool_end_lease(lease);
    return rc;
}

int hub_connpool_sweep(struct hub_connpool *pool)
{
    int rc = hub__pool_look_at(pool);

    return rc < 0 ? rc : hub__pool_sweep(pool, false, INT_MAX);
}

/* ---- the end ---- */

/* 0: all are closed, and nobody is inside. */
static int wait_for_all(struct hub_connpool *pool, int64_t deadline_ns)
{
    struct hub__wait wait;
    struct hub__held held;
    int rc = hub__wait_begin(&wait, &waits_for_closing, pool);
    bool done;

    hub__pool_lock(pool, &held);
    done = pool->busy == 0 && pool->stats.waiting == 0;
    if (!done && rc == 0)
        hub__link_add(&pool->closers, &wait.link);
    hub__pool_unlock(pool, &held);
    if (done || rc < 0)
        return done ? 0 : rc;
    rc = hub__park_cancelable(&wait.waiter, deadline_ns);
    hub__pool_lock(pool, &held);
    if (hub__link_is_linked(&wait.link))
        hub__link_remove(&pool->closers, &wait.link);
    hub__pool_unlock(pool, &held);
    return rc;
}

int hub_connpool_close(struct hub_connpool *pool, int64_t deadline_ns)
{
    struct hub__held held;
    int rc = hub__pool_look_at(pool);

    if (rc == 0)
        rc = hub__sync_lock(&held, &pool->word);
    if (rc < 0)
        return rc;
    held.value |= HUB__POOL_SHUT;
    hub__sync_wake_all(&pool->links, -ESHUTDOWN);
    hub__pool_unlock(pool, &held);
    hub__pool_sweep(pool, true, INT_MAX);
    return wait_for_all(pool, deadline_ns);
}

int hub_connpool_free(struct hub_connpool *pool)
{
    struct hub__held held;
    bool used;
    int rc = 0;

    if (pool == NULL)
        return 0;
    if (hub__pool_is_ours(pool)) { /* else its connections are the parent's */
        rc = hub__sync_lock(&held, &pool->word);
        if (rc < 0)
            return rc;
        used =
            pool->busy > 0 || pool->stats.waiting > 0 || pool->closers != NULL;
        if (!used)
            held.value |= HUB__POOL_SHUT;
        hub__pool_unlock(pool, &held);
        if (used)
            return -EBUSY;
        hub__pool_sweep(pool, true, INT_MAX);
    }
    free(pool->buckets);
    free(pool);
    return 0;
}

/* ---- looking ---- */

int hub_connpool_stats(struct hub_connpool *pool,
                       struct hub_connpool_stats *stats)
{
    struct hub__held held;
    int rc = stats != NULL ? hub__pool_look_at(pool) : -EINVAL;

    if (rc == 0)
        rc = hub__sync_lock(&held, &pool->word);
    if (rc < 0)
        return rc;
    *stats = pool->stats;
    hub__pool_unlock(pool, &held);
    return 0;
}

static bool is_ready(const void *pool)
{
    uint64_t word = hub__word_read(&((const struct hub_connpool *)pool)->word);

    return (word & HUB__POOL_THERE) != 0;
}

HUB__IS_SHARED(hub_connpool, links);
static const struct hub_object_ops ops = { &hub__waits_for_connection, is_ready,
                                           hub__shared_link,
                                           hub__shared_unlink };

struct hub_object hub_connpool_object(struct hub_connpool *pool)
{
    struct hub_object object = { &ops, pool };

    return object;
}
