/* loop.c - the event loop: the only file that sees libev
 *
 * libev is given no timers: its epoll back end rounds to milliseconds.  A
 * timerfd is armed for the earliest deadline when the loop is about to sleep,
 * and left alone when it is armed for something earlier. */
#include "hub/edge_impl.h"
#include "hub/loopcalls.h"
#include "hub/loopmemory.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CHUNK 128
#define READY_MOST 64

/* A number that it watches, or did: a cache line. */
struct number {
    ev_io io;
    uint64_t data;   /* what libev has last given to epoll with it; 0: nothing */
    uint32_t events; /* and asked for */
} __attribute__((aligned(64)));

struct hub__loop {
    struct hub *hub;
    struct ev_loop *ev;
    ev_io wake;
    ev_io timer;
    ev_io clock;
    int timer_fd;
    int clock_fd; /* -1: nobody asked to be told */
    int epoll_fd;
    int64_t armed; /* HUB_FOREVER: not */
    unsigned iteration; /* libev's count of polls, before this turn */
    bool some_gone; /* fds were closed that libev knows of: see epoll_ctl() */
    bool rang;     /* timer_fd stays readable until it is set again */
    bool full;     /* more may be ready than the last poll was told of */
    bool sees;     /* the events before libev does */
    struct hub__fd_ready ready[READY_MOST];
    unsigned ready_count;
    struct number **numbers; /* chunks; they never move while active */
    uint32_t chunks;
};

/* libev finds the calls that it makes in the first library that has them: here, where
 * that comes before libc; a library of ours that may be the only one which a program
 * names has them, too, and leads to these (shared/loopcalls.c).
 *
 * It makes its epoll fd by itself, and makes it anew when it sees events of a file
 * that it cannot take out.  That fd is moved out of the program's way. */
static __thread struct hub__loop *calling
    __attribute__((tls_model("initial-exec")));

HUB_API int vireo_epoll_create1(int flags)
{
    int fd = (int)syscall(SYS_epoll_create1, flags);

    if (fd < 0 || calling == NULL)
        return fd;
    if (calling->epoll_fd >= 0)
        hub__fd_forget(calling->epoll_fd);
    calling->epoll_fd = hub__fd_to_top(fd);
    return calling->epoll_fd;
}

static struct number *peek(const struct hub__loop *loop, int fd)
{
    uint32_t chunk = (uint32_t)fd / CHUNK;

    if (chunk >= loop->chunks || loop->numbers[chunk] == NULL)
        return NULL;
    return &loop->numbers[chunk][(uint32_t)fd % CHUNK];
}

/* Whatever it was, it is level-triggered now. */
static void note(struct hub__loop *loop, int operation, int fd,
                 const struct epoll_event *event)
{
    struct number *number = peek(loop, fd);

    if (number == NULL || (event != NULL && (event->events & EPOLLET)))
        return;
    number->data = operation == EPOLL_CTL_DEL ? 0 : event->data.u64;
    number->events = operation == EPOLL_CTL_DEL ? 0 : event->events;
    hub__edge_undone(loop->hub, fd);
}

/* libev takes an fd that was closed without a word, before it was first polled,
 * for a bug of the program's and aborts.  It is told that all is well; the waits
 * end with -EBADF when it has returned. */
HUB_API int vireo_epoll_ctl(int epoll, int operation, int fd,
                            struct epoll_event *event)
{
    int rc = (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);

    if (calling == NULL || epoll != calling->epoll_fd)
        return rc;
    if (rc == 0) {
        note(calling, operation, fd, event);
        return 0;
    }
    if (errno != EBADF)
        return rc;
    calling->some_gone = true;
    return 0;
}

static void look_for_ends(struct hub__loop *loop,
                          const struct epoll_event *events, int count)
{
    loop->sees = true;
    for (int i = 0; i < count; i++)
        if (unlikely(events[i].events & ~(uint32_t)(EPOLLIN | EPOLLOUT)))
            hub__edge_ended(loop->hub, (int)(uint32_t)events[i].data.u64);
}

/* libev would take all that is ready at once.  What the kernel has just looked at of
 * the first of a thousand connections has left the caches when its turn comes, and
 * again when the kernel looks whether it is still ready: 5 % of an HTTP request. */
HUB_API int vireo_epoll_wait(int epoll, struct epoll_event *events, int room,
                             int timeout)
{
    bool ours = calling != NULL && epoll == calling->epoll_fd;
    int count;

    if (ours && room > READY_MOST)
        room = READY_MOST;
    count = epoll_pwait(epoll, events, room, timeout, NULL);
    if (ours) {
        calling->full = count == READY_MOST;
        look_for_ends(calling, events, count);
    }
    return count;
}

