/* connpool.c - pools of connections: making one, take and give */
#include "hub/connpool_impl.h"

#include "context/testhook.h"

#include <pthread.h>
#include <stdlib.h>

const struct hub__wait_kind hub__waits_for_connection = {
    "a connection of pool", NULL
};

/* ---- processes ---- */

static unsigned forks; /* between the first process and this one */

static void in_child(void)
{
    forks++;
}

static void watch_forks(void)
{
    if (pthread_atfork(NULL, NULL, in_child) != 0)
        abort(); /* no memory for a few words */
}

bool hub__pool_is_ours(const struct hub_connpool *pool)
{
    return pool->forks == forks;
}

int hub__pool_look_at(const struct hub_connpool *pool)
{
    if (pool == NULL)
        return -EINVAL;
    return hub__pool_is_ours(pool) ? 0 : -EXDEV;
}

/* ---- making it ---- */

static bool is_sound(const struct hub_connpool_options *options)
{
    return options != NULL && options->size > 0 &&
           options->size <= HUB_CONNPOOL_MAX && options->open != NULL &&
           options->close != NULL && options->check_after >= 0 &&
           options->max_idle >= 0 && options->max_lifetime >= 0;
}

static struct hub_connpool *make(unsigned size)
{
    unsigned buckets = 1;
    struct hub_connpool *pool;

    while (buckets < size)
        buckets *= 2;
    pool = greenlet__calloc(1, sizeof *pool + size * sizeof *pool->places);
    if (pool == NULL)
        return NULL;
    pool->buckets = greenlet__calloc(buckets, sizeof *pool->buckets);
    if (pool->buckets == NULL) {
        free(pool);
        return NULL;
    }
    pool->mask = buckets - 1;
    for (unsigned i = size; i-- > 0;) {
        pool->places[i].older = pool->empty;
        pool->empty = &pool->places[i];
    }
    return pool;
}

int hub_connpool_new(const struct hub_connpool_options *options,
                     struct hub_connpool **pool)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct hub_connpool *made;

    if (pool == NULL || !is_sound(options))
        return -EINVAL;
    pthread_once(&once, watch_forks);
    made = make(options->size);
    if (made == NULL)
        return -ENOMEM;
    made->word = HUB__POOL_THERE;
    made->options = *options;
    made->stats.size = options->size;
    made->forks = forks;
    *pool = made;
    return 0;
}

/* ---- a place ---- */

static int begin_waiting(struct hub_connpool *pool, struct hub__wait *wait,
                         struct hub__place **place)
{
    struct hub__held held;
    int rc = hub__sync_lock(&held, &pool->word);

    if (rc < 0)
        return rc;
    rc = hub__pool_obtain(pool, &held, place);
    if (rc == -EAGAIN && (pool->options.max_waiting == 0 ||
                          pool->stats.waiting < pool->options.max_waiting)) {
        hub__link_add(&pool->links, &wait->link);
        pool->stats.waiting++;
        rc = 1;
    }
    hub__pool_unlock(pool, &held);
    return rc;
}

/* The wait has ended with rc: a place that came all the same goes on. */
static void end_waiting(struct hub_connpool *pool, struct hub__wait *wait,
                        int rc)
{
    struct hub__held held;

    hub__pool_lock(pool, &held);
    pool->stats.waiting--;
    if (rc == -ETIMEDOUT)
        pool->stats.timed_out++;
    if (hub__link_is_linked(&wait->link))
        hub__link_remove(&pool->links, &wait->link);
    else if (rc != 0 && wait->given)
        hub__pool_put(pool, wait->item);
    hub__pool_unlock(pool, &held);
}

static int wait_for_place(struct hub_connpool *pool, int64_t deadline_ns,
                          struct hub__place **place)
{
    struct hub__wait wait;
    int rc = hub__wait_begin(&wait, &hub__waits_for_connection, pool);

    if (rc == 0)
        rc = begin_waiting(pool, &wait, place);
    if (rc <= 0)
        return rc;
    rc = hub__park_cancelable(&wait.waiter, deadline_ns);
    end_waiting(pool, &wait, rc);
    if (rc == 0)
        *place = wait.item;
    return rc;
}

static int try_place(struct hub_connpool *pool, struct hub__place **place)
{
    struct hub__held held;
    int rc = hub__sync_lock(&held, &pool->word);

    if (rc < 0)
        return rc;
    rc = hub__pool_obtain(pool, &held, place);
    hub__pool_unlock(pool, &held);
    return rc;
}

/* ---- a connection in it ---- */

static bool is_to_be_checked(const struct hub_connpool *pool,
                             const struct hub__place *place, int64_t now)
{
    return pool->options.check != NULL &&
           now - place->idle_since >= pool->options.check_after;
}

/* Why it failed: a driver may have said no more than that it did. */
static int reason(int rc)
{
    int ended = hub__peek() != NULL ? hub_canceled() : 0;

    return ended < 0 ? ended : rc;
}

