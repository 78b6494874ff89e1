/* wrap_socket.c - recv, send and their kin
 *
 * MSG_DONTWAIT makes a try of any of them.  A blocking send ends when all is
 * sent, a receive with MSG_WAITALL when all is there: on streams, where a try
 * can come back with less. */
#include "monkeypatch/io_impl.h"

/* With these the kernel never waits, or says itself that it cannot. */
#define NEVER_WAITS (MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE)

ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size, int flags,
                       struct sockaddr *from, socklen_t *from_len);

struct receive {
    void *buf;
    size_t len;
    struct sockaddr *from;
    socklen_t *from_len;
    struct msghdr *msg; /* recvmsg: instead of those above */
    int flags;
};

static long plain_receive(struct mp__io *io, void *arg)
{
    struct receive *call = arg;

    if (call->msg != NULL)
        return sys_recvmsg(io->fd, call->msg, call->flags);
    return sys_recv(io->fd, call->buf, call->len, call->flags, call->from,
                    call->from_len);
}

static long try_receive(struct mp__io *io, void *arg)
{
    struct receive *call = arg;
    long rc;

    call->flags |= MSG_DONTWAIT;
    rc = plain_receive(io, call);
    call->flags &= ~MSG_DONTWAIT;
    return rc;
}

/* What a try cannot do: wait for a low-water mark, peek at all, tell pieces with
 * different credentials apart. */
static bool needs_helper(int fd, const struct receive *call)
{
    if (unlikely(mp__fd_waits_for_more(fd)))
        return true;
    if (likely((call->flags & MSG_WAITALL) == 0))
        return false;
    if ((call->flags & MSG_PEEK) != 0)
        return true;
    if (call->msg == NULL)
        return false;
    return !mp__readable(call->msg, sizeof *call->msg) ||
           (call->msg->msg_controllen > 0 && sys_sockopt(fd, SO_PASSCRED) > 0);
}

static long receive_helped(struct mp__io *io, struct receive *call)
{
    long flags = sys_get_flags(io->fd);

    if (flags < 0 || (flags & O_NONBLOCK) != 0 || !mp__may_park())
        return plain_receive(io, call);
    return mp__io_offload(io, plain_receive, call);
}

static long mp__receive(int fd, struct receive *call)
{
    struct mp__io io;
    size_t room;
    long rc;

    mp__io_begin();
    mp__io_open(&io, fd, HUB_READ);
    if (unlikely(call->flags & MSG_OOB))
        mp__io_urgent(fd);
    if ((call->flags & NEVER_WAITS) != 0)
        return plain_receive(&io, call);
    if (needs_helper(fd, call))
        return receive_helped(&io, call);

    if (call->flags == 0 && call->msg == NULL)
        return mp__io_receive(fd, call->len, try_receive, plain_receive, call);
    if (likely((call->flags & MSG_WAITALL) == 0))
        return mp__io_run(fd, HUB_READ, try_receive, plain_receive, call);
    room = call->msg != NULL ? call->msg->msg_controllen : 0;
    rc = mp__io_run(fd, HUB_READ, try_receive, plain_receive, call);
    if (rc <= 0)
        return rc;
    if (call->msg != NULL)
        return mp__receive_rest(fd, call->msg, room, (size_t)rc, call->flags);
    struct iovec whole = { call->buf, call->len };
    struct msghdr msg = { .msg_iov = &whole, .msg_iovlen = 1 };

    return mp__receive_rest(fd, &msg, 0, (size_t)rc, call->flags);
}

struct transmit {
    const void *buf;
    size_t len;
    const struct sockaddr *to;
    socklen_t to_len;
    const struct msghdr *msg; /* sendmsg: instead of those above */
    int flags;
    size_t done;
};

static long plain_transmit(struct mp__io *io, void *arg)
{
    struct transmit *call = arg;

    if (call->msg != NULL)
        return sys_sendmsg(io->fd, call->msg, call->flags);
    return sys_send(io->fd, call->buf, call->len, call->flags, call->to,
                    call->to_len);
}

/* What follows the first piece goes without address and control data.  Errors
 * are for the next call to report: they are neither taken nor raise SIGPIPE. */