HUB_API int epoll_create1(int flags)
{
    return vireo_epoll_create1(flags);
}

HUB_API __attribute__((weak)) int epoll_ctl(int epoll, int operation, int fd,
                                            struct epoll_event *event)
{
    return vireo_epoll_ctl(epoll, operation, fd, event);
}

HUB_API __attribute__((weak)) int epoll_wait(int epoll, struct epoll_event *events,
                                             int room, int timeout)
{
    return vireo_epoll_wait(epoll, events, room, timeout);
}

static void on_wake(struct ev_loop *ev, ev_io *io, int events)
{
    uint64_t count;
    ssize_t got = read(io->fd, &count, sizeof count);

    (void)ev;
    (void)events;
    (void)got; /* EAGAIN: somebody else's turn */
}

/* Not read: setting it for the next deadline takes it back, too. */
static void on_timer(struct ev_loop *ev, ev_io *io, int events)
{
    struct hub *hub = io->data;

    (void)ev;
    (void)events;
    hub->loop->armed = HUB_FOREVER;
    hub->loop->rang = true;
}

/* Once for each time that CLOCK_REALTIME was set. */
static void on_clock(struct ev_loop *ev, ev_io *io, int events)
{
    struct hub *hub = io->data;
    uint64_t count;

    (void)ev;
    (void)events;
    if (read(io->fd, &count, sizeof count) < 0 && errno == ECANCELED)
        hub->clock_set();
}

/* Told of together: what one needs is fetched while others are woken. */
static void tell(struct hub *hub)
{
    struct hub__loop *loop = hub->loop;
    unsigned count = loop->ready_count;

    loop->ready_count = 0;
    hub__fd_events(hub, loop->ready, count);
}

static void on_fd(struct ev_loop *ev, ev_io *io, int events)
{
    struct hub *hub = io->data;
    struct hub__loop *loop = hub->loop;

    (void)ev;
    loop->ready[loop->ready_count++] =
        (struct hub__fd_ready){ io->fd, (events & EV_READ ? HUB_READ : 0) |
                                            (events & EV_WRITE ? HUB_WRITE
                                                               : 0) };
    if (loop->ready_count == READY_MOST)
        tell(hub);
}

/* Between the poll and its handlers: sleeps that are over come first.  libev calls it
 * before the poll, too. */
static void invoke_pending(struct ev_loop *ev)
{
    struct hub *hub = ev_userdata(ev);

    if (ev_iteration(ev) == hub->loop->iteration) { /* it is yet to poll */
        ev_invoke_pending(ev);
        return;
    }
    hub->dozes = false;
    hub->now = hub_now();
    if (hub->heap.count > 0)
        hub__timer_run(hub, hub->now);
    ev_invoke_pending(ev);
    tell(hub);
}

/* A timer that never fires is canceled when the clock is set. */
static void open_clock_fd(struct hub__loop *loop)
{
    const struct itimerspec never = { .it_value = { .tv_sec = INT64_MAX } };
    int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);

    if (fd >= 0 &&
        timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                        &never, NULL) < 0) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        return;
    loop->clock_fd = hub__fd_to_top(fd);
    hub__fd_kept_in(&loop->clock_fd);
}

static int open_fds(struct hub *hub, struct hub__loop *loop)
{
    hub->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (hub->wake_fd < 0)
        return -errno;
    hub->wake_fd = hub__fd_to_top(hub->wake_fd);
    hub__fd_kept_in(&hub->wake_fd);
    loop->timer_fd =
        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->timer_fd < 0)
        return -errno;
    loop->timer_fd = hub__fd_to_top(loop->timer_fd);
    hub__fd_kept_in(&loop->timer_fd);
    if (hub->clock_set != NULL)
        open_clock_fd(loop);
    return 0;
}

static void close_own(int fd)
{
    if (fd < 0)
        return;
    hub__fd_forget(fd);
    close(fd);
}

static void start_clock(struct hub *hub, struct hub__loop *loop)
{
    if (loop->clock_fd < 0)
        return;
    ev_io_init(&loop->clock, on_clock, loop->clock_fd, EV_READ);
    loop->clock.data = hub;
    ev_io_start(loop->ev, &loop->clock);
}

static void start_own(struct hub *hub, struct hub__loop *loop)
{
    ev_io_init(&loop->wake, on_wake, hub->wake_fd, EV_READ);
    ev_io_init(&loop->timer, on_timer, loop->timer_fd, EV_READ);
    loop->wake.data = hub;
    loop->timer.data = hub;
    ev_io_start(loop->ev, &loop->wake);
    ev_io_start(loop->ev, &loop->timer);
    start_clock(hub, loop);
    loop->armed = HUB_FOREVER;
}

