/* wrap_connect.c - accept, connect, and what is noted of sockets
 *
 * Neither call has a flag for "do not wait".  accept() is made when poll() says
 * that a connection is there; where another process may take it meanwhile, on
 * a helper; threads of several hubs take turns.  connect() is started with
 * O_NONBLOCK set for just that system call, if no other process has the socket
 * and could see that; else it is made by a helper. */
#include "monkeypatch/io_impl.h"

#include <string.h>

struct acceptance {
    struct sockaddr *address;
    socklen_t *len;
    int flags;
};

static long plain_accept(struct mp__io *io, void *arg)
{
    struct acceptance *call = arg;

    return SYS_CALL(SYS_accept4, io->fd, call->address, call->len, call->flags,
                    0, 0);
}

static bool accepting; /* atomic: a thread of some hub, just now */

/* Another thread may have been at it. */
void mp__accept_forked(void)
{
    accepting = false;
}

/* A thread of another hub may take the connection after poll() has told of it: then all
 * of this hub would wait.  Who does not come to its turn soon, for a handler has jumped
 * out of another's, lets a helper wait. */
static long accept_in_turn(struct mp__io *io, void *arg)
{
    enum { TRIES = 1000 };
    long rc = -EAGAIN;

    for (int i = 0; __atomic_test_and_set(&accepting, __ATOMIC_ACQUIRE); i++) {
        if (i == TRIES)
            return mp__io_offload(io, plain_accept, arg);
        SYS_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    }
    if (sys_poll_one(io->fd, POLLIN) != 0)
        rc = plain_accept(io, arg);
    __atomic_clear(&accepting, __ATOMIC_RELEASE);
    return rc;
}

static long try_accept(struct mp__io *io, void *arg)
{
    const struct acceptance *call = arg;
    long flags;

    io->polls = 1;
    if (sys_poll_one(io->fd, POLLIN) == 0) {
        /* Anything but a socket that listens is refused at once, and so are
         * flags that do not exist. */
        if (!io->waited && (sys_sockopt(io->fd, SO_ACCEPTCONN) <= 0 ||
                            (call->flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))))
            return plain_accept(io, arg);
        return -EAGAIN;
    }
    if (!mp__may_park())
        return plain_accept(io, arg);
    if ((mp__fd_bits(io->fd) & FD_OWN) != 0)
        return mp__several ? accept_in_turn(io, arg) : plain_accept(io, arg);
    flags = sys_get_flags(io->fd);
    if (flags < 0 || (flags & O_NONBLOCK) != 0)
        return plain_accept(io, arg);
    return mp__io_offload(io, plain_accept, arg);
}

long mp__accept(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    struct acceptance call = { address, len, flags };
    long rc;

    mp__io_begin();
    rc = mp__io_run(fd, HUB_READ, try_accept, plain_accept, &call);
    if (rc >= 0)
        mp__fd_born_socket((int)rc, SOCK_STREAM | flags);
    return rc;
}

struct connection {
    const struct sockaddr *address;
    socklen_t len;
    long flags;   /* of the open file */
    long pending; /* what it said when it went on behind; 0: not begun */
};

static long plain_connect(struct mp__io *io, void *arg)
{
    struct connection *call = arg;

    return SYS_CALL(SYS_connect, io->fd, call->address, call->len, 0, 0, 0);
}

static long connect_without_waiting(struct mp__io *io, struct connection *call)
{
    long rc;

    if (sys_set_flags(io->fd, call->flags | O_NONBLOCK) < 0)
        return plain_connect(io, call);
    rc = plain_connect(io, call);
    sys_set_flags(io->fd, call->flags);
    return rc;
}

/* The first try starts it, or ends it, as on the loop-back interface, or finds
 * one that was interrupted.  One that goes on is over when poll() says
 * "writable": then a second connect() returns what a blocking one would have,
 * and puts the socket in that state.  After a shutdown() it would begin anew. */
