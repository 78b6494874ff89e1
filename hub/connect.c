/* connect.c - sockets: made, connected, accepted */
#include "hub/io_impl.h"
#include "hub/socket.h"
#include "hub/socket_impl.h"

#include <unistd.h>

#define BACKLOG_FULL_NS     HUB_MILLISECOND /* first pause; they double */
#define BACKLOG_FULL_MAX_NS (50 * HUB_MILLISECOND)

static int failed(int saved)
{
    int rc = -errno;

    errno = saved;
    return rc;
}

int hub_socket(int domain, int type, int protocol)
{
    struct hub *hub = hub__get();
    int saved = errno, fd;

    if (hub == NULL)
        return -ENOMEM;
    fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return failed(saved);
    hub__fd_opened(hub, fd);
    return fd;
}

int hub_socketpair(int domain, int type, int protocol, int fds[2])
{
    struct hub *hub = hub__get();
    int saved = errno;

    if (hub == NULL)
        return -ENOMEM;
    if (socketpair(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol, fds) <
        0)
        return failed(saved);
    hub__fd_opened(hub, fds[0]);
    hub__fd_opened(hub, fds[1]);
    return 0;
}

/* ---- connect ---- */

/* Where a connection under way has got to: 0, -EINPROGRESS, or what it failed
 * with.  A second connect() says it, but for errors that were told by
 * SO_ERROR. */
static int progress(int fd, const struct sockaddr *address, socklen_t length)
{
    int saved = errno, error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return failed(saved);
    if (error != 0)
        return -error;
    if (connect(fd, address, length) == 0)
        return 0;
    error = failed(saved);
    if (error == -EISCONN)
        return 0;
    return error == -EALREADY || error == -EINTR ? -EINPROGRESS : error;
}

static int first_try(int fd, const struct sockaddr *address, socklen_t length)
{
    int saved = errno, rc;

    if (connect(fd, address, length) == 0)
        return 0;
    rc = failed(saved);
    return rc == -EALREADY || rc == -EINTR ? -EINPROGRESS : rc;
}

/* A Unix socket whose listener has no place left: nothing says when it has. */
static int knock(struct hub *hub, int fd, const struct sockaddr *address,
                 socklen_t length, int64_t deadline_ns)
{
    int64_t pause = BACKLOG_FULL_NS;
    int rc;

    do {
        int64_t until = hub_deadline(pause);

        if (deadline_ns != HUB_FOREVER && hub_now() >= deadline_ns)
            return -ETIMEDOUT;
        rc = hub__wait_for_fd(hub, fd, 0,
                              until < deadline_ns ? until : deadline_ns);
        if (rc != -ETIMEDOUT || hub_canceled() != 0)
            return rc;
        if (pause < BACKLOG_FULL_MAX_NS)
            pause *= 2;
        rc = first_try(fd, address, length);
    } while (rc == -EAGAIN);
    return rc;
}

int hub_connect(int fd, const struct sockaddr *address, socklen_t length,
                int64_t deadline_ns)
{
    struct hub *hub = hub__get();
    int rc;

    if (hub == NULL)
        return -ENOMEM;
    rc = hub__io_begin(hub, fd);
    if (rc == 0)
        rc = hub__fd_unblock(fd);
    if (rc < 0)
        return rc;
    rc = first_try(fd, address, length);
    if (deadline_ns == HUB_NOWAIT)
        return rc;
    if (rc == -EINPROGRESS && !hub__fd_is_managed(hub, fd)) {
        int sure = hub__fd_make_sure(hub, fd);

        rc = sure < 0 ? sure : rc;
    }
    if (rc == -EAGAIN)
        rc = knock(hub, fd, address, length, deadline_ns);
    while (rc == -EINPROGRESS) {
        rc = hub__wait_for_fd(hub, fd, HUB_WRITE, deadline_ns);
        if (rc == 0)
            rc = progress(fd, address, length);
    }
    return rc;
}

/* ---- accept ---- */

struct acceptance {
    struct sockaddr *address;
    socklen_t *length;
};

static ssize_t try_accept(int fd, void *call)
{
    const struct acceptance *a = call;

    return accept4(fd, a->address, a->length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

HUB__SWITCHES int hub__accept(int fd, struct sockaddr *address,
                              socklen_t *length, int64_t deadline_ns)
{
    struct acceptance a = {address, length};
    int got = (int)hub__io(fd, HUB_READ, deadline_ns, try_accept, &a);

    if (got >= 0)
        hub__fd_opened(hub__peek(), got);
    return got;
}

int hub_accept(int fd, struct sockaddr *address, socklen_t *length,
               int64_t deadline_ns)
{
    int rc = hub__fd_unblock(fd);

    return rc < 0 ? rc : hub__accept(fd, address, length, deadline_ns);
}