int hub__loop_open(struct hub *hub)
{
    struct hub__loop *loop = greenlet__calloc(1, sizeof *loop);
    int rc;

    if (loop == NULL)
        return -ENOMEM;
    loop->hub = hub;
    loop->timer_fd = -1;
    loop->clock_fd = -1;
    loop->epoll_fd = -1;
    hub->wake_fd = -1;
    rc = open_fds(hub, loop);
    if (rc < 0)
        goto undo;
    ev_set_allocator(hub__loop_memory);
    calling = loop;
    loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    calling = NULL;
    if (loop->ev == NULL) {
        rc = -EMFILE;
        goto undo;
    }
    hub->loop = loop;
    ev_set_userdata(loop->ev, hub);
    ev_set_invoke_pending_cb(loop->ev, invoke_pending);
    start_own(hub, loop);
    return 0;
undo:
    close_own(hub->wake_fd);
    close_own(loop->timer_fd);
    close_own(loop->clock_fd);
    free(loop);
    return rc;
}

void hub__watch_clock(struct hub *hub, void (*was_set)(void))
{
    hub->clock_set = was_set;
    if (hub->loop->clock_fd >= 0)
        return;
    open_clock_fd(hub->loop);
    start_clock(hub, hub->loop);
}

/* Another thread that has woken somebody here may still be about to ring: its number
 * must not be another file's by then. */
static void close_wake_fd(struct hub *hub)
{
    int fd = __atomic_exchange_n(&hub->wake_fd, -1, __ATOMIC_SEQ_CST);

    while (__atomic_load_n(&hub->ringing, __ATOMIC_SEQ_CST) != 0)
        sched_yield();
    close_own(fd);
}

void hub__loop_close(struct hub *hub)
{
    struct hub__loop *loop = hub->loop;

    hub__fd_forget(loop->epoll_fd);
    ev_loop_destroy(loop->ev);
    close_wake_fd(hub);
    close_own(loop->timer_fd);
    close_own(loop->clock_fd);
    for (uint32_t i = 0; i < loop->chunks; i++)
        free(loop->numbers[i]);
    free(loop->numbers);
    free(loop);
    hub->loop = NULL;
}

/* Where the soft limit was lowered below our numbers, and the table is full up to
 * there, what is closed makes no room. */
int hub__loop_forked(struct hub *hub)
{
    struct rlimit limit;
    int rc;

    hub->ringing = 0; /* who did is not here */
    hub__loop_close(hub);
    hub__reserve_forked();
    rc = hub__loop_open(hub);
    if (rc != -EMFILE || !hub__limit_raise(&limit))
        return rc;
    rc = hub__loop_open(hub);
    setrlimit(RLIMIT_NOFILE, &limit);
    return rc;
}

/* `most`: sleep no longer than that, in ns. */
static void arm(struct hub *hub, struct hub__loop *loop, int64_t most)
{
    int64_t next = hub__timer_next(hub);
    struct itimerspec spec = { { 0, 0 }, { 0, 0 } };

    if (most != HUB_FOREVER && next - hub->now > most)
        next = hub_now() + most;
    if (next >= loop->armed && !loop->rang)
        return;
    if (next < 1)
        next = 1; /* all zero disarms */
    if (next == HUB_FOREVER)
        next = 0;
    spec.it_value.tv_sec = (time_t)(next / 1000000000);
    spec.it_value.tv_nsec = (long)(next % 1000000000);
    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
        loop->armed = next != 0 ? next : HUB_FOREVER;
    loop->rang = false;
}

void hub__loop_turn(struct hub *hub, int64_t most)
{
    struct hub__loop *loop = hub->loop;

    hub__count(hub->polls);
    if (most > 0)
        arm(hub, loop, most);
    calling = loop;
    loop->iteration = ev_iteration(loop->ev);
    loop->full = false;
    ev_run(loop->ev, most > 0 ? EVRUN_ONCE : EVRUN_NOWAIT);
    calling = NULL;
    hub->poll_full = loop->full;
    if (unlikely(loop->some_gone)) {
        loop->some_gone = false;
        hub__watch_check(hub);
    }
    if (hub->heap.due_count > 0)
        hub__timer_late_is_due(hub);
}

static struct number *make(struct hub__loop *loop, int fd)
{
    uint32_t chunk = (uint32_t)fd / CHUNK;

