/* spawn.c - greenlets that the hub runs: start, end, join, kill
 *
 * A spawned greenlet holds a reference to itself from its start until it has left
 * its stack, so that it runs on when its maker is not interested. */
#include "hub/schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct greenlet *itself(const void *object)
{
    return object;
}

static const struct hub__wait_kind waits_for_end = { "the end of greenlet",
                                                     itself };
static const struct hub__wait_kind sleeps = { "a time to come", NULL };

/* ---- the end ---- */

/* What it failed with, or by which exit it ended, is kept for who asks. */
static __attribute__((noinline)) int keep_failure(struct greenlet *self, int rc)
{
    struct hub__own *own = hub__own(self);
    struct greenlet_exception record;
    struct hub__more *more = hub__more(self);

    if (rc > 0)
        rc = -EIO; /* no errno of ours, and no result */
    greenlet__take_raised(self, rc, &record);
    if (more == NULL) {
        greenlet_exception_clear(&record);
        return rc;
    }
    more->failed = record;
    if (!(own->flags & HUB__QUIET))
        hub__handle_error(self->thread->os->hub, self, &record);
    return greenlet_class_is(record.cls, &greenlet_exit_class) ? 0 : rc;
}

/* Whoever joins is of this hub, and nobody else can wake it. */
static inline void wake_joiner(struct hub *hub, struct hub__waiter *waiter)
{
    if (waiter->state != WAITER_WAITING)
        return;
    waiter->state = WAITER_CLAIMED;
    hub__push_ready(hub, waiter->greenlet);
}

static void join_ends(struct hub__link *link)
{
    struct hub__waiter *waiter =
        container_of(link, struct hub__wait_link, link)->waiter;

    hub__enter(waiter->hub);
    wake_joiner(waiter->hub, waiter);
    hub__exit(waiter->hub);
}

static inline bool is_done(const struct greenlet *g)
{
    return (hub__own((struct greenlet *)g)->flags & HUB__DONE) != 0 ||
           greenlet__read(g->state) >= GREENLET_LEAVING;
}

/* The result is there: whoever waits for it may run. */
static inline void finish(struct greenlet *self, int rc, void *value)
{
    struct hub__own *own = hub__own(self);
    struct hub__link *link = own->links;

    self->hub_kept[HUB_KEPT_RESULT] = value;
    own->rc = rc;
    own->flags |= HUB__DONE;
    if (link == NULL)
        return;
    if (likely(link->next == link && link->notify == join_ends)) {
        own->links = link->next = NULL;
        join_ends(link);
    } else {
        hub__link_notify(&own->links);
    }
}

/* ---- the beginning ---- */

/* Killed, or run by somebody else, before its body began. */
static __attribute__((noinline)) int refuse_to_begin(struct greenlet *self)
{
    struct hub__own *own = hub__own(self);
    int rc = self->arrival != 0 ? hub__run_by_other(self, NULL) : 0;

    if (rc == 0 && own->pending != 0) {
        if (own->more != NULL && own->more->killed.cls != NULL) {
            rc = greenlet_raise(&own->more->killed);
            memset(&own->more->killed, 0, sizeof own->more->killed);
        } else {
            rc = own->pending;
        }
    }
    return rc;
}

static void run_task(struct greenlet *self)
{
    struct hub__own *own = hub__own(self);
    greenlet_run *run;
    void *value = NULL;
    int rc = 0;

    greenlet__write(self->state, GREENLET_ACTIVE);
    if (unlikely(own->flags & HUB__DONE))
        hub__leave(self->thread->os->hub); /* killed before it began */
    if (unlikely(self->arrival != 0 || own->pending != 0))
        rc = refuse_to_begin(self);
    if (likely(rc == 0)) {
        own->flags |= HUB__BEGUN;
        *(void **)&run = self->hub_kept[HUB_KEPT_FUNCTION];
        rc = run(self->hub_kept[HUB_KEPT_ARG], &value);
    }
    if (unlikely((self->has & HAS_MORE) != 0))
        greenlet__run_deferred(self);
    if (unlikely(rc != 0)) {
        rc = keep_failure(self, rc);
        value = NULL;
    }
    finish(self, rc, value);
    hub__leave(self->thread->os->hub);
}

/* ---- making ---- */

static inline struct greenlet *make(struct hub *hub, greenlet_run *run,
                                    void *arg, size_t stack_size)
{
    struct greenlet *g = hub__in_handler() ? NULL : greenlet__make(stack_size);

    if (unlikely(g == NULL))
        return NULL;
    *(greenlet_run **)(void *)&g->hub_kept[HUB_KEPT_FUNCTION] = run;
    g->hub_kept[HUB_KEPT_ARG] = arg;
    hub__own(g)->flags = HUB__SPAWNED;
    g->on_left = greenlet__drop_itself;
    hub->spawned++;
    if (unlikely(hub->on_spawn != NULL))
        hub->on_spawn(hub, g);
    return g;
}

