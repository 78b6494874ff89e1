/* work.c - thread pools, as greenlets see them
 *
 * A place is taken by work from its start until its result has come back to the
 * hub.  One that becomes free is given to the greenlet that has waited longest;
 * if that has been killed meanwhile, it passes it on. */
#include "hub/config_impl.h"
#include "hub/object_impl.h"
#include "hub/schedule.h"
#include "hub/workpool.h"

#include <errno.h>
#include <stdlib.h>

static const struct hub__wait_kind waits_for_place = {
    "a place in a thread pool", NULL
};
static const struct hub__wait_kind waits_for_work = { "work of a thread pool",
                                                      NULL };
static const struct hub__wait_kind waits_for_all = {
    "a thread pool to have nothing to do", NULL
};

/* One who waits for a place. */
struct turn {
    struct hub__wait_link wait; /* first */
    bool given;
};

/* ---- places ---- */

static uint32_t places(const struct hub_threadpool *pool)
{
    uint32_t sum = pool->maxsize + pool->queue;

    return sum < pool->queue ? UINT32_MAX : sum;
}

static void turn_comes(struct hub__link *link)
{
    struct turn *turn = (struct turn *)(void *)link;

    turn->given = hub__wake(turn->wait.waiter, 0);
}

/* Those who wait, the oldest first, as long as there are places. */
static void give_places(struct hub_threadpool *pool)
{
    while (pool->turns != NULL &&
           (pool->killed || pool->taken < places(pool))) {
        struct hub__link *link = hub__link_take(&pool->turns);

        link->notify(link);
        if (((struct turn *)(void *)link)->given && !pool->killed)
            pool->taken++;
    }
}

static void free_place(struct hub_threadpool *pool)
{
    pool->taken--;
    give_places(pool);
    if (pool->taken == 0)
        hub__link_notify(&pool->joiners);
}

static int wait_for_place(struct hub_threadpool *pool, int64_t deadline_ns)
{
    struct hub__waiter waiter;
    struct turn turn = { .wait = { .link.notify = turn_comes,
                                   .waiter = &waiter } };
    int rc = hub__waiter_begin(&waiter, &waits_for_place, pool);

    if (rc < 0)
        return rc;
    hub__link_add(&pool->turns, &turn.wait.link);
    rc = hub__park_cancelable(&waiter, deadline_ns);
    if (hub__link_is_linked(&turn.wait.link))
        hub__link_remove(&pool->turns, &turn.wait.link);
    if (pool->killed)
        return rc < 0 ? rc : -ESHUTDOWN;
    if (rc < 0 && turn.given)
        free_place(pool);
    return rc;
}

static int take_place(struct hub_threadpool *pool, int64_t deadline_ns)
{
    if (pool->killed)
        return -ESHUTDOWN;
    if (pool->turns == NULL && pool->taken < places(pool)) {
        pool->taken++;
        return 0;
    }
    return deadline_ns == HUB_NOWAIT ? -EAGAIN
                                     : wait_for_place(pool, deadline_ns);
}

/* ---- work comes back ---- */

static void take_from_all(struct hub_work *work)
{
    *work->all_back = work->all_next;
    if (work->all_next != NULL)
        work->all_next->all_back = work->all_back;
}

static void add_to_all(struct hub_threadpool *pool, struct hub_work *work)
{
    work->all_next = pool->all;
    work->all_back = &pool->all;
    if (pool->all != NULL)
        pool->all->all_back = &work->all_next;
    pool->all = work;
}

/* Nobody knows it any more: its threads end, and with them the pool. */
static void detach(struct hub_threadpool *pool)
{
    hub__part_remove(pool->hub, &pool->part);
    pthread_mutex_lock(&pool->lock);
    pool->hub = NULL;
    pool->abandoned = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    hub__workpool_drop(pool);
}

/* Its result counts from now on. */
static void finish(struct hub_work *work)
{
    struct hub_threadpool *pool = work->pool;

    work->ready = 1;
    take_from_all(work);
    hub__link_notify(&work->links);
    free_place(pool);
    if (pool->all == NULL &&
        __atomic_load_n(&pool->users, __ATOMIC_ACQUIRE) == 0)
        detach(pool); /* `work` still has a reference */
}

