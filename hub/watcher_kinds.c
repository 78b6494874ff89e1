/* watcher_kinds.c - watchers of fds, of times, of other threads, of an idle
 * loop */
#include "hub/watch_impl.h"
#include "hub/watcher_impl.h"

#include <errno.h>
#include <fcntl.h>

/* ---- fds ---- */

struct io_watcher {
    struct hub_watcher watcher; /* first */
    struct hub__fd_wait wait;
    int fd, events;
};

static struct io_watcher *io_of(struct hub_watcher *watcher)
{
    return container_of(watcher, struct io_watcher, watcher);
}

static void io_happened(struct hub__fd_wait *wait, int rc)
{
    struct io_watcher *io = container_of(wait, struct io_watcher, wait);

    hub__watcher_happened(&io->watcher, rc < 0 ? rc : wait->fired);
}

/* Those of whom hub_shutdown() says that they should look again have an
 * event. */
static void io_notify(struct hub__fd_wait *wait, int rc)
{
    if (rc == 0 && wait->fired == 0)
        wait->fired = wait->events;
    io_happened(wait, rc);
}

static int watch(struct hub_watcher *watcher)
{
    struct io_watcher *io = io_of(watcher);

    io->wait = (struct hub__fd_wait){.notify = io_notify,
                                     .fd = io->fd,
                                     .events = (uint8_t)io->events,
                                     .unreferenced = watcher->unreferenced};
    return hub__watch(watcher->hub, &io->wait);
}

static int io_disarm(struct hub_watcher *watcher)
{
    bool gone = hub__unwatch(watcher->hub, &io_of(watcher)->wait);

    io_of(watcher)->wait.fired = 0;
    return gone ? -EBADF : 0;
}

/* The number may name another file than when it was last armed. */
static int io_arm(struct hub_watcher *watcher)
{
    int rc = io_disarm(watcher);

    if (rc == 0)
        rc = hub__fd_make_sure(watcher->hub, io_of(watcher)->fd);
    return rc < 0 ? rc : watch(watcher);
}

/* The last event is over: the loop may tell of it once more. */
static int io_again(struct hub_watcher *watcher)
{
    int rc = io_disarm(watcher);

    if (rc == 0)
        rc = watch(watcher);
    return rc < 0 ? rc : 1;
}

static const struct hub__watcher_kind io_kind = {
    {"a watcher of an fd", NULL}, io_arm, io_disarm, io_again, false, true};

static bool is_open(int fd)
{
    const struct hub *hub = hub__peek();
    int saved = errno;
    bool open = (hub != NULL && hub__fd_is_managed(hub, fd)) ||
                fcntl(fd, F_GETFD) >= 0;

    errno = saved;
    return open;
}

int hub_watcher_io(int fd, int events, struct hub_watcher **watcher)
{
    struct io_watcher *io;

    if ((events & ~(HUB_READ | HUB_WRITE)) != 0 || events == 0)
        return -EINVAL;
    if (!is_open(fd))
        return -EBADF;
    *watcher = hub__watcher_new(sizeof *io, &io_kind);
    if (*watcher == NULL)
        return -ENOMEM;
    io = io_of(*watcher);
    io->fd = fd;
    io->events = events;
    return 0;
}

/* ---- times ---- */

struct timer_watcher {
    struct hub_watcher watcher; /* first */
    struct hub__timer timer;
    int64_t after, repeat, due;
};

static struct timer_watcher *timer_of(struct hub_watcher *watcher)
{
    return container_of(watcher, struct timer_watcher, watcher);
}

static void timer_fires(struct hub *hub, struct hub__timer *timer)
{
    struct timer_watcher *t = container_of(timer, struct timer_watcher, timer);

    (void)hub;
    hub__watcher_happened(&t->watcher, 1);
}

static int timer_set(struct timer_watcher *t)
{
    struct hub *hub = t->watcher.hub;
    int rc;

    hub__timer_init(&t->timer, timer_fires);
    t->timer.early = 1;
    t->timer.unreferenced = t->watcher.unreferenced;
    hub__enter(hub);
    rc = hub__timer_add(hub, &t->timer, t->due);
    hub__exit(hub);
    return rc;
}

static int timer_arm(struct hub_watcher *watcher)
{
    struct timer_watcher *t = timer_of(watcher);

    t->due = hub_deadline(t->after);
    return timer_set(t);
}

static int timer_disarm(struct hub_watcher *watcher)
{
    if (hub__timer_is_set(&timer_of(watcher)->timer))
        hub__timer_remove(watcher->hub, &timer_of(watcher)->timer);
    return 0;
}