/* It waits to be run, as one does that has yielded. */
static inline void start(struct hub *hub, struct greenlet *g)
{
    greenlet__prepare(g, g, run_task);
    greenlet__write(g->state, GREENLET_WAITING);
    hub__enter(hub);
    hub__push_ready(hub, g);
    hub__exit(hub);
}

struct greenlet *hub_spawn(greenlet_run *run, void *arg)
{
    struct hub *hub = hub__get();
    struct greenlet *g = hub != NULL ? make(hub, run, arg, 0) : NULL;

    if (unlikely(g == NULL))
        return NULL;
    g->refs = 2;
    start(hub, g);
    return g;
}

static void run_raw(struct greenlet *self)
{
    void (*function)(void *);

    greenlet__write(self->state, GREENLET_ACTIVE);
    if (hub__own(self)->flags & HUB__DONE)
        hub__leave(self->thread->os->hub);
    if (self->arrival != 0)
        hub__run_by_other(self, NULL);
    hub__own(self)->flags |= HUB__BEGUN;
    *(void **)&function = self->hub_kept[HUB_KEPT_FUNCTION];
    function(self->hub_kept[HUB_KEPT_ARG]);
    if (self->has & HAS_MORE)
        greenlet__run_deferred(self);
    finish(self, 0, NULL);
    hub__leave(self->thread->os->hub);
}

struct greenlet *hub_spawn_raw(void (*function)(void *arg), void *arg)
{
    struct hub *hub = hub__get();
    struct greenlet *g = hub != NULL ? make(hub, NULL, arg, 0) : NULL;

    if (g == NULL)
        return NULL;
    *(void (**)(void *))(void *)&g->hub_kept[HUB_KEPT_FUNCTION] = function;
    hub__own(g)->flags |= HUB__RAW;
    g->refs = 2;
    start(hub, g);
    g->entry = run_raw;
    return g;
}

struct greenlet *hub_greenlet_new(greenlet_run *run, void *arg,
                                  size_t stack_size)
{
    struct hub *hub = hub__get();

    return hub != NULL ? make(hub, run, arg, stack_size) : NULL;
}

static __attribute__((noinline, cold)) int
refuse_other(const struct greenlet *g)
{
    if (greenlet__tree_of(g) == greenlet__thread_self())
        return 0;
    return hub__fail(&hub_invalid_thread_class,
                     "the greenlet belongs to the hub of another thread");
}

static inline int check_owner(const struct greenlet *g)
{
    return likely(greenlet__read(g->thread) == greenlet__word)
               ? 0
               : refuse_other(g);
}

static bool is_new(const struct greenlet *g)
{
    const struct hub__own *own = hub__own((struct greenlet *)g);

    return (own->flags & (HUB__SPAWNED | HUB__DONE)) == HUB__SPAWNED &&
           greenlet__read(g->state) == GREENLET_NEW;
}

static void cancel_start_timer(struct hub *hub, struct greenlet *g)
{
    struct hub__more *more = hub__own(g)->more;

    if (more != NULL && more->start.slot != HUB__NO_INDEX) {
        hub__timer_remove(hub, &more->start);
        greenlet_unref(g);
    }
}

int hub_start(struct greenlet *g)
{
    struct hub *hub = hub__get();
    int rc = check_owner(g);

    if (rc < 0 || !is_new(g))
        return rc;
    greenlet_ref(g);
    cancel_start_timer(hub, g);
    start(hub, g);
    return 0;
}

static void start_fires(struct hub *hub, struct hub__timer *timer)
{
    struct greenlet *g = container_of(timer, struct hub__more, start)->greenlet;

    start(hub, g); /* with the reference of the timer */
}

int hub_start_later(struct greenlet *g, int64_t ns)
{
    struct hub *hub = hub__get();
    struct hub__more *more;
    int rc = check_owner(g);

    if (rc < 0 || !is_new(g))
        return rc;
    more = hub__more(g);
    if (more == NULL)
        return -ENOMEM;
    if (more->start.slot != HUB__NO_INDEX)
        return 0;
    hub__timer_init(&more->start, start_fires);
    more->start.early = 1;
    rc = hub__timer_add(hub, &more->start, hub_deadline(ns));
    if (rc == 0)
        greenlet_ref(g);
    return rc;
}

struct greenlet *hub_spawn_later(int64_t ns, greenlet_run *run, void *arg)
{
    struct greenlet *g = hub_greenlet_new(run, arg, 0);

    if (g != NULL && hub_start_later(g, ns) < 0) {
        greenlet_unref(g);
        return NULL;
    }
    return g;
}

/* ---- kill ---- */