static void came_back(void *arg)
{
    struct hub_work *work = arg;
    struct hub *hub = work->pool->hub;

    hub->active--;
    if (work->failed.cls != NULL)
        hub__handle_error(hub, NULL, &work->failed);
    finish(work);
    hub__work_drop(work);
}

static void give_up(struct hub_work *work)
{
    work->rc = -ECANCELED;
    work->result = NULL;
    work->state = WORK_DONE;
    finish(work);
    hub__work_drop(work);
}

/* ---- the hub forks, or closes ---- */

static void lose_queue(struct hub_threadpool *pool)
{
    pool->first = NULL;
    pool->last = &pool->first;
    pool->queued = 0;
}

/* Of the rule of threads: who waited is gone; what was done has its result. */
static void forked_alone(struct hub_threadpool *pool)
{
    struct hub_work *work, *next;

    hub__workpool_reopen(pool);
    lose_queue(pool);
    pool->turns = pool->joiners = NULL;
    for (work = pool->all; work != NULL; work = next) {
        next = work->all_next;
        work->links = NULL;
        if (work->state != WORK_DONE) {
            give_up(work);
            continue;
        }
        finish(work);
        hub__work_drop(work);
    }
}

static void forked_with_all(struct hub_threadpool *pool, struct hub *hub)
{
    struct hub_work *work, *next;

    hub__workpool_reopen(pool);
    for (work = pool->all; work != NULL; work = next) {
        next = work->all_next;
        if (work->state != WORK_RUNNING)
            continue;
        hub->active--;
        give_up(work);
    }
    hub__workpool_rouse(pool);
}

/* Work that is under way ends without us. */
static void closes(struct hub_threadpool *pool, struct hub *hub)
{
    struct hub_work *work, *next;

    pthread_mutex_lock(&pool->lock);
    pool->hub = NULL;
    pool->abandoned = true;
    lose_queue(pool);
    pthread_cond_broadcast(&pool->work);
    for (work = pool->all; work != NULL; work = next) {
        next = work->all_next;
        take_from_all(work);
        work->ready = 1;
        work->orphan = work->state != WORK_DONE;
        if (work->state != WORK_RUNNING)
            hub__work_drop(work); /* the hub has a reference to the pool */
    }
    pthread_mutex_unlock(&pool->lock);
    if (hub->threadpool == pool)
        hub->threadpool = NULL;
    hub__workpool_drop(pool);
}

static void tell(struct hub__part *part, struct hub *hub,
                 enum hub__part_event event)
{
    struct hub_threadpool *pool =
        container_of(part, struct hub_threadpool, part);

    __atomic_add_fetch(&pool->refs, 1, __ATOMIC_RELAXED);
    switch (event) {
    case HUB__PART_BEFORE_FORK:
        pthread_mutex_lock(&pool->lock);
        break;
    case HUB__PART_AFTER_FORK:
        pthread_mutex_unlock(&pool->lock);
        break;
    case HUB__PART_ALONE:
        forked_alone(pool);
        break;
    case HUB__PART_ALL:
        forked_with_all(pool, hub);
        break;
    case HUB__PART_ENDS:
        break;
    case HUB__PART_CLOSES:
        closes(pool, hub);
        break;
    }
    hub__workpool_drop(pool);
}

/* ---- pools ---- */

struct hub_threadpool *hub_threadpool_new(uint32_t maxsize, uint32_t queue)
{
    struct hub *hub = hub__get();
    struct hub_threadpool *pool =
        hub != NULL ? greenlet__calloc(1, sizeof *pool) : NULL;

    if (pool == NULL)
        return NULL;
    pool->refs = pool->users = 1;
    pool->hub = hub;
    pool->maxsize =
        maxsize != 0 ? maxsize
                     : (uint32_t)hub__option(HUB_OPTION_THREADPOOL_SIZE);
    pool->queue = queue;
    pool->idle_ns = hub__option(HUB_OPTION_THREADPOOL_IDLE_TIMEOUT);
    pool->part.tell = tell;
    hub__workpool_open(pool);
    hub__part_add(hub, &pool->part);
    return pool;
}

struct hub_threadpool *hub_threadpool_ref(struct hub_threadpool *pool)
{
    __atomic_add_fetch(&pool->users, 1, __ATOMIC_RELAXED);
    return pool;
}

