/* socket.c - data over sockets
 *
 * MSG_DONTWAIT goes with every call, so that none can block the thread,
 * whatever the state of the fd. */
#include "hub/socket.h"
#include "hub/io_impl.h"

#include <limits.h>

struct transfer {
    void *data;
    size_t size;
    int flags;
    struct sockaddr *address;
    socklen_t *length;
};

static ssize_t try_recv(int fd, void *call)
{
    const struct transfer *t = call;

    return recv(fd, t->data, t->size, t->flags | MSG_DONTWAIT);
}

static ssize_t try_recvfrom(int fd, void *call)
{
    const struct transfer *t = call;

    return recvfrom(fd, t->data, t->size, t->flags | MSG_DONTWAIT, t->address,
                    t->length);
}

static ssize_t try_recvmsg(int fd, void *call)
{
    const struct transfer *t = call;

    return recvmsg(fd, t->data, t->flags | MSG_DONTWAIT);
}

static ssize_t try_send(int fd, void *call)
{
    const struct transfer *t = call;

    return send(fd, t->data, t->size, t->flags | MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t try_sendto(int fd, void *call)
{
    const struct transfer *t = call;

    return sendto(fd, t->data, t->size, t->flags | MSG_DONTWAIT | MSG_NOSIGNAL,
                  t->address, t->address != NULL ? *t->length : 0);
}

static ssize_t try_sendmsg(int fd, void *call)
{
    const struct transfer *t = call;

    return sendmsg(fd, t->data, t->flags | MSG_DONTWAIT | MSG_NOSIGNAL);
}

static inline int64_t limit(int flags, int64_t deadline_ns)
{
    return unlikely(flags & MSG_DONTWAIT) ? HUB_NOWAIT : deadline_ns;
}

HUB__SWITCHES ssize_t hub_recv(int fd, void *buffer, size_t size, int flags,
                               int64_t deadline_ns)
{
    struct transfer t = {buffer, size, flags & ~MSG_WAITALL, NULL, NULL};
    ssize_t got =
        hub__io(fd, HUB_READ, limit(flags, deadline_ns), try_recv, &t);

    if (got > 0 && (size_t)got < size && flags == 0)
        hub__io_drained(fd, HUB_READ);
    return got;
}

HUB__SWITCHES ssize_t hub_recvfrom(int fd, void *buffer, size_t size, int flags,
                                   struct sockaddr *address, socklen_t *length,
                                   int64_t deadline_ns)
{
    struct transfer t = {buffer, size, flags & ~MSG_WAITALL, address, length};

    return hub__io(fd, HUB_READ, limit(flags, deadline_ns), try_recvfrom, &t);
}

HUB__SWITCHES ssize_t hub_recvmsg(int fd, struct msghdr *message, int flags,
                                  int64_t deadline_ns)
{
    struct transfer t = {message, 0, flags & ~MSG_WAITALL, NULL, NULL};

    return hub__io(fd, HUB_READ, limit(flags, deadline_ns), try_recvmsg, &t);
}

int hub_recv_all(int fd, void *buffer, size_t size, size_t *received,
                 int64_t deadline_ns)
{
    size_t done = 0;
    ssize_t got = 1;

    while (done < size && got > 0) {
        got = hub_recv(fd, (char *)buffer + done, size - done, 0, deadline_ns);
        if (got > 0)
            done += (size_t)got;
    }
    if (received != NULL)
        *received = done;
    if (done == size)
        return 0;
    return got < 0 ? (int)got : -ENODATA;
}

HUB__SWITCHES ssize_t hub_send(int fd, const void *data, size_t size, int flags,
                               int64_t deadline_ns)
{
    struct transfer t = {(void *)(uintptr_t)data, size, flags, NULL, NULL};

    return hub__io(fd, HUB_WRITE, limit(flags, deadline_ns), try_send, &t);
}

HUB__SWITCHES ssize_t hub_sendto(int fd, const void *data, size_t size,
                                 int flags, const struct sockaddr *address,
                                 socklen_t length, int64_t deadline_ns)
{
    struct transfer t = {(void *)(uintptr_t)data, size, flags,
                         (struct sockaddr *)(uintptr_t)address, &length};

    return hub__io(fd, HUB_WRITE, limit(flags, deadline_ns), try_sendto, &t);
}

HUB__SWITCHES ssize_t hub_sendmsg(int fd, const struct msghdr *message,
                                  int flags, int64_t deadline_ns)
{
    struct transfer t = {(void *)(uintptr_t)message, 0, flags, NULL, NULL};

    return hub__io(fd, HUB_WRITE, limit(flags, deadline_ns), try_sendmsg, &t);
}

int hub_send_all(int fd, const void *data, size_t size, int flags, size_t *sent,
                 int64_t deadline_ns)
{
    size_t done = 0;
    ssize_t put = 0;

    while (done < size) {
        put = hub_send(fd, (const char *)data + done, size - done, flags,
                       deadline_ns);
        if (put < 0)
            break;
        done += (size_t)put;
    }
    if (sent != NULL)
        *sent = done;
    return put < 0 ? (int)put : 0;
}

int hub_shutdown(int fd, int how)
{
    struct hub *hub = hub__peek();
    int saved = errno, rc = 0;

    if (shutdown(fd, how) < 0)
        rc = -errno;
    errno = saved;
    if (hub != NULL && rc == 0)
        hub__fd_retry(hub, fd,
                      (how != SHUT_WR ? HUB_READ : 0) |
                          (how != SHUT_RD ? HUB_WRITE : 0));
    return rc;
}
