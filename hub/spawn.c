/* spawn.c - greenlets that the hub runs: start, end, join
 *
 * A spawned greenlet holds a reference to itself from its start until it has left
 * its stack, so that it runs on when its maker is not interested. */
#include "context/fresh.h"
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

/* ---- the end ---- */

/* What it caught, or was killed with, if that has this error; or a new one. */
static void take_record(struct greenlet *self, struct hub__more *more, int rc,
                        struct greenlet_exception *record)
{
    bool caught = (self->has & HAS_CAUGHT) &&
                  greenlet__error_of(&self->caught) == rc;

    if (!caught && more != NULL && more->killed.cls != NULL &&
        greenlet__error_of(&more->killed) == rc) {
        *record = more->killed;
        memset(&more->killed, 0, sizeof more->killed);
    } else if (!caught && rc == -ETIMEDOUT) {
        *record = (struct greenlet_exception){ .cls = &hub_timeout_class };
    } else {
        greenlet__take_raised(self, rc, record);
    }
}

/* What it failed with, or by which exit it ended, is kept for who asks. */
static __attribute__((noinline)) int keep_failure(struct greenlet *self, int rc)
{
    struct hub__own *own = hub__own(self);
    struct greenlet_exception record;
    struct hub__more *more = hub__more(self);

    if (rc > 0)
        rc = -EIO; /* no errno of ours, and no result */
    take_record(self, more, rc, &record);
    if (more == NULL) {
        greenlet_exception_clear(&record);
        return rc;
    }
    more->failed = record;
    if (greenlet_class_is(record.cls, &greenlet_exit_class))
        return 0;
    if (!(own->flags & HUB__QUIET))
        hub__handle_error(self->thread->os->hub, self, &record);
    return rc;
}

/* Whoever joins is of this hub, and nobody else can wake it. */
static inline void wake_joiner(struct hub *hub, struct hub__waiter *waiter)
{
    if (waiter->state != WAITER_WAITING)
        return;
    waiter->state = WAITER_CLAIMED;
    hub__push_ready(hub, waiter->greenlet);
}

static inline struct hub__waiter *joiner(struct hub__link *link)
{
    return container_of(link, struct hub__wait_link, link)->waiter;
}

static void join_ends(struct hub__link *link)
{
    struct hub__waiter *waiter = joiner(link);

    hub__enter(waiter->hub);
    wake_joiner(waiter->hub, waiter);
    hub__exit(waiter->hub);
}

static inline bool is_done(const struct greenlet *g)
{
    return (hub__own((struct greenlet *)g)->flags & HUB__DONE) != 0 ||
           greenlet__read(g->state) >= GREENLET_LEAVING;
}

static inline void keep_result(struct greenlet *self, int rc, void *value)
{
    *hub__result(self) = value;
    hub__own(self)->rc = rc;
    hub__own(self)->flags |= HUB__DONE;
}