/* What was missed is not made up for. */
static int timer_again(struct hub_watcher *watcher)
{
    struct timer_watcher *t = timer_of(watcher);
    int64_t now = hub_now();
    int rc;

    if (t->repeat == 0)
        return 0;
    t->due =
        t->due > HUB_FOREVER - t->repeat ? HUB_FOREVER : t->due + t->repeat;
    if (t->due < now)
        t->due = now;
    rc = timer_set(t);
    return rc < 0 ? rc : 1;
}

static const struct hub__watcher_kind timer_kind = {
    {"a watcher of a time", NULL}, timer_arm, timer_disarm, timer_again, false,
    false};

int hub_watcher_timer(int64_t after, int64_t repeat,
                      struct hub_watcher **watcher)
{
    struct timer_watcher *t;

    *watcher = hub__watcher_new(sizeof *t, &timer_kind);
    if (*watcher == NULL)
        return -ENOMEM;
    t = timer_of(*watcher);
    hub__timer_init(&t->timer, timer_fires);
    t->after = after > 0 ? after : 0;
    t->repeat = repeat > 0 ? repeat : 0;
    return 0;
}

/* ---- other threads ---- */

struct async_watcher {
    struct hub_watcher watcher; /* first */
    struct hub_callback sent_call;
    uint32_t sent; /* atomic: the call is queued */
    bool counted;  /* it keeps the loop from ending */
};

static struct async_watcher *async_of(struct hub_watcher *watcher)
{
    return container_of(watcher, struct async_watcher, watcher);
}

static int async_arm(struct hub_watcher *watcher)
{
    struct async_watcher *async = async_of(watcher);

    async->counted = !watcher->unreferenced;
    if (async->counted)
        watcher->hub->active++;
    return 0;
}

static int async_disarm(struct hub_watcher *watcher)
{
    if (async_of(watcher)->counted)
        watcher->hub->active--;
    async_of(watcher)->counted = false;
    return 0;
}

static int async_again(struct hub_watcher *watcher)
{
    (void)watcher;
    return 1;
}

static const struct hub__watcher_kind async_kind = {
    {"a watcher of other threads", NULL},
    async_arm,
    async_disarm,
    async_again,
    true,
    false};

/* In the loop.  After hub_watcher_free() nobody may send: what was queued by
 * then has a reference. */
static void async_sent(void *arg)
{
    struct async_watcher *async = arg;

    __atomic_store_n(&async->sent, 0, __ATOMIC_RELEASE);
    if (!async->watcher.closed)
        hub__watcher_happened(&async->watcher, 1);
    hub__watcher_unref(&async->watcher);
}

int hub_watcher_send(struct hub_watcher *watcher)
{
    struct async_watcher *async = async_of(watcher);

    if (watcher->kind != &async_kind)
        return -EINVAL;
    if (__atomic_exchange_n(&async->sent, 1, __ATOMIC_ACQ_REL) == 0) {
        hub__watcher_ref(watcher);
        hub__callback_push_remote(&async->sent_call);
    }
    return 0;
}

int hub_watcher_async(struct hub_watcher **watcher)
{
    struct async_watcher *async;

    *watcher = hub__watcher_new(sizeof *async, &async_kind);
    if (*watcher == NULL)
        return -ENOMEM;
    async = async_of(*watcher);
    hub__callback_init(&async->sent_call, (*watcher)->hub, async_sent, async);
    return 0;
}

/* ---- an idle loop ---- */

struct idle_watcher {
    struct hub_watcher watcher; /* first */
    struct hub__idler idler;
};

static struct idle_watcher *idle_of(struct hub_watcher *watcher)
{
    return container_of(watcher, struct idle_watcher, watcher);
}

static void idle_notify(struct hub__idler *idler)
{
    hub__watcher_happened(
        &container_of(idler, struct idle_watcher, idler)->watcher, 1);
}

static int idle_arm(struct hub_watcher *watcher)
{
    hub__idler_link(watcher->hub, &idle_of(watcher)->idler);
    return 0;
}

static int idle_disarm(struct hub_watcher *watcher)
{
    hub__idler_unlink(watcher->hub, &idle_of(watcher)->idler);
    return 0;
}

static int idle_again(struct hub_watcher *watcher)
{
    idle_arm(watcher);
    return 1;
}

static const struct hub__watcher_kind idle_kind = {
    {"a watcher of an idle loop", NULL},
    idle_arm,
    idle_disarm,
    idle_again,
    false,
    false};

int hub_watcher_idle(int priority, struct hub_watcher **watcher)
{
    *watcher = hub__watcher_new(sizeof(struct idle_watcher), &idle_kind);
    if (*watcher == NULL)
        return -ENOMEM;
    idle_of(*watcher)->idler.notify = idle_notify;
    idle_of(*watcher)->idler.priority = hub__idle_priority(priority);
    return 0;
}
