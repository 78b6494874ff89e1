/* socket.c - data over sockets
 *
 * MSG_DONTWAIT goes with every call, so that none can block the thread,
 * whatever the state of the fd. */
#include "hub/socket.h"
#include "hub/edge_impl.h"
#include "hub/io_impl.h"

#include <poll.h>

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

/* ---- receiving ---- */

/* An error is for the next call to tell, which is told it by the system. */
static ssize_t try_rest(int fd, void *call)
{
    struct pollfd state = {.fd = fd, .events = POLLIN};

    if (poll(&state, 1, 0) > 0 && (state.revents & POLLERR))
        return 0;
    return try_recvmsg(fd, call);
}

/* The rest of one part of a message.  Returns whether to go on. */
static bool receive_part(int fd, struct msghdr *message, size_t control_room,
                         struct iovec part, size_t *done, int flags,
                         int64_t deadline_ns)
{
    while (part.iov_len > 0) {
        struct msghdr piece = {.msg_iov = &part,
                               .msg_iovlen = 1,
                               .msg_control = message->msg_control,
                               .msg_controllen = control_room};
        struct transfer t = {&piece, 0, flags, NULL, NULL};
        ssize_t got = hub__io(fd, HUB_READ, deadline_ns, try_rest, &t);

        if (got <= 0)
            return false;
        *done += (size_t)got;
        part.iov_base = (void *)((uintptr_t)part.iov_base + (size_t)got);
        part.iov_len -= (size_t)got;
        message->msg_flags |= piece.msg_flags;
        if (piece.msg_controllen > 0) {
            message->msg_controllen = piece.msg_controllen;
            return false;
        }
    }
    return true;
}

static bool is_stream(int fd)
{
    int saved = errno, type = 0;
    socklen_t size = sizeof type;

    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
    errno = saved;
    return type == SOCK_STREAM;
}

/* MSG_WAITALL, when the first piece is there: what else there is room for, up to
 * the end, an error, the deadline, or what brings control data. */
static ssize_t receive_rest(int fd, struct msghdr *message, size_t control_room,
                            ssize_t first, int flags, int64_t deadline_ns)
{
    const int never = MSG_PEEK | MSG_OOB | MSG_ERRQUEUE;
    size_t done = 0, before = (size_t)first;

    if (first <= 0 || (flags & never) || message->msg_controllen > 0 ||
        !is_stream(fd))
        return first;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        struct iovec part = message->msg_iov[i];
        size_t skip = before < part.iov_len ? before : part.iov_len;

        before -= skip;
        part.iov_base = (void *)((uintptr_t)part.iov_base + skip);
        part.iov_len -= skip;
        if (!receive_part(fd, message, control_room, part, &done,
                          flags & ~MSG_WAITALL, limit(flags, deadline_ns)))
            break;
    }
    return first + (ssize_t)done;
}

static ssize_t all_of(int fd, void *buffer, size_t size, ssize_t first, int flags,
                      int64_t deadline_ns)
{
    struct iovec part = {buffer, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    return receive_rest(fd, &message, 0, first, flags, deadline_ns);
}

static inline void note_urgent(int fd, int flags, ssize_t got)
{
    if (unlikely(flags & MSG_OOB) && got > 0)
        hub__edge_forbid(hub__fd_peek(hub__peek(), fd));
}

static inline __attribute__((always_inline)) ssize_t
take_note(int fd, void *buffer, size_t size, ssize_t got, int flags,
          int64_t deadline_ns)
{
    if (got > 0 && (size_t)got < size && flags == 0)
        hub__io_drained(fd, HUB_READ);
    note_urgent(fd, flags, got);
    if (unlikely(flags & MSG_WAITALL) && got > 0 && (size_t)got < size)
        return all_of(fd, buffer, size, got, flags, deadline_ns);
    return got;
}

static __attribute__((noinline)) ssize_t recv_now(int fd, void *buffer,
                                                  size_t size, int flags)
{
    struct transfer t = {buffer, size, flags & ~MSG_WAITALL, NULL, NULL};

    return take_note(fd, buffer, size, hub__io_now(fd, try_recv, &t), flags,
                     HUB_NOWAIT);
}

static __attribute__((noinline)) HUB__SWITCHES ssize_t
recv_in_time(int fd, void *buffer, size_t size, int flags, int64_t deadline_ns)
{
    struct transfer t = {buffer, size, flags & ~MSG_WAITALL, NULL, NULL};

    return take_note(fd, buffer, size,
                     hub__io(fd, HUB_READ, deadline_ns, try_recv, &t), flags,
                     deadline_ns);
}

ssize_t hub_recv(int fd, void *buffer, size_t size, int flags,
                 int64_t deadline_ns)
{
    if (limit(flags, deadline_ns) == HUB_NOWAIT)
        return recv_now(fd, buffer, size, flags);
    return recv_in_time(fd, buffer, size, flags, deadline_ns);
}

HUB__SWITCHES ssize_t hub_recvfrom(int fd, void *buffer, size_t size, int flags,
                                   struct sockaddr *address, socklen_t *length,
                                   int64_t deadline_ns)
{
    struct transfer t = {buffer, size, flags & ~MSG_WAITALL, address, length};
    ssize_t got =
        hub__io(fd, HUB_READ, limit(flags, deadline_ns), try_recvfrom, &t);

    note_urgent(fd, flags, got);
    if (unlikely(flags & MSG_WAITALL) && got > 0 && (size_t)got < size)
        return all_of(fd, buffer, size, got, flags, deadline_ns);
    return got;
}

HUB__SWITCHES ssize_t hub_recvmsg(int fd, struct msghdr *message, int flags,
                                  int64_t deadline_ns)
{
    struct transfer t = {message, 0, flags & ~MSG_WAITALL, NULL, NULL};
    size_t control_room = message->msg_controllen;
    ssize_t got =
        hub__io(fd, HUB_READ, limit(flags, deadline_ns), try_recvmsg, &t);

    note_urgent(fd, flags, got);
    if (unlikely(flags & MSG_WAITALL) && got > 0)
        return receive_rest(fd, message, control_room, got, flags, deadline_ns);
    return got;
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

static __attribute__((noinline)) ssize_t send_now(int fd, const void *data,
                                                  size_t size, int flags)
{
    struct transfer t = {(void *)(uintptr_t)data, size, flags, NULL, NULL};

    return hub__io_now(fd, try_send, &t);
}

static __attribute__((noinline)) HUB__SWITCHES ssize_t
send_in_time(int fd, const void *data, size_t size, int flags,
             int64_t deadline_ns)
{
    struct transfer t = {(void *)(uintptr_t)data, size, flags, NULL, NULL};

    return hub__io(fd, HUB_WRITE, deadline_ns, try_send, &t);
}

ssize_t hub_send(int fd, const void *data, size_t size, int flags,
                 int64_t deadline_ns)
{
    if (limit(flags, deadline_ns) == HUB_NOWAIT)
        return send_now(fd, data, size, flags);
    return send_in_time(fd, data, size, flags, deadline_ns);
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
