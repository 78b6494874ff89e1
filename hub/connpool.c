/* connpool.c - a bounded pool of connections */
#include "hub/connpool.h"
#include "hub/hub_impl.h"
#include "hub/semaphore.h"
#include "hub/timeout.h"

#include <errno.h>
#include <stdlib.h>

#define MOST    8
#define IDLE_NS (300 * HUB_SECOND)

struct idle {
    void *connection;
    int64_t since;
};

struct hub_connpool {
    struct hub_connpool_options options;
    struct hub_semaphore places; /* one for each connection that may be taken */
    int all, used, idle_count;
    bool freed;
    struct idle idle[]; /* the one that was used last at the end */
};

int hub_connpool_new(const struct hub_connpool_options *options,
                     struct hub_connpool **pool)
{
    int most = options->most != 0 ? options->most : MOST;
    struct hub_connpool *made;

    if (options->open == NULL || options->close == NULL || most < 0)
        return -EINVAL;
    made =
        greenlet__calloc(1, sizeof *made + (size_t)most * sizeof made->idle[0]);
    if (made == NULL)
        return -ENOMEM;
    made->options = *options;
    made->options.most = most;
    if (made->options.idle_ns == 0)
        made->options.idle_ns = IDLE_NS;
    hub_semaphore_init(&made->places, most);
    *pool = made;
    return 0;
}

/* Closing is a cleanup: what happens to the caller does not end its waits. */
static void close_one(struct hub_connpool *pool, void *connection)
{
    struct hub_shield shield;

    hub_shield_begin(&shield);
    pool->options.close(connection, pool->options.arg);
    hub_shield_end(&shield);
}

static void release(struct hub_connpool *pool)
{
    hub_semaphore_destroy(&pool->places);
    free(pool);
}

void hub_connpool_free(struct hub_connpool *pool)
{
    if (pool == NULL)
        return;
    pool->used++; /* closing may wait: the pool stays */
    while (pool->idle_count > 0) {
        pool->all--;
        close_one(pool, pool->idle[--pool->idle_count].connection);
    }
    pool->freed = true;
    if (--pool->used == 0)
        release(pool);
}

/* ---- taking ---- */

static bool is_good(struct hub_connpool *pool, void *connection)
{
    return pool->options.healthy == NULL ||
           pool->options.healthy(connection, pool->options.arg);
}

static bool is_stale(const struct hub_connpool *pool, const struct idle *idle)
{
    return pool->options.idle_ns > 0 &&
           hub_now() - idle->since > pool->options.idle_ns;
}

/* One that was used before and is good; false: none. */
static bool take_idle(struct hub_connpool *pool, void **connection)
{
    while (pool->idle_count > 0) {
        struct idle idle = pool->idle[--pool->idle_count];

        *connection = idle.connection;
        if (!is_stale(pool, &idle) && is_good(pool, idle.connection))
            return true;
        pool->all--;
        close_one(pool, idle.connection);
    }
    return false;
}

int hub_connpool_take(struct hub_connpool *pool, int64_t deadline_ns,
                      void **connection)
{
    struct hub_timeout timeout;
    int rc;

    if (pool == NULL)
        return -EINVAL;
    rc = hub_semaphore_acquire(&pool->places, deadline_ns);
    if (rc < 0)
        return rc;
    pool->used++;
    if (take_idle(pool, connection))
        return 0;
    rc = hub_timeout_begin(&timeout, deadline_ns);
    if (rc == 0) {
        rc = pool->options.open(pool->options.arg, connection);
        hub_timeout_end(&timeout);
    }
    if (rc == 0) {
        pool->all++;
        return 0;
    }
    if (--pool->used == 0 && pool->freed)
        release(pool);
    else
        hub_semaphore_release(&pool->places);
    return rc;
}

/* ---- giving ---- */

void hub_connpool_give(struct hub_connpool *pool, void *connection, bool broken)
{
    if (broken || pool->freed || !is_good(pool, connection)) {
        pool->all--;
        close_one(pool, connection);
    } else {
        pool->idle[pool->idle_count++] = (struct idle){connection, hub_now()};
    }
    if (--pool->used == 0 && pool->freed)
        release(pool);
    else
        hub_semaphore_release(&pool->places);
}

void hub_connpool_count(const struct hub_connpool *pool, int *all, int *used)
{
    *all = pool->all;
    *used = pool->used;
}
