/* workpool.h - the inside of thread pools: workpool.c has the threads, work.c the
 * side of the hub
 *
 * Under `lock`: what threads and the hub share.  The rest is the hub's. */
#ifndef HUB_WORKPOOL_H
#define HUB_WORKPOOL_H

#include "hub/hub_impl.h"
#include "hub/threadpool.h"

#include <pthread.h>

enum hub__work_state { WORK_QUEUED, WORK_RUNNING, WORK_DONE };

struct hub_work {
    struct hub_callback callback; /* brings it back to the hub */
    struct hub_work *next;        /* in the queue */
    struct hub_work *all_next, **all_back;
    struct hub_threadpool *pool; /* counted */
    greenlet_run *run;
    void *arg, *result;
    int rc;
    struct greenlet_exception failed;
    struct hub__link *links; /* who waits for it */
    uint32_t refs;           /* atomic */
    uint8_t state;           /* under the lock */
    uint8_t ready;           /* for the hub: it has its result */
    uint8_t orphan;          /* the hub has closed: its result goes nowhere */
};

struct hub_threadpool {
    struct hub__part part;
    uint32_t refs;  /* atomic: its hub's, of threads, of work */
    uint32_t users; /* atomic: the program's */
    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct hub *hub; /* NULL: it has closed; written by it alone */
    struct hub_work *first, **last;
    uint32_t maxsize, threads, idle, queued, running;
    int64_t idle_ns;
    bool abandoned; /* nobody gives it work any more */
    /* the hub's */
    uint32_t queue;      /* limit */
    uint32_t taken;      /* places: work that has no result yet */
    bool killed;
    struct hub_work *all; /* without result */
    struct hub__link *turns;   /* who waits for a place */
    struct hub__link *joiners; /* who waits for all to be done */
};

/* workpool.c */
void hub__workpool_open(struct hub_threadpool *pool);
void hub__workpool_reopen(struct hub_threadpool *pool); /* after a fork() */
/* Queue it.  Returns 0, or -EAGAIN: there is no thread, nothing was done. */
int hub__workpool_put(struct hub_threadpool *pool, struct hub_work *work);
bool hub__workpool_take_back(struct hub_threadpool *pool,
                             struct hub_work *work);
void hub__workpool_rouse(struct hub_threadpool *pool); /* limits changed */
bool hub__workpool_serves(const struct hub_threadpool *pool); /* this thread */
void hub__workpool_drop(struct hub_threadpool *pool);
void hub__work_drop(struct hub_work *work);

#endif