static long transmit_rest(struct mp__io *io, struct transmit *call, int flags)
{
    if (sys_has_failed(io->fd))
        return 0;
    flags |= call->flags | MSG_NOSIGNAL;
    if (call->msg != NULL) {
        struct mp__window window;
        struct msghdr msg = { .msg_iov = window.vec };

        mp__window_fill(&window, call->msg->msg_iov,
                        (int)call->msg->msg_iovlen, call->done);
        msg.msg_iovlen = (size_t)window.count;
        return sys_sendmsg(io->fd, &msg, flags);
    }
    return sys_send(io->fd, (const char *)call->buf + call->done,
                    call->len - call->done, flags, NULL, 0);
}

static long rest_plainly(struct mp__io *io, void *arg)
{
    struct transmit *call = arg;
    long rc;

    if (call->done == 0)
        return plain_transmit(io, call);
    rc = transmit_rest(io, call, 0);
    return rc >= 0 ? (long)call->done + rc : rc;
}

static long try_transmit(struct mp__io *io, void *arg)
{
    struct transmit *call = arg;
    long rc;

    if (io->waited && call->done == 0) {
        rc = sys_send_error(io->fd);
        if (rc < 0)
            return rc;
    }
    do {
        if (call->done == 0) {
            call->flags |= MSG_DONTWAIT;
            rc = plain_transmit(io, call);
            call->flags &= ~MSG_DONTWAIT;
        } else {
            rc = transmit_rest(io, call, MSG_DONTWAIT);
        }
        if (rc < 0)
            return rc;
        if (call->msg != NULL) /* the kernel has read it by now */
            call->len = mp__iov_total(call->msg->msg_iov,
                                      (int)call->msg->msg_iovlen);
        call->done += (size_t)rc;
        io->stuck = 0;
    } while (rc > 0 && call->done < call->len);
    return (long)call->done;
}

/* Fds may have travelled with it: then other processes have them, too.  The
 * kernel has read the message, so it can be read. */
static long sent(const struct transmit *call, long rc)
{
    if (rc >= 0 && call->msg != NULL && call->msg->msg_controllen > 0)
        mp__fd_shared();
    return rc;
}

static long mp__transmit(int fd, struct transmit *call)
{
    struct mp__io io;
    long rc;

    mp__io_begin();
    mp__io_open(&io, fd, HUB_WRITE);
    if ((call->flags & NEVER_WAITS) != 0)
        return sent(call, plain_transmit(&io, call));
    if ((call->flags & MSG_FASTOPEN) != 0) /* a connect() with data */
        return mp__io_offload(&io, plain_transmit, call);
    rc = mp__io_run(fd, HUB_WRITE, try_transmit, rest_plainly, call);
    return sent(call, rc < 0 && call->done > 0 ? (long)call->done : rc);
}

static long receive_into(int fd, void *buf, size_t len, int flags,
                         struct sockaddr *from, socklen_t *from_len)
{
    struct receive call = { .buf = buf, .len = len, .flags = flags,
                            .from = from, .from_len = from_len };

    return mp__receive(fd, &call);
}

static long transmit_from(int fd, const void *buf, size_t len, int flags,
                          const struct sockaddr *to, socklen_t to_len)
{
    struct transmit call = { .buf = buf, .len = len, .flags = flags,
                             .to = to, .to_len = to_len };

    return mp__transmit(fd, &call);
}

MP_EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    if (!MP_ACTIVE(socket))
        return MP_REAL(recv)(fd, buf, len, flags);
    return mp__io_end(receive_into(fd, buf, len, flags, NULL, NULL));
}

MP_EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size,
                             int flags)
{
    if (!MP_ACTIVE(socket) || len > size)
        return MP_REAL(__recv_chk)(fd, buf, len, size, flags);
    return mp__io_end(receive_into(fd, buf, len, flags, NULL, NULL));
}

MP_EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags,
                           struct sockaddr *from, socklen_t *from_len)
{
    if (!MP_ACTIVE(socket))
        return MP_REAL(recvfrom)(fd, buf, len, flags, from, from_len);
    return mp__io_end(receive_into(fd, buf, len, flags, from, from_len));
}

