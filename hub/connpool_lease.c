/* connpool_lease.c - how a place comes back, also from a greenlet that is gone
 *
 * Whoever has a busy place keeps the pool from being freed; so giving it back
 * is the last thing that is done. */
#include "hub/connpool_impl.h"

#include "context/testhook.h"

#include <stdlib.h>

/* ---- giving back ---- */

/* That it fails is out of the question: this call has had the lock before. */
void hub__pool_lock(struct hub_connpool *pool, struct hub__held *held)
{
    if (hub__sync_lock(held, &pool->word) < 0)
        abort();
}

static void close_shielded(struct hub_connpool *pool, void *conn)
{
    struct hub_shield shield;
    bool shielded = hub__peek() != NULL; /* else nobody could end its waits */

    if (shielded)
        hub_shield_begin(&shield);
    pool->options.close(conn, pool->options.arg);
    if (shielded)
        hub_shield_end(&shield);
}

void hub__pool_discard(struct hub_connpool *pool, struct hub__place *place)
{
    void *conn = place->conn;
    struct hub__held held;

    if (conn == NULL)
        return;
    place->conn = NULL;
    close_shielded(pool, conn);
    hub__pool_lock(pool, &held);
    pool->stats.open--;
    pool->stats.closed++;
    hub__pool_unlock(pool, &held);
}

void hub__pool_release(struct hub_connpool *pool, struct hub__place *place,
                       bool keep)
{
    struct hub__held held;

    if (!keep)
        hub__pool_discard(pool, place);
    else
        place->idle_since = hub_now();
    hub__pool_lock(pool, &held);
    if (place->conn != NULL && (held.value & HUB__POOL_SHUT)) {
        hub__pool_unlock(pool, &held);
        hub__pool_discard(pool, place);
        hub__pool_lock(pool, &held);
    }
    hub__pool_put(pool, place);
    hub__pool_unlock(pool, &held);
}

int hub__pool_sweep(struct hub_connpool *pool, bool any, int most)
{
    struct hub__held held;
    struct hub__place *place;
    int count = 0;

    for (; count < most; count++) {
        hub__pool_lock(pool, &held);
        place = hub__pool_obtain_oldest(pool, any);
        hub__pool_unlock(pool, &held);
        if (place == NULL)
            break;
        hub__pool_release(pool, place, false);
    }
    return count;
}

/* ---- leases ---- */

/* The greenlet has ended, or its frames are gone, and it has a place. */
static void reclaim(struct hub__lease *lease, struct hub__place *place)
{
    struct hub_connpool *pool = lease->pool;
    struct hub__held held;

    if (!hub__pool_is_ours(pool))
        return;
    hub__pool_lock(pool, &held);
    if (place->lease == lease) {
        place->lease = NULL;
        hub__pool_leave_taken(pool, place);
        pool->stats.lost++;
    }
    hub__pool_unlock(pool, &held);
    hub__pool_release(pool, place, false);
}

static void holder_ends(void *data)
{
    struct hub__lease *lease = data;
    struct hub__place *place =
        __atomic_exchange_n(&lease->place, NULL, __ATOMIC_ACQ_REL);

    if (place != NULL)
        reclaim(lease, place);
    free(lease);
}

/* Nothing ends for those: a main greenlet, and the loop's. */
static bool is_tied(void)
{
    const struct greenlet__thread *self = greenlet__thread_peek();
    const struct hub *hub = hub__peek();

    return self != NULL && !self->current->is_main &&
           (hub == NULL || self->current != hub->greenlet);
}

int hub__pool_begin_lease(struct hub_connpool *pool,
                          struct hub__lease **lease)
{
    *lease = NULL;
    if (!is_tied())
        return 0;
    *lease = greenlet__malloc(sizeof **lease);
    if (*lease == NULL)
        return -ENOMEM;
    **lease = (struct hub__lease){ pool, NULL };
    if (greenlet_defer(holder_ends, *lease) == 0)
        return 0;
    free(*lease);
    return -ENOMEM;
}

/* From here on it is for holder_ends() to give the place back. */
void hub__pool_lease_place(struct hub__lease *lease, struct hub__place *place)
{
    if (lease != NULL)
        __atomic_store_n(&lease->place, place, __ATOMIC_RELEASE);
}

/* Of the calling greenlet; another's is left to that. */
void hub__pool_end_lease(struct hub__lease *lease)
{
    if (lease != NULL && greenlet_undefer(holder_ends, lease) == 0)
        free(lease);
}
