/* sys.h - the system calls that the I/O wrappers make themselves
 *
 * All return a result or -errno, leave errno alone and are no cancellation
 * points: what they do never waits, unless their name says so. */
#ifndef MONKEYPATCH_SYS_H
#define MONKEYPATCH_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "raw_syscall.h" /* from arch/ */

#define SYS_CALL(n, a, b, c, d, e, f)                                     \
    mp__syscall((long)(n), (long)(a), (long)(b), (long)(c), (long)(d),    \
                (long)(e), (long)(f))

#define MP_SIGSET_BYTES 8 /* the kernel's sigset_t */

extern uint32_t mp__handlers_run; /* of the program's, on whatever thread */

/* Any signal ends even this, one of our timers too: the program knows of its own. */
static inline long sys_poll(struct pollfd *fds, nfds_t count)
{
    struct timespec zero = { 0, 0 };
    uint32_t seen;
    long rc;

    do {
        seen = __atomic_load_n(&mp__handlers_run, __ATOMIC_RELAXED);
        rc = SYS_CALL(SYS_ppoll, fds, count, &zero, NULL, MP_SIGSET_BYTES, 0);
    } while (rc == -EINTR &&
             seen == __atomic_load_n(&mp__handlers_run, __ATOMIC_RELAXED));
    return rc;
}

/* What poll() says of one fd now: its revents, or -errno. */
static inline long sys_poll_one(int fd, short events)
{
    struct pollfd one = { fd, events, 0 };
    long rc = sys_poll(&one, 1);

    return rc < 0 ? rc : one.revents;
}

/* True when the next call on a socket would report, and so take away, an error. */
static inline int sys_has_failed(int fd)
{
    return (sys_poll_one(fd, POLLOUT) & (POLLERR | POLLHUP)) != 0;
}

static inline long sys_get_flags(int fd)
{
    return SYS_CALL(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
}

static inline long sys_set_flags(int fd, long flags)
{
    return SYS_CALL(SYS_fcntl, fd, F_SETFL, flags, 0, 0, 0);
}

/* preadv2() and pwritev2() at the file's own offset.  The offset goes in two
 * registers, of which a 64-bit kernel ignores the second. */
static inline long sys_readv(int fd, const struct iovec *vec, int count,
                             int flags)
{
    return SYS_CALL(SYS_preadv2, fd, vec, count, -1L, -1L, flags);
}

static inline long sys_writev(int fd, const struct iovec *vec, int count,
                              int flags)
{
    return SYS_CALL(SYS_pwritev2, fd, vec, count, -1L, -1L, flags);
}

static inline long sys_recv(int fd, void *buf, size_t len, int flags,
                            struct sockaddr *from, socklen_t *from_len)
{
    return SYS_CALL(SYS_recvfrom, fd, buf, len, flags, from, from_len);
}

static inline long sys_send(int fd, const void *buf, size_t len, int flags,
                            const struct sockaddr *to, socklen_t to_len)
{
    return SYS_CALL(SYS_sendto, fd, buf, len, flags, to, to_len);
}

static inline long sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
    return SYS_CALL(SYS_recvmsg, fd, msg, flags, 0, 0, 0);
}

static inline long sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    return SYS_CALL(SYS_sendmsg, fd, msg, flags, 0, 0, 0);
}

static inline long sys_getsockopt(int fd, int name, void *value,
                                  socklen_t *len)
{
    return SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, name, value, len, 0);
}

/* One int at SOL_SOCKET, or -errno.  No such option is negative. */
static inline long sys_sockopt(int fd, int name)
{
    int value = 0;
    socklen_t len = sizeof value;
    long rc = sys_getsockopt(fd, name, &value, &len);

    return rc < 0 ? rc : value;
}

/* The error for which a blocked send gives up, taken from the socket; 0: none.
 * AF_UNIX looks at it while it waits, but not at the start of a call. */
static inline long sys_send_error(int fd)
{
    long error = sys_has_failed(fd) ? sys_sockopt(fd, SO_ERROR) : 0;

    return error > 0 ? -error : 0;
}

static inline long sys_fstat(int fd, struct stat *st)
{
    return SYS_CALL(SYS_fstat, fd, st, 0, 0, 0, 0);
}

static inline long sys_close(int fd)
{
    return SYS_CALL(SYS_close, fd, 0, 0, 0, 0, 0);
}

#endif