static int open_in(struct hub_connpool *pool, struct hub__place *place)
{
    struct hub__held held;
    void *conn = NULL;
    int rc = pool->options.open(&conn, pool->options.arg);

    if (rc >= 0)
        rc = conn != NULL ? 0 : -ENOMEM;
    if (rc == 0) {
        place->conn = conn;
        place->opened_at = hub_now();
    }
    hub__pool_lock(pool, &held);
    pool->stats.open += rc == 0;
    pool->stats.opened += rc == 0;
    pool->stats.failed += rc != 0;
    hub__pool_unlock(pool, &held);
    return rc < 0 ? reason(rc) : 0;
}

/* In the scope of the deadline.  A check that was cut short says nothing of the
 * connection; to be safe, it goes. */
static int check_or_open(struct hub_connpool *pool, struct hub__place *place,
                         bool check)
{
    int rc;

    if (check && pool->options.check(place->conn, pool->options.arg) >= 0)
        return 0;
    rc = check ? reason(0) : 0;
    hub__pool_discard(pool, place);
    return rc == 0 ? open_in(pool, place) : rc;
}

/* The place is the caller's; `idle`: it was so until now. */
int hub__pool_prepare(struct hub_connpool *pool, struct hub__place *place,
                      bool idle, int64_t deadline_ns)
{
    int64_t now = place->conn != NULL ? hub_now() : 0;
    bool good = place->conn != NULL && !hub__pool_is_old(pool, place, now) &&
                !(idle && hub__pool_idled(pool, place, now));
    bool check = good && idle && is_to_be_checked(pool, place, now);
    bool limited = deadline_ns != HUB_FOREVER && hub__peek() != NULL;
    struct hub_timeout timeout;
    int rc = 0;

    if (good && !check)
        return 0;
    if (limited)
        rc = hub_timeout_begin(&timeout, deadline_ns);
    if (rc < 0)
        return rc;
    rc = check_or_open(pool, place, check);
    if (limited)
        hub_timeout_end(&timeout);
    return rc;
}

/* ---- take and give ---- */

static int obtain(struct hub_connpool *pool, struct hub__lease *lease,
                  int64_t deadline_ns, struct hub__place **place)
{
    int rc = try_place(pool, place);
    bool idle = rc == 0;

    if (rc == -EAGAIN)
        rc = wait_for_place(pool, deadline_ns, place);
    if (rc < 0)
        return rc;
    hub__pool_lease_place(lease, *place);
    rc = hub__pool_prepare(pool, *place, idle, deadline_ns);
    if (rc < 0) {
        hub__pool_release(pool, *place, false);
        hub__pool_lease_place(lease, NULL);
    }
    return rc;
}

int hub_connpool_take(struct hub_connpool *pool, int64_t deadline_ns,
                      void **conn)
{
    struct hub__lease *lease;
    struct hub__place *place;
    struct hub__held held;
    int rc = conn != NULL ? hub__pool_look_at(pool) : -EINVAL;

    if (rc == 0)
        rc = hub__pool_begin_lease(pool, &lease);
    if (rc < 0)
        return rc;
    rc = obtain(pool, lease, deadline_ns, &place);
    if (rc < 0) {
        hub__pool_end_lease(lease);
        return rc;
    }
    *conn = place->conn;
    hub__pool_lock(pool, &held);
    place->lease = lease;
    hub__pool_enter_taken(pool, place);
    hub__pool_unlock(pool, &held);
    return 0;
}

/* Out of the taken ones, and from its lease; -ENOENT also when the greenlet
 * that had it ends just now. */
static int take_back(struct hub_connpool *pool, const void *conn,
                     struct hub__place **found, struct hub__lease **lease)
{
    struct hub__held held;
    struct hub__place *place;
    int rc = hub__sync_lock(&held, &pool->word);

    if (rc < 0)
        return rc;
    place = hub__pool_find_taken(pool, conn);
    *lease = place != NULL ? place->lease : NULL;
    if (place == NULL ||
        (*lease != NULL && __atomic_exchange_n(&(*lease)->place, NULL,
                                               __ATOMIC_ACQ_REL) == NULL)) {
        rc = -ENOENT;
    } else {
        place->lease = NULL;
        hub__pool_leave_taken(pool, place);
        *found = place;
    }
    hub__pool_unlock(pool, &held);
    return rc;
}

int hub_connpool_give(struct hub_connpool *pool, void *conn, bool broken)
{
    struct hub__lease *lease;
    struct hub__place *place;
    int rc = conn != NULL ? hub__pool_look_at(pool) : -EINVAL;
    bool keep;

    if (rc == 0)
        rc = take_back(pool, conn, &place, &lease);
    if (rc < 0)
        return rc;
    hub__pool_end_lease(lease);
    keep = !broken && !hub__pool_is_old(pool, place, hub_now()) &&
           (pool->options.reset == NULL ||
            pool->options.reset(conn, pool->options.arg) >= 0);
    hub__pool_sweep(pool, false, 1);
    hub__pool_release(pool, place, keep);
    return 0;
}
