/* threadpool.c - real threads for what cannot be made cooperative
 *
 * Quick calls share at most 16 threads.  A call that may wait for another part
 * of the program never queues behind one that does: it gets an idle thread or
 * a new one.  Idle threads end after a second. */
#include "hub/hub_impl.h"
#include "hub/sight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define QUICK_MAX 16
#define IDLE_SECONDS 1

enum job_state { QUEUED, RUNNING, FINISHED };

/* Under the lock.  On the stack of the greenlet that waits for it to the end; or,
 * owned, on the heap, and who has waited may leave: it is freed by whoever of
 * him and the thread is last. */
struct job {
    struct job *next;
    struct job *next_of_all, **back; /* until nobody needs it; NULL: forked */
    void (*function)(void *);
    void *arg;
    struct hub__waiter *waiter;  /* NULL: nobody waits any more */
    struct hub__owned how;       /* of one that is owned */
    int fd;                      /* that it works on, or -1 */
    uint8_t state;
    uint8_t promised; /* on that queue */
    uint8_t gone;     /* atomic: its fd was closed */
    uint8_t closes;   /* its fd is to be closed after it */
};

struct queue {
    struct job *first, **last;
    unsigned count;
};

static const struct hub__wait_kind waits_for_job = { "a thread of the pool",
                                                     NULL };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
/* There is a thread for each of the promised: it is idle, or was just made.  The
 * others take what turns up. */
static struct queue promised = { NULL, &promised.first, 0 };
static struct queue backlog = { NULL, &backlog.first, 0 };
static struct job *all;
static unsigned idle;    /* threads that wait for work */
static unsigned coming;  /* threads that were made and have not looked yet */
static unsigned threads;
static unsigned with_fd; /* atomic: jobs that work on one */
static __thread struct job *current;

/* ---- lists, under the lock ---- */

static void push(struct queue *queue, struct job *job)
{
    job->promised = queue == &promised;
    *queue->last = job;
    queue->last = &job->next;
    queue->count++;
}

static struct job *take(struct queue *queue, struct job **at)
{
    struct job *job = *at;

    *at = job->next;
    if (*at == NULL)
        queue->last = at;
    queue->count--;
    return job;
}

static void take_back(struct job *job)
{
    struct queue *queue = job->promised ? &promised : &backlog;
    struct job **at = &queue->first;

    while (*at != job)
        at = &(*at)->next;
    take(queue, at);
}

static void enlist(struct job *job)
{
    job->next_of_all = all;
    job->back = &all;
    if (all != NULL)
        all->back = &job->next_of_all;
    all = job;
    if (job->fd >= 0)
        __atomic_add_fetch(&with_fd, 1, __ATOMIC_RELAXED);
}

static void delist(struct job *job)
{
    if (job->back == NULL)
        return;
    *job->back = job->next_of_all;
    if (job->next_of_all != NULL)
        job->next_of_all->back = job->back;
    job->back = NULL;
    if (job->fd >= 0)
        __atomic_sub_fetch(&with_fd, 1, __ATOMIC_RELAXED);
}

static struct job *runs_on(int fd, const struct job *but)
{
    struct job *job;

    for (job = all; job != NULL; job = job->next_of_all)
        if (job->fd == fd && job != but && job->state == RUNNING)
            break;
    return job;
}

/* ---- a thread ---- */

static struct job *next_job(void)
{
    struct timespec until;
    struct queue *queue;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += IDLE_SECONDS;
    while (promised.first == NULL && backlog.first == NULL) {
        int rc;

        idle++;
        rc = pthread_cond_timedwait(&work, &lock, &until);
        idle--;
        if (rc == ETIMEDOUT && promised.first == NULL && backlog.first == NULL)
            return NULL;
    }
    queue = promised.first != NULL ? &promised : &backlog;
    return take(queue, &queue->first);
}

/* Its number is free for others when the last job that may use it has ended. */
static void close_after(struct job *job)
{
    struct job *other = runs_on(job->fd, job);

    if (other != NULL)
        other->closes = 1;
    else
        close(job->fd);
}

/* Who waits has it, once the lock is given up; or nobody: true. */
static bool finish(struct job *job)
{
    job->state = FINISHED;
    if (job->closes)
        close_after(job);
    if (job->waiter != NULL) {
        hub__wake(job->waiter, 0);
        return false;
    }
    delist(job);
    return true;
}

