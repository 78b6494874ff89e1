/* connpool_places.c - who has which place of a pool of connections; under its
 * lock */
#include "hub/connpool_impl.h"

/* ---- lists ---- */

static void push_idle(struct hub_connpool *pool, struct hub__place *place)
{
    place->newer = NULL;
    place->older = pool->newest;
    if (pool->newest != NULL)
        pool->newest->newer = place;
    else
        pool->oldest = place;
    pool->newest = place;
    pool->stats.idle++;
}

static void take_idle(struct hub_connpool *pool, struct hub__place *place)
{
    if (place->newer != NULL)
        place->newer->older = place->older;
    else
        pool->newest = place->older;
    if (place->older != NULL)
        place->older->newer = place->newer;
    else
        pool->oldest = place->newer;
    pool->stats.idle--;
    pool->busy++;
}

struct hub__place *hub__pool_obtain_empty(struct hub_connpool *pool)
{
    struct hub__place *place = pool->empty;

    if (place != NULL) {
        pool->empty = place->older;
        pool->busy++;
    }
    return place;
}

int hub__pool_obtain(struct hub_connpool *pool, const struct hub__held *held,
                     struct hub__place **place)
{
    if (held->value & HUB__POOL_SHUT)
        return -ESHUTDOWN;
    *place = pool->newest;
    if (*place != NULL)
        take_idle(pool, *place);
    else
        *place = hub__pool_obtain_empty(pool);
    return *place != NULL ? 0 : -EAGAIN;
}

/* ---- time ---- */

bool hub__pool_is_old(const struct hub_connpool *pool,
                      const struct hub__place *place, int64_t now)
{
    int64_t limit = pool->options.max_lifetime;

    return limit > 0 && now - place->opened_at >= limit;
}

bool hub__pool_idled(const struct hub_connpool *pool,
                     const struct hub__place *place, int64_t now)
{
    int64_t limit = pool->options.max_idle;

    return limit > 0 && now - place->idle_since >= limit;
}

struct hub__place *hub__pool_obtain_oldest(struct hub_connpool *pool, bool any)
{
    struct hub__place *place = pool->oldest;
    int64_t now;

    if (place == NULL)
        return NULL;
    if (!any) {
        now = hub_now();
        if (!hub__pool_is_old(pool, place, now) &&
            !hub__pool_idled(pool, place, now))
            return NULL;
    }
    take_idle(pool, place);
    return place;
}

/* ---- handing over ---- */

void hub__pool_put(struct hub_connpool *pool, struct hub__place *place)
{
    struct hub__link *link;

    while ((link = hub__link_take(&pool->links)) != NULL) {
        struct hub__wait *wait = hub__wait_of(link);

        if (link->notify != NULL) {
            link->notify(link);
            continue;
        }
        wait->item = place;
        if (hub__wait_give(wait, 0))
            return;
    }
    pool->busy--;
    if (place->conn != NULL) {
        push_idle(pool, place);
    } else {
        place->older = pool->empty;
        pool->empty = place;
    }
}

void hub__pool_unlock(struct hub_connpool *pool, struct hub__held *held)
{
    bool shut = (held->value & HUB__POOL_SHUT) != 0;

    if (shut && pool->busy == 0 && pool->stats.waiting == 0)
        hub__sync_wake_all(&pool->closers, 0);
    held->value &= ~(uint64_t)HUB__POOL_THERE;
    if (shut || pool->newest != NULL || pool->empty != NULL)
        held->value |= HUB__POOL_THERE;
    hub__sync_unlock_waited(held, pool->links);
}

/* ---- those that are out ---- */

static struct hub__place **bucket_of(struct hub_connpool *pool,
                                     const void *conn)
{
    uint64_t hash = (uintptr_t)conn * UINT64_C(0x9E3779B97F4A7C15);

    return &pool->buckets[(hash >> 32) & pool->mask];
}

void hub__pool_enter_taken(struct hub_connpool *pool, struct hub__place *place)
{
    struct hub__place **bucket = bucket_of(pool, place->conn);

    place->same = *bucket;
    *bucket = place;
    pool->stats.taken++;
}

struct hub__place *hub__pool_find_taken(struct hub_connpool *pool,
                                        const void *conn)
{
    struct hub__place *place = *bucket_of(pool, conn);

    while (place != NULL && place->conn != conn)
        place = place->same;
    return place;
}

void hub__pool_leave_taken(struct hub_connpool *pool, struct hub__place *place)
{
    struct hub__place **at = bucket_of(pool, place->conn);

    while (*at != place)
        at = &(*at)->same;
    *at = place->same;
    pool->stats.taken--;
}