MP_EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size,
                                 int flags, struct sockaddr *from,
                                 socklen_t *from_len)
{
    if (!MP_ACTIVE(socket) || len > size)
        return MP_REAL(__recvfrom_chk)(fd, buf, len, size, flags, from,
                                       from_len);
    return mp__io_end(receive_into(fd, buf, len, flags, from, from_len));
}

MP_EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    struct receive call = { .msg = msg, .flags = flags };

    if (!MP_ACTIVE(socket) || msg == NULL)
        return MP_REAL(recvmsg)(fd, msg, flags);
    return mp__io_end(mp__receive(fd, &call));
}

MP_EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    if (!MP_ACTIVE(socket))
        return MP_REAL(send)(fd, buf, len, flags);
    return mp__io_end(transmit_from(fd, buf, len, flags, NULL, 0));
}
MP_SPELLING(send, __send);

MP_EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags,
                         const struct sockaddr *to, socklen_t to_len)
{
    if (!MP_ACTIVE(socket))
        return MP_REAL(sendto)(fd, buf, len, flags, to, to_len);
    return mp__io_end(transmit_from(fd, buf, len, flags, to, to_len));
}

MP_EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct transmit call = { .msg = msg, .flags = flags };

    if (!MP_ACTIVE(socket) || msg == NULL)
        return MP_REAL(sendmsg)(fd, msg, flags);
    return mp__io_end(mp__transmit(fd, &call));
}

/* Several messages: one after the other, each as above.  An error after the
 * first is kept by the kernel or comes again with the next call. */
MP_EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count,
                       int flags)
{
    unsigned sent = 0;
    long rc = 0;

    if (MP_ACTIVE(socket) && (flags & NEVER_WAITS) != 0 && count > 0)
        mp__fd_shared(); /* as it may be: nobody looks */
    if (!MP_ACTIVE(socket) || (flags & NEVER_WAITS) != 0 || messages == NULL)
        return MP_REAL(sendmmsg)(fd, messages, count, flags);
    if (count == 0)
        return MP_REAL(sendmmsg)(fd, messages, 0, flags);
    if (count > IOV_MAX)
        count = IOV_MAX;
    for (; sent < count; sent++) {
        struct transmit call = { .msg = &messages[sent].msg_hdr,
                                 .flags = flags };

        rc = mp__transmit(fd, &call);
        if (rc < 0)
            break;
        messages[sent].msg_len = (unsigned)rc;
    }
    return (int)mp__io_end(sent > 0 ? (long)sent : rc);
}

/* The time-out is looked at after each message only, as in the kernel; so a
 * call that waits for its first message does so for ever. */
MP_EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count,
                       int flags, struct timespec *timeout)
{
    int first_only = flags & MSG_WAITFORONE;
    unsigned got = 0;
    long rc = 0;
    int64_t until;

    if (!MP_ACTIVE(socket) || (flags & NEVER_WAITS) != 0 || count == 0 ||
        messages == NULL ||
        (timeout != NULL && !mp__readable(timeout, sizeof *timeout)))
        return MP_REAL(recvmmsg)(fd, messages, count, flags, timeout);
    if (timeout != NULL && !mp__timespec_ok(timeout))
        return (int)mp__io_end(-EINVAL);
    until = timeout != NULL ? mp__after(timeout) : HUB_FOREVER;
    flags &= ~MSG_WAITFORONE;
    while (got < count) {
        struct receive call = { .msg = &messages[got].msg_hdr,
                                .flags = flags };

        rc = mp__receive(fd, &call);
        if (rc < 0)
            break;
        messages[got++].msg_len = (unsigned)rc;
        if (first_only)
            flags |= MSG_DONTWAIT;
        if (timeout != NULL && mp__now() >= until)
            break;
    }
    if (timeout != NULL && got > 0) {
        int64_t left = until - mp__now();

        left = left > 0 ? left : 0;
        timeout->tv_sec = left / 1000000000;
        timeout->tv_nsec = left % 1000000000;
    }
    return (int)mp__io_end(got > 0 ? (long)got : rc);
}