static void drop_arg(const struct job *job)
{
    if (job->how.drop != NULL)
        job->how.drop(job->arg);
}

static void *run_jobs(void *unused)
{
    struct job *job;

    pthread_mutex_lock(&lock);
    coming--;
    while ((job = next_job()) != NULL) {
        job->state = RUNNING;
        current = job;
        pthread_mutex_unlock(&lock);
        job->function(job->arg);
        pthread_mutex_lock(&lock);
        current = NULL;
        if (!finish(job))
            continue;
        pthread_mutex_unlock(&lock);
        drop_arg(job);
        free(job);
        pthread_mutex_lock(&lock);
    }
    threads--;
    pthread_mutex_unlock(&lock);
    hub__own_thread_ends();
    return unused;
}

bool hub__offload_fd_gone(void)
{
    return current != NULL && __atomic_load_n(&current->gone, __ATOMIC_RELAXED);
}

/* ---- a job for it ---- */

/* Under the lock: a thread that does this job next, or, if it need not be so, one
 * that comes to it. */
static int provide_thread(struct job *job, enum hub__offload_kind kind)
{
    bool may_queue = kind == HUB_OFFLOAD_QUICK;

    if (idle + coming <= promised.count) {
        if (may_queue && threads >= QUICK_MAX) {
            push(&backlog, job);
            return 0;
        }
        threads++;
        coming++;
        if (hub__own_thread(run_jobs, NULL) < 0) {
            threads--;
            coming--;
            if (!may_queue || threads == 0)
                return -EAGAIN;
            push(&backlog, job);
            return 0;
        }
    }
    push(&promised, job);
    return 0;
}

