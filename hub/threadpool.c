/* threadpool.c - real threads for what cannot be made cooperative
 *
 * Quick calls share at most 16 threads.  A call that may wait for another part
 * of the program never queues behind one that does: it gets an idle thread or
 * a new one.  Idle threads end after a second. */
#include "hub/hub_impl.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define QUICK_MAX 16
#define IDLE_SECONDS 1

/* On the stack of the greenlet that waits for it. */
struct job {
    struct job *next;
    void (*function)(void *);
    void *arg;
    struct hub__waiter waiter;
};

static const struct hub__wait_kind waits_for_job = { "a thread of the pool",
                                                     NULL };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct job *first, **last = &first;
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
        hub__wake(&job->waiter, 0); /* the job is gone from here on */
        pthread_mutex_lock(&lock);
    }
    threads--;
    pthread_mutex_unlock(&lock);
    return unused;
}

/* All signals blocked: handlers are for the program's threads. */
static int make_thread(void)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = greenlet__libc.pthread_create(&thread, &attr, run_jobs, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc;
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
    if (make_thread() == 0)
        return 0;
    threads--;
    return kind == HUB_OFFLOAD_QUICK && threads > 0 ? 0 : -EAGAIN;
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
        pthread_cond_signal(&work);
    }
    pthread_mutex_unlock(&lock);
    if (rc < 0)
        return rc;
    if (hub != NULL)
        hub->active++;
    hub__park(&job.waiter, HUB_FOREVER);
    if (hub != NULL)
        hub->active--;
    return 0;
}

int hub_offload(void (*function)(void *arg), void *arg)
{
    if (hub__get() == NULL)
        return -EAGAIN;
    return hub__offload(function, arg, HUB_OFFLOAD_QUICK);
}

unsigned hub__own_threads(void)
{
    unsigned count;

    pthread_mutex_lock(&lock);
    count = threads;
    pthread_mutex_unlock(&lock);
    return count;
}

void hub__offload_forked(void)
{
    memset(&lock, 0, sizeof lock);
    memset(&work, 0, sizeof work);
    first = NULL;
    last = &first;
    idle = awaited = threads = 0;
}
