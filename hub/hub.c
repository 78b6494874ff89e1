/* hub.c - one hub per OS thread: the greenlet that runs the loop */
#include "hub/schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One turn after another: wait if nobody is ready, then let them run.  Control
 * comes back here when the ready list is empty or a poll is due. */
static void run_loop(struct greenlet *self)
{
    struct hub *hub = greenlet__word->os->hub;

    (void)self;
    for (;;) {
        bool idle = hub->ready_head == NULL &&
                    __atomic_load_n(&hub->remote, __ATOMIC_ACQUIRE) == NULL;

        /* Whoever left when nobody was ready may just have made one ready. */
        if (hub->ready_head == NULL || hub->poll_due)
            hub__loop_turn(hub, idle);
        hub->poll_due = false;
        hub__enter(hub);
        hub__take_remote(hub);
        hub->batch_last = hub->ready_tail;
        hub__exit(hub);
        hub__reschedule(hub);
    }
}

struct hub *hub__make(struct greenlet__os *os)
{
    struct hub *hub = calloc(1, sizeof *hub);

    if (hub == NULL)
        return NULL;
    hub->os = os;
    hub->greenlet = greenlet__make(256 * 1024);
    if (hub->greenlet == NULL || hub__loop_open(hub) < 0) {
        if (hub->greenlet != NULL)
            greenlet__free(hub->greenlet);
        free(hub);
        return NULL;
    }
    hub->greenlet->thread = os->first;
    hub->polled_at = hub_now();
    os->hub = hub;
    greenlet__prepare(hub->greenlet, hub->greenlet, run_loop);
    return hub;
}

void hub__exit_slow(struct hub *hub)
{
    __atomic_store_n(&hub->deferred, 0, __ATOMIC_SEQ_CST);
    hub__signal_deferred(hub);
    hub__lot_run_deferred(hub);
}

/* In the child of a fork() only the caller lives.  Whatever the others waited
 * for is forgotten; the loop is made anew, since an epoll is shared with the
 * parent. */
void hub__forked(struct greenlet__mapped *self, pid_t tid)
{
    struct greenlet__thread *thread = greenlet__thread_peek();
    struct hub *hub = thread != NULL ? thread->os->hub : NULL;

    hub__lot_forked();
    hub__offload_forked();
    if (thread == NULL)
        return;
    greenlet__threads_forked(thread->os);
    greenlet__tls_forked(self, tid);
    if (hub == NULL)
        return;
    hub->ready_head = hub->ready_tail = hub->batch_last = NULL;
    hub->heap_count = 0;
    hub->remote = NULL;
    hub->interruptible = NULL;
    hub->signal_seen = 0;
    hub->deferred = 0;
    memset(hub->deferred_keys, 0, sizeof hub->deferred_keys);
    hub->critical = 0;
    hub__watch_forked(hub);
    if (hub__loop_forked(hub) < 0)
        abort(); /* no descriptor left for a loop: nothing can ever wait */
    if (thread->current != hub->greenlet)
        greenlet__prepare(hub->greenlet, hub->greenlet, run_loop);
}