    if (chunk >= loop->chunks) {
        uint32_t count = chunk * 2 + 1;
        struct number **numbers = greenlet__realloc(
            loop->numbers, count * sizeof(struct number *));

        if (numbers == NULL)
            return NULL;
        memset(numbers + loop->chunks, 0,
               (count - loop->chunks) * sizeof(struct number *));
        loop->numbers = numbers;
        loop->chunks = count;
    }
    if (loop->numbers[chunk] == NULL)
        loop->numbers[chunk] = hub__lines(CHUNK * sizeof(struct number));
    return peek(loop, fd);
}

/* libev takes a file that epoll refuses for one that is always ready; say so
 * instead, since the caller has better ways then. */
static int can_be_watched(const struct hub__loop *loop, int fd)
{
    struct epoll_event none = { 0 };
    struct stat status;

    if (fstat(fd, &status) != 0)
        return -errno;
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return 0;
    /* Message queues and files of /proc look like these: ask. */
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &none) == 0)
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    else if (errno != EEXIST)
        return -errno;
    return 0;
}

int hub__loop_watch(struct hub *hub, int fd, int events, bool fresh)
{
    struct hub__loop *loop = hub->loop;
    struct number *number = make(loop, fd);
    ev_io *io;

    if (number == NULL)
        return -ENOMEM;
    io = &number->io;
    if (io->data == NULL) {
        ev_io_init(io, on_fd, fd, 0);
        io->data = hub;
        fresh = true;
    }
    ev_io_stop(loop->ev, io);
    if (events == 0) {
        /* The file may live on under another number, or in another process:
         * then closing this one does not take it out. */
        if (fresh)
            epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    if (fresh) {
        int rc = can_be_watched(loop, fd);

        if (rc < 0)
            return rc;
    }
    ev_io_set(io, fd,
              (events & HUB_READ ? EV_READ : 0) |
                  (events & HUB_WRITE ? EV_WRITE : 0));
    ev_io_start(loop->ev, io);
    return 0;
}

int hub__loop_edge(struct hub *hub, int fd, bool edge)
{
    const struct hub__loop *loop = hub->loop;
    const struct number *number = peek(loop, fd);
    struct epoll_event event = { .events = EPOLLIN };
    int saved = errno, rc = 0;

    if (!loop->sees)
        return -ENOSYS;
    if (number == NULL || number->data == 0)
        return -ENOENT;
    if (edge && number->events != EPOLLIN)
        return -EAGAIN;
    if (edge)
        event.events |= EPOLLET | EPOLLRDHUP | EPOLLPRI;
    event.data.u64 = number->data;
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0)
        rc = -errno;
    errno = saved;
    return rc;
}

/* Not by write(), which is a cancellation point: a real thread that was cancelled
 * would unwind from here, with locks of ours. */
void hub__loop_notify(struct hub *hub)
{
    const uint64_t one = 1;
    int saved = errno;
    long put = syscall(SYS_write,
                       __atomic_load_n(&hub->wake_fd, __ATOMIC_SEQ_CST), &one,
                       sizeof one);

    (void)put; /* EAGAIN: it is awake already; EBADF: it has gone */
    errno = saved;
}

void hub__ring_begin(struct hub *hub)
{
    __atomic_fetch_add(&hub->ringing, 1, __ATOMIC_SEQ_CST);
}

void hub__ring_end(struct hub *hub)
{
    hub__loop_notify(hub);
    __atomic_fetch_sub(&hub->ringing, 1, __ATOMIC_RELEASE);
}

/* ---- the program wants one of our numbers ---- */

int hub__loop_replace(int *slot, int copy)
{
    struct hub *hub = hub__peek();
    struct hub__loop *loop = hub->loop;

    ev_io_stop(loop->ev, &loop->wake);
    ev_io_stop(loop->ev, &loop->timer);
    if (loop->clock_fd >= 0)
        ev_io_stop(loop->ev, &loop->clock);
    close_own(*slot);
    *slot = hub__fd_to_top(copy);
    hub__fd_kept_in(slot);
    start_own(hub, loop);
    return 0;
}

/* libev makes its epoll anew as after a fork, registrations included.  Its old
 * fd is closed by then, so the number is the program's. */
int hub__loop_reopen(int fd)
{
    struct hub *hub = hub__peek();
    struct hub__loop *loop = hub != NULL ? hub->loop : NULL;

    if (loop == NULL || fd != loop->epoll_fd)
        return -EBUSY;
    calling = loop;
    ev_loop_fork(loop->ev);
    ev_run(loop->ev, EVRUN_NOWAIT);
    calling = NULL;
    return fd == loop->epoll_fd ? -EBUSY : 0;
}
