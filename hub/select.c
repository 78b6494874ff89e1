/* select.c - waiting for many descriptors with one waiter
 *
 * What the loop cannot tell of (POLLPRI, POLLRDHUP) an epoll of the call's own
 * can, and that is a descriptor like another. */
#include "hub/select.h"
#include "hub/io_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define FEW     8 /* whose waits need no memory */
#define SPECIAL (POLLPRI | POLLRDHUP)

static const struct hub__wait_kind waits_for_fds = {"one of many fds", NULL};

struct polling {
    struct hub *hub;
    struct pollfd *fds;
    nfds_t count;
    int64_t deadline;
    struct hub__waiter waiter;
    struct hub__fd_wait *waits; /* one for each of fds; events 0: no wait */
    struct hub__fd_wait special;
    int epoll; /* -1: none */
};

/* What is ready now. */
static int look(struct pollfd *fds, nfds_t count)
{
    int saved = errno, rc;

    do
        rc = poll(fds, count, 0);
    while (rc < 0 && errno == EINTR);
    if (rc < 0)
        rc = -errno;
    errno = saved;
    return rc;
}

static int events_of(short events)
{
    return (events & (POLLIN | POLLRDNORM) ? HUB_READ : 0) |
           (events & (POLLOUT | POLLWRNORM) ? HUB_WRITE : 0);
}

static void init_wait(struct polling *p, struct hub__fd_wait *wait, int fd,
                      int events)
{
    memset(wait, 0, sizeof *wait);
    wait->waiter = &p->waiter;
    wait->fd = fd;
    wait->events = (uint8_t)events;
}

static int add_special(struct polling *p, const struct pollfd *fd)
{
    struct epoll_event event = {.events = (uint32_t)(fd->events & SPECIAL)};

    if (p->epoll < 0)
        p->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll < 0)
        return -errno;
    if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd->fd, &event) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    event.events |= SPECIAL; /* the same twice: either will do */
    return epoll_ctl(p->epoll, EPOLL_CTL_MOD, fd->fd, &event) < 0 ? -errno : 0;
}

/* With no events asked for the loop still tells of errors and hang-ups: those
 * come with any.  Files that cannot be waited for are what they are. */
static int watch_one(struct polling *p, nfds_t i)
{
    const struct pollfd *fd = &p->fds[i];
    int events = events_of(fd->events), rc = 0;

    init_wait(p, &p->waits[i], fd->fd, events);
    if (fd->fd < 0)
        return 0;
    if (events != 0)
        rc = hub__fd_make_sure(p->hub, fd->fd);
    if (events != 0 && rc == 0)
        rc = hub__watch(p->hub, &p->waits[i]);
    if (rc == 0 && (events == 0 || (fd->events & SPECIAL)))
        rc = add_special(p, fd);
    if (rc == -EPERM)
        init_wait(p, &p->waits[i], -1, 0);
    return rc == -EPERM ? 0 : rc;
}

static int watch_all(struct polling *p)
{
    int saved = errno, rc = 0;

    for (nfds_t i = 0; i < p->count && rc == 0; i++)
        rc = watch_one(p, i);
    if (rc == 0 && p->epoll >= 0) {
        hub__fd_gone(p->hub, p->epoll); /* the number is new */
        init_wait(p, &p->special, p->epoll, HUB_READ);
        rc = hub__watch(p->hub, &p->special);
    }
    errno = saved;
    return rc;
}

static bool was_closed(const struct hub__fd_wait *wait)
{
    return wait->fd >= 0 && wait->events != 0 && wait->back == NULL &&
           wait->fired == 0;
}

/* Some may have been closed while it was parked, or since: their numbers may name
 * other files by now.  They have events 0 then, and an fd. */
static void unwatch_all(struct polling *p)
{
    for (nfds_t i = 0; i < p->count; i++) {
        struct hub__fd_wait *wait = &p->waits[i];
        bool closed = was_closed(wait);

        closed |= hub__unwatch(p->hub, wait);
        if (wait->fd >= 0 && wait->fd != p->fds[i].fd) {
            hub__fd_release(wait->fd); /* it went on with a copy */
            closed = true;
        }
        if (closed)
            wait->events = 0;
        else
            wait->fd = -1;
    }
    hub__unwatch(p->hub, &p->special);
    if (p->epoll >= 0) {
        hub__fd_gone(p->hub, p->epoll);
        close(p->epoll);
        p->epoll = -1;
    }
}

static int park(struct polling *p)
{
    int rc;

    p->epoll = -1;
    init_wait(p, &p->special, -1, 0);
    for (nfds_t i = 0; i < p->count; i++)
        init_wait(p, &p->waits[i], -1, 0);
    rc = hub__waiter_begin(&p->waiter, &waits_for_fds, (const void *)p->fds);
    if (rc < 0)
        return rc;
    rc = watch_all(p);
    if (rc == 0)
        rc = hub__park_cancelable(&p->waiter, p->deadline);
    return rc;
}