static int post(struct job *job, enum hub__offload_kind kind)
{
    int rc;

    pthread_mutex_lock(&lock);
    rc = provide_thread(job, kind);
    if (rc == 0) {
        enlist(job);
        pthread_cond_signal(&work);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

/* Until a thread is done with what lies on this stack, whatever is thrown at the
 * greenlet meanwhile: the first of that is returned then.  In the child of a fork
 * there is no such thread: the job is on no list any more. */
static int await(struct job *job, int first_error)
{
    int rc;

    pthread_mutex_lock(&lock);
    while (job->back != NULL && job->state != FINISHED) {
        hub__waiter_init(job->waiter);
        job->waiter->kind = &waits_for_job;
        pthread_mutex_unlock(&lock);
        rc = hub__park(job->waiter, HUB_FOREVER);
        if (first_error == 0)
            first_error = rc;
        pthread_mutex_lock(&lock);
    }
    delist(job);
    pthread_mutex_unlock(&lock);
    return first_error;
}

int hub__offload(void (*function)(void *), void *arg,
                 enum hub__offload_kind kind)
{
    struct hub__waiter waiter;
    struct job job = {
        .function = function, .arg = arg, .waiter = &waiter, .fd = -1
    };
    struct hub *hub = hub__peek();
    int rc;

    hub__waiter_init(&waiter);
    waiter.kind = &waits_for_job;
    rc = post(&job, kind);
    if (rc < 0)
        return rc;
    if (hub != NULL)
        hub->active++;
    rc = await(&job, hub__park(&waiter, HUB_FOREVER));
    if (hub != NULL)
        hub->active--;
    return rc;
}

/* ---- for programs: who waits can be cancelled ---- */

/* True: it never begins. */
static bool call_off(struct job *job)
{
    bool queued;

    pthread_mutex_lock(&lock);
    queued = job->state == QUEUED;
    if (queued && job->back != NULL) {
        take_back(job);
        delist(job);
    }
    pthread_mutex_unlock(&lock);
    return queued;
}

/* A scope that ends stops what has not begun; what has is waited for, and the next
 * wait says so.  What is thrown stops nothing. */
static int await_or_call_off(struct job *job)
{
    int rc = hub__park_cancelable(job->waiter, HUB_FOREVER);
    bool ended = rc < 0 && rc == hub_canceled();

    if (ended && call_off(job))
        return rc;
    return await(job, ended ? 0 : rc);
}

int hub_offload(void (*function)(void *arg), void *arg)
{
    struct hub__waiter waiter;
    struct job job = {
        .function = function, .arg = arg, .waiter = &waiter, .fd = -1
    };
    struct hub *hub = hub__get();
    int rc = hub != NULL ? hub__waiter_begin(&waiter, &waits_for_job, NULL)
                         : -EAGAIN;

    if (rc < 0)
        return rc;
    if (unlikely(hub_canceled() != 0))
        return hub__park_cancelable(&waiter, HUB_FOREVER);
    rc = post(&job, HUB_OFFLOAD_QUICK);
    if (rc < 0)
        return rc;
    hub->active++;
    rc = await_or_call_off(&job);
    hub->active--;
    return rc;
}

/* Who has waited leaves.  True: the job is his, and nobody else's. */
static bool leave(struct job *job, int rc)
{
    bool ours;

    pthread_mutex_lock(&lock);
    job->waiter = NULL;
    if (job->back == NULL) { /* the child of a fork */
        ours = true;
    } else if (job->state == QUEUED && rc < 0 && !job->how.anyway) {
        take_back(job);
        ours = true;
    } else {
        ours = job->state == FINISHED;
    }
    if (ours)
        delist(job);
    pthread_mutex_unlock(&lock);
    return ours;
}

/* A job that is RUNNING and ours: in the parent of this fork, who knows how far. */
static int await_owned(struct job *job, int64_t deadline_ns)
{
    struct hub *hub = hub__peek();
    int rc;

    hub->active++;
    rc = hub__park_cancelable(job->waiter, deadline_ns);
    hub->active--;
    if (!leave(job, rc))
        return rc;
    if (rc < 0 && job->state != RUNNING)
        drop_arg(job);
    free(job);
    return rc;
}

int hub__offload_owned(const struct hub__owned *owned, void *arg, int fd,
                       int64_t deadline_ns)
{
    struct hub__waiter waiter;
    struct job *job = greenlet__calloc(1, sizeof *job);
    int rc = job != NULL && hub__get() != NULL ? 0 : -ENOMEM;

    if (rc == 0)
        rc = hub__waiter_begin(&waiter, &waits_for_job, NULL);
    if (rc == 0 && !owned->anyway && unlikely(hub_canceled() != 0))
        rc = hub__park_cancelable(&waiter, HUB_FOREVER);
    if (rc == 0) {
        *job = (struct job){ .function = owned->function, .arg = arg,
                             .waiter = &waiter, .how = *owned, .fd = fd };
        rc = post(job, owned->kind);
    }
    if (rc == 0)
        return await_owned(job, deadline_ns);
    if (owned->drop != NULL)
        owned->drop(arg);
    free(job);
    return rc;
}

int hub_offload_owned(void (*function)(void *arg), void *arg,
                      void (*drop)(void *arg), int64_t deadline_ns)
{
    const struct hub__owned how = { .function = function, .drop = drop,
                                    .kind = HUB_OFFLOAD_QUICK };

    return hub__offload_owned(&how, arg, -1, deadline_ns);
}

/* ---- an fd is closed ---- */

void hub__offload_fd_closed(int fd)
{
    struct job *job, *next;

    if (likely(__atomic_load_n(&with_fd, __ATOMIC_RELAXED) == 0) || fd < 0)
        return;
    pthread_mutex_lock(&lock);
    for (job = all; job != NULL; job = next) {
        next = job->next_of_all;
        if (job->fd != fd || job->state == FINISHED)
            continue;
        __atomic_store_n(&job->gone, 1, __ATOMIC_RELAXED);
        if (job->waiter != NULL)
            hub__wake(job->waiter, -EBADF);
    }
    pthread_mutex_unlock(&lock);
}

bool hub__offload_closes(int fd)
{
    struct job *job = NULL;

    if (likely(__atomic_load_n(&with_fd, __ATOMIC_RELAXED) == 0) || fd < 0)
        return false;
    pthread_mutex_lock(&lock);
    job = runs_on(fd, NULL);
    if (job != NULL)
        job->closes = 1;
    pthread_mutex_unlock(&lock);
    return job != NULL;
}

/* ---- fork ---- */

void hub__offload_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void hub__offload_after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

void hub__offload_forked(struct hub *hub)
{
    struct job *job, *next;

    memset(&lock, 0, sizeof lock);
    memset(&work, 0, sizeof work);
    promised = (struct queue){ NULL, &promised.first, 0 };
    backlog = (struct queue){ NULL, &backlog.first, 0 };
    idle = coming = threads = with_fd = 0;
    for (job = all; job != NULL; job = next) {
        next = job->next_of_all;
        job->back = NULL;
        if (hub != NULL && job->waiter != NULL && job->waiter->hub == hub)
            hub__wake(job->waiter, -ECANCELED);
    }
    all = NULL;
}
