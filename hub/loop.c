/* loop.c - the event loop: the only file that sees libev
 *
 * libev is given no timers: its epoll back end rounds to milliseconds.  poll.c sleeps
 * until the earliest deadline. */
#include "hub/edge_impl.h"
#include "hub/poll_impl.h"
#include "hub/loopcalls.h"
#include "hub/loopmemory.h"
#include "hub/reserve.h"
#include "hub/timer_impl.h"

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

/* A number that it watches, or did: a cache line. */
struct number {
    ev_io io;
    uint64_t data;   /* what libev has last given to epoll with it; 0: nothing */
    uint32_t events; /* and asked for */
} __attribute__((aligned(64)));

struct hub__loop {
    struct hub__poll poll;
    struct ev_loop *ev;
    ev_io wake;
    ev_io timer;
    ev_io clock;
    int clock_fd; /* -1: nobody asked to be told */
    bool reopens; /* libev makes its epoll anew: nobody is told of anything */
    unsigned iteration; /* libev's count of polls, before this turn */
    struct hub__fd_ready ready[HUB__POLL_MOST];
    unsigned ready_count;
    struct number **numbers; /* chunks; they never move while active */
    uint32_t chunks;
};

static struct number *peek(const struct hub__loop *loop, int fd)
{
    uint32_t chunk = (uint32_t)fd / CHUNK;

    if (chunk >= loop->chunks || loop->numbers[chunk] == NULL)
        return NULL;
    return &loop->numbers[chunk][(uint32_t)fd % CHUNK];
}

/* Whatever it was, it is level-triggered now. */
void hub__loop_noted(struct hub *hub, int operation, int fd,
                     const struct epoll_event *event)
{
    struct number *number = hub->loop != NULL ? peek(hub->loop, fd) : NULL;

    if (number == NULL || (event != NULL && (event->events & EPOLLET)))
        return;
    number->data = operation == EPOLL_CTL_DEL ? 0 : event->data.u64;
    number->events = operation == EPOLL_CTL_DEL ? 0 : event->events;
    hub__edge_undone(hub, fd);
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
    hub->loop->poll.armed = HUB_FOREVER;
    hub->loop->poll.rang = true;
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
    if (loop->ready_count == HUB__POLL_MOST)
        tell(hub);
}

/* Between the poll and its handlers: sleeps that are over come first.  libev calls it
 * before the poll, too. */
static void invoke_pending(struct ev_loop *ev)
{
    struct hub *hub = ev_userdata(ev);

    if (unlikely(hub->loop->reopens))
        return; /* it stays pending, and is the next turn's */
    if (ev_iteration(ev) == hub->loop->iteration) { /* it is yet to poll */
        ev_invoke_pending(ev);
        return;
    }
    __atomic_store_n(&hub->dozes, false, __ATOMIC_RELAXED);
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
    loop->poll.timer_fd =
        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->poll.timer_fd < 0)
        return -errno;
    loop->poll.timer_fd = hub__fd_to_top(loop->poll.timer_fd);
    hub__fd_kept_in(&loop->poll.timer_fd);
    if (hub->clock_set != NULL)
        open_clock_fd(loop);
    return 0;
}

static void close_own(int fd)
{
    if (fd >= 0)
        hub__fd_drop(fd);
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
    ev_io_init(&loop->timer, on_timer, loop->poll.timer_fd, EV_READ);
    loop->wake.data = hub;
    loop->timer.data = hub;
    ev_io_start(loop->ev, &loop->wake);
    ev_io_start(loop->ev, &loop->timer);
    start_clock(hub, loop);
    loop->poll.armed = HUB_FOREVER;
    loop->poll.until = HUB_FOREVER;
}

int hub__loop_open(struct hub *hub)
{
    struct hub__loop *loop = greenlet__calloc(1, sizeof *loop);
    int rc;

    if (loop == NULL)
        return -ENOMEM;
    loop->poll.hub = hub;
    loop->poll.timer_fd = -1;
    loop->clock_fd = -1;
    loop->poll.epoll_fd = -1;
    hub->wake_fd = -1;
    rc = open_fds(hub, loop);
    if (rc < 0)
        goto undo;
    if (hub__loop_memory_is_ours())
        ev_set_allocator(hub__loop_memory);
    hub__poll_calls(&loop->poll);
    loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    hub__poll_calls(NULL);
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
    close_own(loop->poll.timer_fd);
    close_own(loop->clock_fd);
    free(loop);
    return rc;
}