/* Before its body began: its result is there, and it never will. */
static void end_unbegun(struct greenlet *g)
{
    struct hub__own *own = hub__own(g);
    struct hub__more *more = own->more;
    int rc = own->pending;

    greenlet_ref(g);
    if (more != NULL) {
        cancel_start_timer(g->thread->os->hub, g);
        more->failed = more->killed;
        memset(&more->killed, 0, sizeof more->killed);
        if (more->failed.cls != NULL &&
            !greenlet_class_is(more->failed.cls, &greenlet_exit_class))
            hub__handle_error(g->thread->os->hub, g, &more->failed);
        else
            rc = 0;
    }
    if (rc == -ECANCELED)
        rc = 0;
    finish(g, rc, NULL);
    greenlet_unref(g);
}

static void kill_it(struct greenlet *g)
{
    struct hub__own *own = hub__own(g);

    own->flags |= HUB__KILLED;
    hub__scopes_changed(g);
    if ((own->flags & (HUB__SPAWNED | HUB__BEGUN | HUB__DONE)) == HUB__SPAWNED)
        end_unbegun(g);
}

int hub_kill(struct greenlet *g)
{
    int rc = check_owner(g);

    if (rc == 0 && !hub_ready(g) && !(hub__own(g)->flags & HUB__KILLED))
        kill_it(g);
    return rc;
}

int hub_kill_with(struct greenlet *g,
                  const struct greenlet_exception *exception)
{
    struct greenlet_exception record = *exception;
    struct hub__more *more = NULL;
    int rc = check_owner(g);

    if (rc == 0 && record.cls == NULL)
        rc = -EINVAL;
    if (rc == 0 && (hub_ready(g) || (hub__own(g)->flags & HUB__KILLED)))
        goto unused;
    if (rc == 0 && (more = hub__more(g)) == NULL)
        rc = -ENOMEM;
    if (rc < 0)
        goto unused;
    if (record.origin == NULL)
        record.origin = __builtin_return_address(0);
    more->killed = record;
    kill_it(g);
    return 0;
unused:
    greenlet_exception_clear(&record);
    return rc;
}

/* ---- looking, and waiting for the end ---- */

bool hub_ready(const struct greenlet *g)
{
    return is_done(g);
}

bool hub_successful(const struct greenlet *g)
{
    return hub_ready(g) && hub__own((struct greenlet *)g)->rc == 0;
}

const struct greenlet_exception *hub_exception(const struct greenlet *g)
{
    const struct hub__own *own = hub__own((struct greenlet *)g);

    return hub_ready(g) && own->more != NULL && own->more->failed.cls != NULL
               ? &own->more->failed
               : NULL;
}

/* noinline: a part of it that gcc splits off would end by a plain `ret`. */
HUB__SWITCHES __attribute__((noinline)) int hub_join(struct greenlet *g, int64_t deadline_ns)
{
    struct hub__waiter waiter;
    struct hub__wait_link link;
    int rc;

    if (is_done(g))
        return 0;
    rc = check_owner(g);
    if (rc < 0)
        return rc;
    rc = hub__waiter_begin_inline(&waiter, &waits_for_end, g);
    if (rc < 0)
        return rc;
    if (g == waiter.greenlet)
        return -EDEADLK;
    link.link.notify = join_ends;
    link.waiter = &waiter;
    hub__link_add(&hub__own(g)->links, &link.link);
    rc = hub__park_cancelable_inline(&waiter, deadline_ns);
    if (hub__link_is_linked(&link.link))
        hub__link_remove(&hub__own(g)->links, &link.link);
    return rc;
}

int hub_get(struct greenlet *g, int64_t deadline_ns, void **result)
{
    int rc = hub_join(g, deadline_ns);
    const struct hub__own *own = hub__own(g);

    if (rc < 0)
        return rc;
    if (result != NULL)
        *result = (own->flags & HUB__DONE) && own->rc == 0
                      ? g->hub_kept[HUB_KEPT_RESULT]
                      : NULL;
    return own->rc;
}

/* ---- sleep ---- */

static int sleep_until(int64_t deadline_ns, bool unreferenced)
{
    struct hub__waiter waiter;
    int rc;

    rc = hub__waiter_begin_inline(&waiter, &sleeps, NULL);
    if (rc < 0)
        return rc;
    waiter.timer.early = 1;
    waiter.timer.unreferenced = unreferenced;
    rc = hub__park_cancelable_inline(&waiter, deadline_ns);
    if (rc != -ETIMEDOUT || waiter.greenlet == NULL)
        return rc == -ETIMEDOUT ? 0 : rc;
    return hub__own(waiter.greenlet)->pending; /* its own end, or a scope's? */
}

int hub_sleep_until(int64_t deadline_ns)
{
    return sleep_until(deadline_ns, false);
}

int hub_sleep_unreferenced(int64_t ns)
{
    return sleep_until(hub_deadline(ns), true);
}

int hub_sleep(int64_t ns)
{
    return ns > 0 ? sleep_until(hub_deadline(ns), false)
                  : hub__yield_cancelable();
}
