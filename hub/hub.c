/* hub.c - one hub per OS thread: the greenlet that runs the loop */
#include "hub/config.h"
#include "hub/schedule.h"
#include "hub/testhook.h"
#include "hub/sight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN_NS HUB_SECOND /* whether nothing is left, see dry.c */

bool hub__lenient;
static unsigned last_id;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool is_idle(const struct hub *hub)
{
    return hub->ready_head == NULL && hub->hogs.head == NULL &&
           __atomic_load_n(&hub->remote, __ATOMIC_ACQUIRE) == NULL &&
           __atomic_load_n(&hub->remote_calls, __ATOMIC_ACQUIRE) == NULL;
}

/* Whoever becomes ready from here on until it has polled wakes it (hub__rouse()), and so
 * does what other threads push then (hub__ring_end()).  False: somebody is already. */
static bool dozes_off(struct hub *hub)
{
    __atomic_store_n(&hub->dozes, true, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return is_idle(hub) && hub->idlers == NULL && hub->closing == NULL;
}

/* Nobody is ready.  How long may the loop sleep? */
static int64_t may_sleep(struct hub *hub)
{
    if (!dozes_off(hub))
        return 0;
    if (likely(hub->active > 0 || hub__lenient))
        return HUB_FOREVER;
    /* Main may be woken, and run, there. */
    __atomic_store_n(&hub->dozes, false, __ATOMIC_RELAXED);
    return hub__ran_dry(hub) || !dozes_off(hub) ? 0 : LOOK_AGAIN_NS;
}

/* Somebody switched to the loop's greenlet, or one that it is the parent of ended
 * into it: what was thrown is reported. */
static void take_arrival(struct hub *hub, struct greenlet *self)
{
    if (hub__run_by_other(self, NULL) < 0 && greenlet_caught_peek() != NULL)
        hub__handle_error(hub, NULL, greenlet_caught_peek());
}

/* The interval, and the 50 between looks at the clock, begin anew: whoever is
 * ready now has them whole. */
static void polled(struct hub *hub)
{
    hub->poll_due = false;
    __atomic_store_n(&hub->listens, false, __ATOMIC_RELAXED);
    hub->polled_at = hub->now;
    if (!HUB__SHUFFLES(hub))
        hub->look_at =
            hub->switches + (hub->hogs.runs == NULL ? TICKS_A_LOOK : 0);
}

/* One turn after another: callbacks that are next; then the loop, if nobody is
 * ready or it is due; then whoever is ready.  Control comes back here when the
 * ready list is empty, a callback is next, or a poll is due. */
static void run_loop(struct greenlet *self)
{
    struct hub *hub = greenlet__word->os->hub;

    for (;;) {
        if (unlikely(self->arrival != 0))
            take_arrival(hub, self);
        hub__callbacks_run(hub);
        if (unlikely(hub->closing != NULL))
            break; /* before it could find that it has run dry */
        if (hub->ready_head == NULL || hub->poll_due) {
            hub__loop_turn(hub, hub->ready_head == NULL ? may_sleep(hub) : 0);
            if (unlikely(greenlet__read(hub__monitor_dozes)))
                hub__monitor_loop_wakes(hub);
            if (unlikely(hub->idlers != NULL) && is_idle(hub))
                hub__idle_wake(hub);
            polled(hub);
            hub__enter(hub);
            hub__take_remote(hub);
            hub->batch_last = hub->ready_tail;
            hub__exit(hub);
            if (unlikely(hub->hogs.head != NULL))
                hub__hogs_take(hub);
        }
        hub__reschedule(hub);
    }
    hub__closed(hub);
}

static void start_up(void)
{
    hub__waiters_start();
    hub__dry_start();
    hub__fork_start();
    hub__options_start();
}

void (*hub__made)(struct greenlet__thread *thread);

struct hub *hub__make(struct greenlet__os *os)
{
    struct hub *hub = greenlet__calloc(1, sizeof *hub);

    pthread_once(&once, start_up);
    if (hub == NULL)
        return NULL;
    hub->os = os;
    hub->main = &os->first->main;
    hub__heir_take(hub);
    hub->greenlet = greenlet__make(256 * 1024);
    if (hub->greenlet == NULL || hub__loop_open(hub) < 0)
        goto undo;
    greenlet__write(hub->greenlet->thread, os->first); /* others look at it */
    hub__timer_late_init(hub);
    hub__shuffle_start(hub);
    hub->polled_at = hub->now = hub_now();
    hub->look_at = TICKS_A_LOOK;
    hub->poll_every = hub__lenient
                          ? POLL_EVERY_LENIENT_NS
                          : hub_config_number(HUB_OPTION_SWITCH_INTERVAL);
    hub->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    if (hub__sight_make(hub) < 0) {
        hub__loop_close(hub);
        goto undo;
    }
    os->hub = hub;
    os->hub_id = hub->id;
    os->loop = hub->greenlet;
    os->hub_close = hub__thread_ends;
    greenlet__prepare(hub->greenlet, hub->greenlet, run_loop);
    if (hub__made != NULL)
        hub__made(greenlet__word);
    hub__sight_open(hub);
    return hub;
undo:
    if (hub->heir)
        hub__heir_keep(hub);
    if (hub->greenlet != NULL)
        greenlet__free(hub->greenlet);
    free(hub);
    return NULL;
}

struct hub *hub_current(void)
{
    return hub__get();
}

struct greenlet *hub_greenlet(const struct hub *hub)
{
    return hub->greenlet;
}

unsigned hub_id(const struct hub *hub)
{
    return hub->id;
}

int64_t hub_set_switch_interval(int64_t ns)
{
    struct hub *hub = hub__get();
    int64_t before = hub != NULL ? hub->poll_every : POLL_EVERY_NS;

    if (hub != NULL)
        hub->poll_every = ns > 0 ? ns : 0;
    return before;
}

void hub__exit_slow(struct hub *hub)
{
    __atomic_store_n(&hub->deferred, 0, __ATOMIC_SEQ_CST);
    hub__signal_deferred(hub);
    hub__lot_run_deferred(hub);
}

/* Stacks of other threads may be unmapped, and none is looked at.  The memory
 * stays: the child's waits find it. */
static void forget_timers(struct hub__heap *heap)
{
    heap->count = heap->due_count = heap->slots = 0;
    heap->free = HUB__NO_INDEX;
}

/* Nothing that waited is known any more. */
static void forget_all(struct hub *hub)
{
    hub->ready_head = hub->ready_tail = hub->batch_last = NULL;
    hub->hogs = (struct hub__hogs){ .head = NULL };
    hub->late.queued = 0;
    hub->active = 0;
    if (hub__lenient)
        forget_timers(&hub->heap);
    else
        hub__timers_forked(hub);
    hub->remote = NULL;
    hub->remote_calls = NULL;
    hub->interruptible = NULL;
    hub->idlers = NULL;
    hub->drainer = NULL;
    hub->signal_seen = 0;
    hub->deferred = 0;
    memset(hub->deferred_keys, 0, sizeof hub->deferred_keys);
    hub->critical = 0;
    hub->poll_due = false;
    hub__watch_forked(hub);
}

/* In the child of a fork() only the caller lives.  Whatever the others waited
 * for is forgotten; the loop is made anew, since an epoll is shared with the
 * parent. */
static int renew(struct greenlet__thread *thread, struct hub *hub)
{
    const bool keep = !hub__lenient && hub__fork_keeps();
    int rc;

    if (!keep)
        forget_all(hub);
    if (!keep && !hub__lenient)
        hub__others_are_gone(hub);
    hub__sight_forked(hub);
    rc = hub__loop_forked(hub);
    if (rc < 0)
        return rc;
    hub__parts_tell(hub, keep ? HUB__PART_ALL : HUB__PART_ALONE);
    if (keep)
        hub__watch_anew(hub);
    else if (thread->current != hub->greenlet)
        greenlet__prepare(hub->greenlet, hub->greenlet, run_loop);
    return rc;
}

static void threads_are_gone(struct hub *hub)
{
    const bool keep = hub != NULL && !hub__lenient && hub__fork_keeps();

    hub__own_threads_forked();
    if (keep)
        hub__lot_forked_with(hub);
    else
        hub__lot_forked();
    hub__locals_forked();
    hub__offload_forked(keep ? hub : NULL);
    hub__signals_forked(hub);
    hub__children_forked(keep);
}

void hub__forked(struct greenlet__mapped *self, pid_t tid)
{
    struct greenlet__thread *thread = greenlet__thread_peek();
    struct hub *hub = thread != NULL ? thread->os->hub : NULL;

    threads_are_gone(hub);
    if (hub == NULL)
        hub__sight_forked(NULL);
    if (thread == NULL)
        return;
    greenlet__threads_forked(thread->os);
    greenlet__tls_forked(self, tid);
    if (hub != NULL && renew(thread, hub) < 0) {
        hub__say(NULL, "vireo: no memory, or no descriptor, for the loop of a "
                       "child of fork(): nothing in it could ever wait\n");
        abort();
    }
}

int hub_reinit(void)
{
    struct hub *hub = hub__peek();

    threads_are_gone(hub);
    if (hub == NULL)
        hub__sight_forked(NULL);
    return hub != NULL ? renew(greenlet__word, hub) : 0;
}