void hub__finish(struct greenlet *g, int rc, void *value)
{
    keep_result(g, rc, value);
    hub__link_notify(&hub__own(g)->links);
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

/* The hub of one that was left suspended may have gone: then it ends in the next. */
static __attribute__((noinline, noreturn)) void
leave(const struct greenlet *self)
{
    struct hub *hub = self->thread->os->hub;

    hub__leave(likely(hub != NULL) ? hub : hub__get());
}

/* With nobody who waits for it, or one who joins: the frequent ends. */
static inline __attribute__((always_inline, noreturn)) void
finish_and_leave(struct greenlet *self, int rc, void *value)
{
    struct hub__link *link = hub__own(self)->links;
    struct hub *hub = self->thread->os->hub;
    struct greenlet *next;

    keep_result(self, rc, value);
    if (unlikely(hub == NULL ||
                 (link != NULL &&
                  (link->next != link || link->notify != join_ends)))) {
        hub__link_notify(&hub__own(self)->links);
        leave(self);
    }
    hub__enter(hub);
    if (link != NULL) {
        hub__own(self)->links = link->next = NULL;
        wake_joiner(hub, joiner(link));
    }
    next = hub__next_to_run(hub);
    hub__exit(hub);
    hub__leave_for(self, next);
}

static void run_task(struct greenlet *self)
{
    struct hub__own *own = hub__own(self);
    greenlet_run *run;
    void *value = NULL;
    int rc = 0;

    greenlet__write(self->state, GREENLET_ACTIVE);
    if (unlikely(own->flags & HUB__DONE))
        leave(self); /* killed before it began */
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
    finish_and_leave(self, rc, value);
}

/* ---- making ---- */

static inline __attribute__((always_inline)) struct greenlet *
make(struct hub *hub, greenlet_run *run, void *arg, size_t stack_size)
{
    struct greenlet__thread *self = greenlet__word;
    struct greenlet *g;

    if (unlikely((self->special & SPECIAL_SIGNAL) != 0))
        return NULL;
    if (likely(stack_size == 0 && greenlet__may_reuse(self->os)))
        g = greenlet__make_again(self, NULL, NULL, NULL);
    else
        g = greenlet__make(stack_size);
    if (unlikely(g == NULL))
        return NULL;
    *(greenlet_run **)(void *)&g->hub_kept[HUB_KEPT_FUNCTION] = run;
    g->hub_kept[HUB_KEPT_ARG] = arg;
    hub__own(g)->flags = HUB__SPAWNED;
    g->on_left = greenlet__drop_itself;
    hub__count(hub->spawned);
    return g;
}

/* It waits to be run, as one does that has yielded. */
static inline void start(struct hub *hub, struct greenlet *g)
{
    greenlet__prepare_inline(g, g, run_task);
    __atomic_store_n(&g->state, GREENLET_WAITING, __ATOMIC_RELEASE);
    hub__enter(hub);
    hub__push_ready(hub, g);
    hub__exit(hub);
}

/* A body that cannot be called, or no hub. */
static __attribute__((noinline)) struct greenlet *refuse(const void *hub)
{
    if (hub != NULL)
        greenlet__fail(-EINVAL, &greenlet_type_class,
                       "there is nothing to run");
    return NULL;
}

struct greenlet *hub_spawn(greenlet_run *run, void *arg)
{
    struct hub *hub = hub__get();
    struct greenlet *g;

    if (unlikely(hub == NULL || run == NULL))
        return refuse(hub);
    g = make(hub, run, arg, 0);
    if (unlikely(g == NULL))
        return NULL;
    g->refs = 2;
    if (unlikely(hub->on_spawn != NULL))
        hub->on_spawn(hub, g, HUB__MADE | HUB__STARTED,
                      __builtin_return_address(0));
    start(hub, g);
    return g;
}

static void run_raw(struct greenlet *self)
{
    void (*function)(void *);

    greenlet__write(self->state, GREENLET_ACTIVE);
    if (hub__own(self)->flags & HUB__DONE)
        leave(self);
    if (self->arrival != 0)
        hub__run_by_other(self, NULL);
    hub__own(self)->flags |= HUB__BEGUN;
    *(void **)&function = self->hub_kept[HUB_KEPT_FUNCTION];
    function(self->hub_kept[HUB_KEPT_ARG]);
    if (self->has & HAS_MORE)
        greenlet__run_deferred(self);
    finish_and_leave(self, 0, NULL);
}

struct greenlet *hub_spawn_raw(void (*function)(void *arg), void *arg)
{
    struct hub *hub = hub__get();
    struct greenlet *g;

    if (unlikely(hub == NULL || function == NULL))
        return refuse(hub);
    g = make(hub, NULL, arg, 0);
    if (g == NULL)
        return NULL;
    *(void (**)(void *))(void *)&g->hub_kept[HUB_KEPT_FUNCTION] = function;
    hub__own(g)->flags |= HUB__RAW;
    g->refs = 2;
    if (unlikely(hub->on_spawn != NULL))
        hub->on_spawn(hub, g, HUB__MADE | HUB__STARTED,
                      __builtin_return_address(0));
    start(hub, g);
    g->entry = run_raw;
    return g;
}

struct greenlet *hub_greenlet_new(greenlet_run *run, void *arg,
                                  size_t stack_size)
{
    struct hub *hub = hub__get();
    struct greenlet *g;

    if (unlikely(hub == NULL || run == NULL))
        return refuse(hub);
    g = make(hub, run, arg, stack_size);
    if (g != NULL && unlikely(hub->on_spawn != NULL))
        hub->on_spawn(hub, g, HUB__MADE, __builtin_return_address(0));
    return g;
}

struct greenlet *hub_spawn_with(const struct hub_spawn_options *options,
                                greenlet_run *run, void *arg)
{
    struct greenlet *g = hub_greenlet_new(run, arg, options->stack_size);

    if (g == NULL)
        return NULL;
    if (options->name != NULL)
        greenlet_set_name(g, options->name);
    if (options->delay_ns <= 0) {
        hub_start(g);
    } else if (hub_start_later(g, options->delay_ns) < 0) {
        greenlet_unref(g);
        return NULL;
    }
    return g;
}

/* From the loop's own greenlet: the new one begins now, and when it waits or
 * ends control comes back here, before whoever else is ready. */
static void run_at_once(struct hub *hub, struct greenlet *g)
{
    struct hub_callback back; /* on the ready list it is the loop's turn */

    greenlet__prepare(g, g, run_task);
    hub__callback_init(&back, hub, NULL, NULL);
    hub__ready_first(hub, (struct greenlet *)(void *)&back);
    greenlet__resume(g); /* with the reference that is its own */
    hub__unready(hub, (struct greenlet *)(void *)&back);
}

int hub__run_at_once(struct hub *hub, greenlet_run *run, void *arg)
{
    struct greenlet *g = make(hub, run, arg, 0);

    if (g == NULL)
        return -ENOMEM;
    run_at_once(hub, g);
    return 0;
}

int hub__run_told_at_once(struct hub *hub, size_t stack_size,
                          greenlet_run *run, void *arg)
{
    struct greenlet *g = make(hub, run, arg, stack_size);

    if (g == NULL)
        return -ENOMEM;
    if (unlikely(hub->on_spawn != NULL))
        hub->on_spawn(hub, g, HUB__MADE | HUB__STARTED,
                      __builtin_return_address(0));
    run_at_once(hub, g);
    return 0;
}

/* ---- whose it is ---- */

__attribute__((noinline, cold)) int hub__check_owner(const struct greenlet *g)
{
    const struct greenlet__thread *owner = greenlet__tree_of(g);
    char who[80];

    if (owner == greenlet__thread_self())
        return 0;
    greenlet_describe(g, who, sizeof who);
    return hub__not_yours(owner, who);
}

static inline int check_owner(const struct greenlet *g)
{
    return likely(greenlet__read(g->thread) == greenlet__word)
               ? 0
               : hub__check_owner(g);
}

static bool is_new(const struct greenlet *g)
{
    const struct hub__own *own = hub__own((struct greenlet *)g);

    return (own->flags & (HUB__SPAWNED | HUB__DONE)) == HUB__SPAWNED &&
           greenlet__read(g->state) == GREENLET_NEW;
}

void hub__cancel_start(struct hub *hub, struct greenlet *g)
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
    if (hub == NULL)
        return -ENOMEM;
    greenlet_ref(g);
    hub__cancel_start(hub, g);
    if (unlikely(hub->on_spawn != NULL))
        hub->on_spawn(hub, g, HUB__STARTED, __builtin_return_address(0));
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
    if (hub == NULL || more == NULL)
        return -ENOMEM;
    if (more->start.slot != HUB__NO_INDEX)
        return 0;
    hub__timer_init(&more->start, start_fires);
    more->start.early = 1;
    rc = hub__timer_add(hub, &more->start, hub_deadline(ns));
    if (rc < 0)
        return rc;
    greenlet_ref(g);
    if (unlikely(hub->on_spawn != NULL))
        hub->on_spawn(hub, g, HUB__STARTED, __builtin_return_address(0));
    return 0;
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

/* ---- looking, and waiting for the end ---- */

bool hub_ready(const struct greenlet *g)
{
    return is_done(g);
}

bool hub_dead(const struct greenlet *g)
{
    return hub_ready(g);
}

/* One that is to start later has been started. */
bool hub_active(const struct greenlet *g)
{
    const struct hub__own *own = hub__own((struct greenlet *)g);

    if (hub_ready(g))
        return false;
    return greenlet__is_active(g) ||
           (own->more != NULL && hub__timer_is_set(&own->more->start));
}

bool hub_successful(const struct greenlet *g)
{
    return hub_ready(g) && hub__rc(g) == 0;
}

const struct greenlet_exception *hub_exception(const struct greenlet *g)
{
    const struct hub__own *own = hub__own((struct greenlet *)g);

    return hub_ready(g) && own->more != NULL && own->more->failed.cls != NULL
               ? &own->more->failed
               : NULL;
}

/* The end of one that greenlet_new() made: nobody else looks at its links. */
static void left(struct greenlet *g)
{
    greenlet_ref(g); /* those who are told may give theirs up */
    hub__link_notify(&hub__own(g)->links);
    greenlet_unref(g);
}

static inline void end_link(struct greenlet *g, struct hub__link *link)
{
    struct hub__own *own = hub__own(g);

    if (unlikely(!(own->flags & HUB__SPAWNED)) && g->on_left == NULL)
        g->on_left = left;
    if (likely(own->links == NULL))
        own->links = link->next = link->prev = link;
    else
        hub__link_add(&own->links, link);
}

void hub__end_link(struct greenlet *g, struct hub__link *link)
{
    end_link(g, link);
}

void hub__end_unlink(struct greenlet *g, struct hub__link *link)
{
    hub__link_remove(&hub__own(g)->links, link);
}

/* noinline: a part of it that gcc splits off would end by a plain `ret`. */
HUB__SWITCHES __attribute__((noinline)) int hub_join(struct greenlet *g,
                                                     int64_t deadline_ns)
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
    end_link(g, &link.link);
    rc = hub__park_cancelable_inline(&waiter, deadline_ns);
    if (hub__link_is_linked(&link.link))
        hub__link_remove(&hub__own(g)->links, &link.link);
    return rc;
}

static int take_result(struct greenlet *g, void **result)
{
    const struct hub__own *own = hub__own(g);

    if (result != NULL)
        *result = (own->flags & HUB__DONE) && own->rc == 0 ? *hub__result(g)
                                                           : NULL;
    return hub__rc(g);
}

int hub_get(struct greenlet *g, int64_t deadline_ns, void **result)
{
    int rc = hub_join(g, deadline_ns);

    return rc < 0 ? rc : take_result(g, result);
}

/* The record has its payload no more, for the next who asks. */
int hub__raise_failure(struct greenlet *g)
{
    struct hub__more *more = hub__own(g)->more;
    struct greenlet_exception record;

    if (more == NULL || more->failed.cls == NULL)
        return hub__rc(g);
    record = more->failed;
    more->failed = (struct greenlet_exception){ .cls = record.cls,
                                                .error = record.error,
                                                .origin = record.origin };
    greenlet_raise(&record);
    return hub__rc(g);
}

int hub_get_now(struct greenlet *g, void **result)
{
    int rc = hub_ready(g) ? 0 : check_owner(g);

    if (rc < 0)
        return rc;
    return hub_ready(g) ? take_result(g, result) : -EAGAIN;
}
