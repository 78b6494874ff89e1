/* workpool.c - the threads of thread pools
 *
 * The lock is held for a few instructions, and over a fork(), so that a child
 * finds the queue whole.  A thread that has done a piece of work sends it back as
 * a callback of the hub, with the lock held: a hub that closes takes itself out
 * under the same lock. */
#include "hub/workpool.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static __thread const struct hub_threadpool *serving;

static void open_lock(struct hub_threadpool *pool)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, &attr);
    pthread_condattr_destroy(&attr);
}

void hub__workpool_open(struct hub_threadpool *pool)
{
    open_lock(pool);
    pool->last = &pool->first;
}

bool hub__workpool_serves(const struct hub_threadpool *pool)
{
    return serving == pool;
}

/* ---- references ---- */

void hub__workpool_drop(struct hub_threadpool *pool)
{
    if (__atomic_sub_fetch(&pool->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void hub__work_drop(struct hub_work *work)
{
    if (__atomic_sub_fetch(&work->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    greenlet_exception_clear(&work->failed);
    hub__workpool_drop(work->pool);
    free(work);
}

/* ---- a thread ---- */

static int64_t idle_until(const struct hub_threadpool *pool, int64_t since)
{
    return pool->idle_ns < HUB_FOREVER - since ? since + pool->idle_ns
                                               : HUB_FOREVER;
}

/* How long that may be is looked at anew when it is roused: it may be set
 * meanwhile. */
static bool wait_for_work(struct hub_threadpool *pool)
{
    int64_t since = hub_now(), until;
    struct timespec at;

    while (pool->first == NULL && !pool->abandoned &&
           pool->threads <= pool->maxsize &&
           hub_now() < (until = idle_until(pool, since))) {
        at.tv_sec = (time_t)(until / HUB_SECOND);
        at.tv_nsec = (long)(until % HUB_SECOND);
        pool->idle++;
        if (until == HUB_FOREVER)
            pthread_cond_wait(&pool->work, &pool->lock);
        else
            pthread_cond_timedwait(&pool->work, &pool->lock, &at);
        pool->idle--;
    }
    return pool->first != NULL && pool->threads <= pool->maxsize;
}

static struct hub_work *take_first(struct hub_threadpool *pool)
{
    struct hub_work *work = pool->first;

    pool->first = work->next;
    if (pool->first == NULL)
        pool->last = &pool->first;
    pool->queued--;
    pool->running++;
    work->state = WORK_RUNNING;
    return work;
}

static void do_work(struct hub_work *work)
{
    int rc = work->run(work->arg, &work->result);

    if (rc != 0) {
        struct greenlet__thread *self = greenlet__thread_self();

        work->rc = rc < 0 ? rc : -EIO;
        work->result = NULL;
        greenlet__take_raised(self->current, work->rc, &work->failed);
    }
}

/* The hub gets it, or nobody. */
static void send_back(struct hub_threadpool *pool, struct hub_work *work)
{
    bool orphan = pool->hub == NULL;

    pool->running--;
    work->state = WORK_DONE;
    if (!orphan)
        hub__callback_push_remote(&work->callback);
    else
        hub__work_drop(work);
}

static void *serve(void *arg)
{
    struct hub_threadpool *pool = arg;

    serving = pool;
    pthread_mutex_lock(&pool->lock);
    while (wait_for_work(pool)) {
        struct hub_work *work = take_first(pool);

        pthread_mutex_unlock(&pool->lock);
        do_work(work);
        pthread_mutex_lock(&pool->lock);
        send_back(pool, work);
    }
    pool->threads--;
    pthread_mutex_unlock(&pool->lock);
    hub__workpool_drop(pool);
    hub__own_thread_ends();
    return NULL;
}

/* Under the lock. */
static int provide_thread(struct hub_threadpool *pool)
{
    if (pool->idle > pool->queued || pool->threads >= pool->maxsize)
        return 0;
    pool->threads++;
    __atomic_add_fetch(&pool->refs, 1, __ATOMIC_RELAXED);
    if (hub__own_thread(serve, pool) == 0)
        return 0;
    pool->threads--;
    __atomic_sub_fetch(&pool->refs, 1, __ATOMIC_RELAXED);
    return pool->threads > 0 ? 0 : -EAGAIN;
}

/* ---- for the hub ---- */

static int put(struct hub_threadpool *pool, struct hub_work *work)
{
    int rc = provide_thread(pool);

    if (rc < 0)
        return rc;
    work->state = WORK_QUEUED;
    work->next = NULL;
    *pool->last = work;
    pool->last = &work->next;
    pool->queued++;
    pthread_cond_signal(&pool->work);
    return 0;
}

int hub__workpool_put(struct hub_threadpool *pool, struct hub_work *work)
{
    int rc;

    pthread_mutex_lock(&pool->lock);
    rc = put(pool, work);
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

bool hub__workpool_take_back(struct hub_threadpool *pool,
                             struct hub_work *work)
{
    struct hub_work **at;

    pthread_mutex_lock(&pool->lock);
    for (at = &pool->first; *at != NULL && *at != work; at = &(*at)->next)
        ;
    if (*at == NULL) {
        pthread_mutex_unlock(&pool->lock);
        return false;
    }
    *at = work->next;
    if (*at == NULL)
        pool->last = at;
    pool->queued--;
    work->state = WORK_DONE;
    pthread_mutex_unlock(&pool->lock);
    return true;
}

/* Threads that are too many go; work that waits for more of them gets them. */
void hub__workpool_rouse(struct hub_threadpool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->queued; i++)
        provide_thread(pool);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

/* In the child of a fork(): the threads are gone, and with them their references;
 * what is queued stays, and gets threads by hub__workpool_rouse(). */
void hub__workpool_reopen(struct hub_threadpool *pool)
{
    open_lock(pool);
    __atomic_sub_fetch(&pool->refs, pool->threads, __ATOMIC_RELAXED);
    pool->threads = pool->idle = pool->running = 0;
}