void hub_threadpool_unref(struct hub_threadpool *pool)
{
    if (__atomic_sub_fetch(&pool->users, 1, __ATOMIC_ACQ_REL) == 0 &&
        pool->hub != NULL && pool->hub == hub__peek() && pool->all == NULL)
        detach(pool);
}

struct hub_threadpool *hub_threadpool_default(void)
{
    struct hub *hub = hub__get();
    struct hub_threadpool *pool;

    if (hub == NULL || hub->threadpool != NULL)
        return hub != NULL ? hub->threadpool : NULL;
    pool = hub_threadpool_new(0, 0);
    hub->threadpool = pool;
    return pool;
}

static int check_owner(const struct hub_threadpool *pool)
{
    struct hub *hub = hub__peek();

    if (likely(hub != NULL && pool->hub == hub))
        return 0;
    return hub__fail_owner("the thread pool", pool->hub);
}

int hub_threadpool_set_maxsize(struct hub_threadpool *pool, uint32_t maxsize)
{
    int rc = check_owner(pool);

    if (rc < 0 || maxsize == 0)
        return rc < 0 ? rc : -EINVAL;
    pthread_mutex_lock(&pool->lock);
    pool->maxsize = maxsize;
    pthread_mutex_unlock(&pool->lock);
    hub__workpool_rouse(pool);
    give_places(pool);
    return 0;
}

int hub_threadpool_set_idle(struct hub_threadpool *pool, int64_t ns)
{
    int rc = check_owner(pool);

    if (rc < 0)
        return rc;
    pthread_mutex_lock(&pool->lock);
    pool->idle_ns = ns;
    pthread_mutex_unlock(&pool->lock);
    hub__workpool_rouse(pool);
    return 0;
}

/* Of other hubs the pools that there are stay as they are. */
void hub__threadpool_changed(enum hub_option option)
{
    struct hub *hub = hub__peek();

    if (hub == NULL || hub->threadpool == NULL)
        return;
    if (option == HUB_OPTION_THREADPOOL_SIZE)
        hub_threadpool_set_maxsize(hub->threadpool,
                                   (uint32_t)hub__option(option));
    else
        hub_threadpool_set_idle(hub->threadpool, hub__option(option));
}

void hub_threadpool_count(struct hub_threadpool *pool,
                          struct hub_threadpool_counts *counts)
{
    const struct hub__link *at = pool->turns;

    pthread_mutex_lock(&pool->lock);
    *counts = (struct hub_threadpool_counts){
        .maxsize = pool->maxsize, .queue = pool->queue,
        .threads = pool->threads, .idle = pool->idle,
        .queued = pool->queued,   .running = pool->running
    };
    pthread_mutex_unlock(&pool->lock);
    if (at != NULL && pool->hub == hub__peek())
        do {
            counts->waiting++;
            at = at->next;
        } while (at != pool->turns);
}

/* ---- spawn, apply, get ---- */

static struct hub_work *make(struct hub_threadpool *pool, greenlet_run *run,
                             void *arg)
{
    struct hub_work *work = greenlet__calloc(1, sizeof *work);

    if (work == NULL)
        return NULL;
    hub__callback_init(&work->callback, pool->hub, came_back, work);
    __atomic_add_fetch(&pool->refs, 1, __ATOMIC_RELAXED);
    work->pool = pool;
    work->run = run;
    work->arg = arg;
    work->refs = 2;
    return work;
}

int hub_threadpool_spawn(struct hub_threadpool *pool, greenlet_run *run,
                         void *arg, int64_t deadline_ns, struct hub_work **out)
{
    struct hub_work *work;
    int rc = check_owner(pool);

    if (rc == 0)
        rc = take_place(pool, deadline_ns);
    if (rc < 0)
        return rc;
    work = make(pool, run, arg);
    rc = work != NULL ? hub__workpool_put(pool, work) : -ENOMEM;
    if (rc < 0) {
        if (work != NULL) {
            work->refs = 1;
            hub__work_drop(work);
        }
        free_place(pool);
        return rc;
    }
    add_to_all(pool, work);
    pool->hub->active++;
    if (out != NULL)
        *out = work;
    else
        hub__work_drop(work);
    return 0;
}