static int report(struct polling *p, int rc)
{
    int count;

    unwatch_all(p);
    if (rc != 0 && rc != -EBADF)
        return rc;
    count = look(p->fds, p->count);
    for (nfds_t i = 0; count >= 0 && i < p->count; i++)
        if (p->waits[i].fd >= 0) {
            count += p->fds[i].revents == 0;
            p->fds[i].revents = POLLNVAL;
        }
    return count;
}

/* A deadline of its own is no error; one of a scope around it is. */
static int wait_for_any(struct polling *p)
{
    int rc;

    do {
        rc = park(p);
        rc = report(p, rc);
        if (rc == -ETIMEDOUT && hub_canceled() == 0 &&
            p->deadline != HUB_FOREVER && hub_now() >= p->deadline)
            return look(p->fds, p->count);
    } while (rc == 0); /* somebody else was quicker */
    return rc;
}

static int poll_now(struct polling *p)
{
    int rc = 0;

    if (greenlet__word->current != p->hub->greenlet && !hub__in_handler())
        rc = hub__yield_cancelable();
    return rc != 0 ? rc : look(p->fds, p->count);
}

static int poll_later(struct polling *p)
{
    struct hub__fd_wait few[FEW];
    int rc;

    if (p->deadline <= hub_now())
        return poll_now(p);
    p->waits =
        p->count <= FEW ? few : greenlet__calloc(p->count, sizeof *p->waits);
    if (p->waits == NULL)
        return -ENOMEM;
    rc = wait_for_any(p);
    if (p->waits != few)
        free(p->waits);
    return rc;
}

int hub_poll(struct pollfd *fds, nfds_t count, int64_t deadline_ns)
{
    struct polling p = {
        .hub = hub__get(), .fds = fds, .count = count, .deadline = deadline_ns};
    int rc;

    if (p.hub == NULL)
        return -ENOMEM;
    if (deadline_ns < 0)
        return -EINVAL;
    rc = hub__io_begin(p.hub, -1);
    if (rc == 0)
        rc = look(fds, count);
    return rc != 0 ? rc : poll_later(&p);
}

/* ---- select ---- */

struct sets {
    fd_set *in[3], out[3];
};
static const short wanted[3] = {POLLIN, POLLOUT, POLLPRI};
/* A hang-up ends every wait: reading or writing will say what it is. */
static const short shown[3] = {POLLIN | POLLHUP | POLLERR,
                               POLLOUT | POLLHUP | POLLERR,
                               POLLPRI | POLLHUP | POLLERR};

static short events_in(const struct sets *sets, int fd)
{
    int events = 0;

    for (int i = 0; i < 3; i++)
        if (sets->in[i] != NULL && FD_ISSET(fd, sets->in[i]))
            events |= wanted[i];
    return (short)events;
}

static nfds_t collect(const struct sets *sets, int n, struct pollfd *fds)
{
    nfds_t count = 0;

    for (int fd = 0; fd < n; fd++) {
        short events = events_in(sets, fd);

        if (events == 0)
            continue;
        if (fds != NULL)
            fds[count] = (struct pollfd){fd, events, 0};
        count++;
    }
    return count;
}

static int distribute(struct sets *sets, const struct pollfd *fds, nfds_t count)
{
    int bits = 0;

    for (int i = 0; i < 3; i++)
        FD_ZERO(&sets->out[i]);
    for (nfds_t at = 0; at < count; at++) {
        if (fds[at].revents & POLLNVAL)
            return -EBADF;
        for (int i = 0; i < 3; i++)
            if ((fds[at].events & wanted[i]) && (fds[at].revents & shown[i])) {
                FD_SET(fds[at].fd, &sets->out[i]);
                bits++;
            }
    }
    for (int i = 0; i < 3; i++)
        if (sets->in[i] != NULL)
            *sets->in[i] = sets->out[i];
    return bits;
}

int hub_select(int n, fd_set *readable, fd_set *writable, fd_set *exceptional,
               int64_t deadline_ns)
{
    struct sets sets = {.in = {readable, writable, exceptional}};
    struct pollfd *fds;
    nfds_t count;
    int rc;

    if (n < 0 || n > FD_SETSIZE || deadline_ns < 0)
        return -EINVAL;
    count = collect(&sets, n, NULL);
    fds = greenlet__calloc(count + 1, sizeof *fds);
    if (fds == NULL)
        return -ENOMEM;
    collect(&sets, n, fds);
    rc = hub_poll(fds, count, deadline_ns);
    if (rc >= 0)
        rc = distribute(&sets, fds, count);
    free(fds);
    return rc;
}