void hub__watch_clock(struct hub *hub, void (*was_set)(void))
{
    hub->clock_set = was_set;
    if (hub->loop->clock_fd >= 0)
        return;
    hub__enter(hub);
    open_clock_fd(hub->loop);
    start_clock(hub, hub->loop);
    hub__exit(hub);
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

    hub__fd_forget(loop->poll.epoll_fd);
    ev_loop_destroy(loop->ev);
    close_wake_fd(hub);
    close_own(loop->poll.timer_fd);
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

void hub__loop_ring(struct hub *hub)
{
    hub__poll_ring(&hub->loop->poll);
}

void hub__loop_turn(struct hub *hub, int64_t most)
{
    struct hub__loop *loop = hub->loop;

    hub__count(hub->polls);
    if (most > 0)
        hub__poll_arm(&loop->poll, most);
    hub__poll_calls(&loop->poll);
    loop->iteration = ev_iteration(loop->ev);
    loop->poll.full = false;
    ev_run(loop->ev, most > 0 ? EVRUN_ONCE : EVRUN_NOWAIT);
    hub__poll_calls(NULL);
    hub->poll_full = loop->poll.full;
    if (unlikely(loop->poll.some_gone)) {
        loop->poll.some_gone = false;
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
    if (epoll_ctl(loop->poll.epoll_fd, EPOLL_CTL_ADD, fd, &none) == 0)
        epoll_ctl(loop->poll.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
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
            epoll_ctl(loop->poll.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
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

bool hub__fd_is_of(const struct hub *hub, int fd)
{
    const struct hub__loop *loop = hub->loop;

    return fd == hub->wake_fd || fd == loop->poll.epoll_fd ||
           fd == loop->poll.timer_fd || fd == loop->clock_fd;
}

void hub__loop_take_out(const struct hub *hub, int fd)
{
    syscall(SYS_epoll_ctl, hub->loop->poll.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

int hub__loop_edge(struct hub *hub, int fd, bool edge)
{
    const struct hub__loop *loop = hub->loop;
    const struct number *number = peek(loop, fd);
    struct epoll_event event = { .events = EPOLLIN };
    int saved = errno, rc = 0;

    if (!loop->poll.sees)
        return -ENOSYS;
    if (number == NULL || number->data == 0)
        return -ENOENT;
    if (edge && number->events != EPOLLIN)
        return -EAGAIN;
    if (edge)
        event.events |= EPOLLET | EPOLLRDHUP | EPOLLPRI;
    event.data.u64 = number->data;
    if (epoll_ctl(loop->poll.epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0)
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

void hub__ring_drop(struct hub *hub)
{
    __atomic_fetch_sub(&hub->ringing, 1, __ATOMIC_RELEASE);
}

/* A hub that runs looks at what was pushed before it sleeps (hub.c: dozes_off()), and
 * after each poll: two calls, and a poll that is told of it, for nothing.  But who
 * watches a thread that computes there hears the bell. */
void hub__ring_end(struct hub *hub)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&hub->dozes, __ATOMIC_RELAXED) ||
        __atomic_load_n(&hub->listens, __ATOMIC_RELAXED))
        hub__loop_notify(hub);
    hub__ring_drop(hub);
}

const int *hub__loop_epoll(const struct hub *hub)
{
    return hub->loop != NULL ? &hub->loop->poll.epoll_fd : NULL;
}

/* ---- the program wants one of our numbers ----
 *
 * By whoever runs, between hub__enter() and hub__exit(): no other greenlet may come to
 * libev before this is through. */

/* Who rings just now may have read the old number, which is to be the program's. */
static void change_number(struct hub *hub, int *slot, int copy)
{
    int before = *slot;

    __atomic_store_n(slot, hub__fd_to_top(copy), __ATOMIC_SEQ_CST);
    hub__fd_kept_in(slot);
    while (__atomic_load_n(&hub->ringing, __ATOMIC_SEQ_CST) != 0)
        sched_yield();
    close_own(before);
}

int hub__loop_replace(int *slot, int copy)
{
    struct hub *hub = hub__peek();
    struct hub__loop *loop = hub->loop;

    ev_io_stop(loop->ev, &loop->wake);
    ev_io_stop(loop->ev, &loop->timer);
    if (loop->clock_fd >= 0)
        ev_io_stop(loop->ev, &loop->clock);
    /* The file lives on under its new number: libev leaves the old one in, and would
     * hear of it as of the program's. */
    hub__loop_take_out(hub, *slot);
    change_number(hub, slot, copy);
    start_own(hub, loop);
    return 0;
}

/* libev makes its epoll anew as after a fork, registrations included, which is no
 * turn.  Its old fd is closed by then, so the number is the program's. */
int hub__loop_reopen(int fd)
{
    struct hub *hub = hub__peek();
    struct hub__loop *loop = hub != NULL ? hub->loop : NULL;

    if (loop == NULL || fd != loop->poll.epoll_fd)
        return -EBUSY;
    loop->reopens = true;
    hub__poll_calls(&loop->poll);
    ev_loop_fork(loop->ev);
    ev_run(loop->ev, EVRUN_NOWAIT);
    hub__poll_calls(NULL);
    loop->reopens = false;
    return fd == loop->poll.epoll_fd ? -EBUSY : 0;
}