int hub_threadpool_apply(struct hub_threadpool *pool, greenlet_run *run,
                         void *arg, int64_t deadline_ns, void **result)
{
    struct hub_work *work;
    void *value = NULL;
    int rc;

    if (hub__workpool_serves(pool)) {
        rc = run(arg, &value);
    } else {
        rc = hub_threadpool_spawn(pool, run, arg, deadline_ns, &work);
        if (rc < 0)
            return rc;
        rc = hub_work_get(work, deadline_ns, &value);
        if (!hub_work_ready(work))
            hub_work_cancel(work);
        hub_work_unref(work);
    }
    if (rc == 0 && result != NULL)
        *result = value;
    return rc;
}

bool hub_work_ready(const struct hub_work *work)
{
    return work->ready;
}

const struct greenlet_exception *
hub_work_exception(const struct hub_work *work)
{
    return work->ready && work->failed.cls != NULL ? &work->failed : NULL;
}

static int wait_for(struct hub__link **list, const struct hub__wait_kind *kind,
                    const void *object, int64_t deadline_ns)
{
    struct hub__waiter waiter;
    struct hub__wait_link link = { .link.notify = hub__wait_link_notify,
                                   .waiter = &waiter };
    int rc = hub__waiter_begin(&waiter, kind, object);

    if (rc < 0)
        return rc;
    hub__link_add(list, &link.link);
    rc = hub__park_cancelable(&waiter, deadline_ns);
    if (hub__link_is_linked(&link.link))
        hub__link_remove(list, &link.link);
    return rc;
}

int hub_work_get(struct hub_work *work, int64_t deadline_ns, void **result)
{
    struct hub_threadpool *pool = work->pool;
    int rc = 0;

    if (!work->ready) {
        rc = check_owner(pool);
        if (rc == 0)
            rc = wait_for(&work->links, &waits_for_work, work, deadline_ns);
        if (rc < 0)
            return rc;
    }
    if (work->orphan)
        return -ECANCELED;
    if (result != NULL)
        *result = work->result;
    return work->rc;
}

int hub_work_cancel(struct hub_work *work)
{
    struct hub_threadpool *pool = work->pool;
    int rc = 0;

    if (work->ready)
        return -EALREADY;
    rc = check_owner(pool);
    if (rc < 0)
        return rc;
    if (!hub__workpool_take_back(pool, work))
        return -EBUSY;
    pool->hub->active--;
    give_up(work);
    return 0;
}

void hub_work_unref(struct hub_work *work)
{
    hub__work_drop(work);
}

/* ---- work as an object ---- */

static bool object_ready(const void *work)
{
    return hub_work_ready(work);
}

static int object_link(const struct hub_object *object, struct hub__link *link)
{
    struct hub_work *work = object->pointer;
    int rc;

    if (work->ready)
        return 1;
    rc = check_owner(work->pool);
    if (rc == 0)
        hub__link_add(&work->links, link);
    return rc;
}

static bool object_unlink(const struct hub_object *object,
                          struct hub__link *link)
{
    struct hub_work *work = object->pointer;

    if (!hub__link_is_linked(link))
        return false;
    hub__link_remove(&work->links, link);
    return true;
}

static const struct hub_object_ops results = { &waits_for_work, object_ready,
                                               object_link, object_unlink };

struct hub_object hub_work_object(struct hub_work *work)
{
    return (struct hub_object){ &results, work };
}

/* ---- join, kill ---- */

int hub_threadpool_join(struct hub_threadpool *pool, int64_t deadline_ns)
{
    int rc = check_owner(pool);

    while (rc == 0 && pool->taken > 0)
        rc = wait_for(&pool->joiners, &waits_for_all, pool, deadline_ns);
    return rc;
}

int hub_threadpool_kill(struct hub_threadpool *pool, int64_t deadline_ns)
{
    struct hub_work *work, *next;
    int rc = check_owner(pool);

    if (rc < 0)
        return rc;
    pool->killed = true;
    for (work = pool->all; work != NULL; work = next) {
        next = work->all_next;
        hub_work_cancel(work);
    }
    give_places(pool);
    pthread_mutex_lock(&pool->lock);
    pool->abandoned = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    rc = hub_threadpool_join(pool, deadline_ns);
    if (pool->hub->threadpool == pool) {
        pool->hub->threadpool = NULL;
        hub_threadpool_unref(pool);
    }
    return rc;
}