static long try_connect(struct mp__io *io, void *arg)
{
    struct connection *call = arg;
    long rc;

    if (call->pending != 0) {
        if (sys_poll_one(io->fd, POLLOUT) == 0) {
            io->shut = 0;
            return -EAGAIN;
        }
        rc = io->shut ? sys_sockopt(io->fd, SO_ERROR) : 0;
        if (rc > 0)
            return -rc;
    }
    rc = connect_without_waiting(io, call);
    if (rc == -EAGAIN) /* AF_UNIX: the queue is full, and cannot be waited for */
        io->offload = 1;
    if (rc != -EINPROGRESS && rc != -EALREADY)
        return rc;
    call->pending = rc;
    return -EAGAIN;
}

/* Of datagram sockets it names the peer and never waits. */
static bool never_waits(int fd, long flags)
{
    return flags < 0 || (flags & O_NONBLOCK) != 0 || !mp__may_park() ||
           sys_sockopt(fd, SO_TYPE) == SOCK_DGRAM;
}

static long mp__connect(int fd, const struct sockaddr *address, socklen_t len)
{
    struct connection call = { address, len, 0, 0 };
    struct mp__io io;
    long rc;

    mp__io_begin();
    mp__io_open(&io, fd, HUB_WRITE);
    call.flags = sys_get_flags(fd);
    if (never_waits(fd, call.flags))
        return plain_connect(&io, &call);
    if ((mp__fd_bits(fd) & FD_OWN) == 0)
        return mp__io_offload(&io, plain_connect, &call);
    rc = mp__io_run(fd, HUB_WRITE, try_connect, plain_connect, &call);
    return rc == -EAGAIN && call.pending != 0 ? call.pending : rc;
}

MP_EXPORT int accept(int fd, struct sockaddr *address, socklen_t *len)
{
    if (!MP_ACTIVE(socket))
        return MP_REAL(accept)(fd, address, len);
    return (int)mp__io_end(mp__accept(fd, address, len, 0));
}

MP_EXPORT int accept4(int fd, struct sockaddr *address, socklen_t *len,
                      int flags)
{
    if (!MP_ACTIVE(socket))
        return MP_REAL(accept4)(fd, address, len, flags);
    return (int)mp__io_end(mp__accept(fd, address, len, flags));
}

MP_EXPORT int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    if (!MP_ACTIVE(socket))
        return MP_REAL(connect)(fd, address, len);
    return (int)mp__io_end(mp__connect(fd, address, len));
}
MP_SPELLING(connect, __connect);

MP_EXPORT int socket(int domain, int type, int protocol)
{
    int fd = MP_REAL(socket)(domain, type, protocol);

    if (fd >= 0 && mp__in_vfork_child == 0)
        mp__fd_born_socket(fd, type);
    return fd;
}

MP_EXPORT int shutdown(int fd, int how)
{
    if (mp__fd_ours(fd))
        return mp__fail(-EBADF);
    if (mp__here == NULL || mp__in_vfork_child != 0)
        return MP_REAL(shutdown)(fd, how);
    return mp__io_shut_down(fd, how);
}

/* A negative time-out means: do not wait at all.  getsockopt() then tells 0, as
 * for no time-out, so it could not be told from one: the shortest stands in. */
static bool is_negative(const void *value, socklen_t len)
{
    struct timeval time;

    if (len < sizeof time || !mp__readable(value, sizeof time))
        return false;
    memcpy(&time, value, sizeof time);
    return time.tv_sec < 0 && time.tv_usec >= 0 && time.tv_usec < 1000000;
}

MP_EXPORT int setsockopt(int fd, int level, int option, const void *value,
                         socklen_t len)
{
    static const struct timeval shortest = { 0, 1 };

    if (mp__fd_ours(fd))
        return mp__fail(-EBADF);
    if (level != SOL_SOCKET || mp__in_vfork_child != 0)
        return MP_REAL(setsockopt)(fd, level, option, value, len);
    if (option == SO_RCVLOWAT)
        mp__fd_lowat_set();
    if (option == SO_RCVTIMEO || option == SO_SNDTIMEO) {
        mp__fd_timeouts_changed();
        if (mp__here != NULL && is_negative(value, len))
            return MP_REAL(setsockopt)(fd, level, option, &shortest,
                                       sizeof shortest);
    }
    return MP_REAL(setsockopt)(fd, level, option, value, len);
}
