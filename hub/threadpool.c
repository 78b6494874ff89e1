/* threadpool.c - real threads for what cannot be made cooperative
 *
 * Quick calls share at most 16 threads.  A call that may wait for another part
 * of the program never queues behind one that does: it gets an idle thread or
 * a new one.  Idle threads end after a second. */
#include "hub/hub_impl.h"
#include "hub/sight.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define QUICK_MAX 16
#define IDLE_SECONDS 1

/* On the stack of the greenlet that waits for it. */
struct job {
    struct job *next;
    struct job *next_of_all, **back; /* until its greenlet runs again */
    void (*function)(void *);
    void *arg;
    struct hub__waiter waiter;
    bool finished; /* under the lock */
};

static const struct hub__wait_kind waits_for_job = { "a thread of the pool",
                                                     NULL };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct job *first, **last = &first;
static struct job *all;
static unsigned idle;     /* threads that wait for work */
static unsigned awaited;  /* jobs on the list that an idle thread will take */
static unsigned threads;

static struct job *next_job(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += IDLE_SECONDS;
    while (first == NULL) {
        int rc;

        idle++;
        rc = pthread_cond_timedwait(&work, &lock, &until);
        idle--;
        if (rc == ETIMEDOUT && first == NULL)
            return NULL;
    }
    struct job *job = first;

    first = job->next;
    if (first == NULL)
        last = &first;
    if (awaited > 0)
        awaited--;
    return job;
}

static void *run_jobs(void *unused)
{
    struct job *job;

    pthread_mutex_lock(&lock);
    while ((job = next_job()) != NULL) {
        pthread_mutex_unlock(&lock);
        job->function(job->arg);
        pthread_mutex_lock(&lock);
        job->finished = true;
        hub__wake(&job->waiter, 0); /* gone once the lock is given up */
    }
    threads--;
    pthread_mutex_unlock(&lock);
    hub__own_thread_ends();
    return unused;
}

static void enlist(struct job *job)
{
    job->next_of_all = all;
    job->back = &all;
    if (all != NULL)
        all->back = &job->next_of_all;
    all = job;
}

static void delist(struct job *job)
{
    if (job->back == NULL)
        return;
    *job->back = job->next_of_all;
    if (job->next_of_all != NULL)
        job->next_of_all->back = job->back;
    job->back = NULL;
}

/* Under the lock: is there, or can there be made, a thread for one more job? */
static int provide_thread(enum hub__offload_kind kind)
{
    if (idle > awaited) {
        awaited++;
        return 0;
    }
    if (kind == HUB_OFFLOAD_QUICK && threads >= QUICK_MAX)
        return 0;
    threads++;
    if (hub__own_thread(run_jobs, NULL) == 0)
        return 0;
    threads--;
    return kind == HUB_OFFLOAD_QUICK && threads > 0 ? 0 : -EAGAIN;
}

/* Until a thread is done with what lies on this stack, whatever is thrown at the
 * greenlet meanwhile: the first of that is returned then.  In the child of a fork
 * there is no such thread: the job is on no list any more. */
static int await(struct job *job)
{
    int rc = hub__park(&job->waiter, HUB_FOREVER), first_error = rc;

    pthread_mutex_lock(&lock);
    while (job->back != NULL && !job->finished) {
        hub__waiter_init(&job->waiter);
        job->waiter.kind = &waits_for_job;
        pthread_mutex_unlock(&lock);
        rc = hub__park(&job->waiter, HUB_FOREVER);
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
    struct job job = { .function = function, .arg = arg };
    struct hub *hub = hub__peek();
    int rc;

    hub__waiter_init(&job.waiter);
    job.waiter.kind = &waits_for_job;
    pthread_mutex_lock(&lock);
    rc = provide_thread(kind);
    if (rc == 0) {
        *last = &job;
        last = &job.next;
        enlist(&job);
        pthread_cond_signal(&work);
    }
    pthread_mutex_unlock(&lock);
    if (rc < 0)
        return rc;
    if (hub != NULL)
        hub->active++;
    rc = await(&job);
    if (hub != NULL)
        hub->active--;
    return rc;
}

int hub_offload(void (*function)(void *arg), void *arg)
{
    if (hub__get() == NULL)
        return -EAGAIN;
    return hub__offload(function, arg, HUB_OFFLOAD_QUICK);
}

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
    first = NULL;
    last = &first;
    idle = awaited = threads = 0;
    for (job = all; job != NULL; job = next) {
        next = job->next_of_all;
        job->back = NULL;
        if (hub != NULL && job->waiter.hub == hub)
            hub__wake(&job->waiter, -ECANCELED);
    }
    all = NULL;
}
