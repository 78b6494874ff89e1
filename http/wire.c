/* wire.c - a socket, or TLS on one
 *
 * A call is tried first, without a deadline: that costs no look at the clock,
 * and is all there is to most of them. */
#include "http/slow.h"

#include "hub/socket.h"
#include "hub/tls.h"

#include <errno.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define FILE_PIECE (256u * 1024) /* of a file: then others have their turn */
#define COPY_PIECE 16384u        /* where there is no sendfile() */

int http__wire_wait(struct http__wire *wire, int64_t deadline_ns)
{
    if (wire->tls != NULL && !wire->drained)
        return 0; /* it may have bytes that the socket does not know of */
    return hub_wait_fd(wire->fd, HUB_READ, deadline_ns);
}

ssize_t http__wire_read(struct http__wire *wire, void *buffer, size_t size,
                        int64_t deadline_ns)
{
    ssize_t got = wire->tls != NULL
                      ? hub_tls_read(wire->tls, buffer, size, deadline_ns)
                      : hub_recv(wire->fd, buffer, size, 0, deadline_ns);

    wire->drained = got < (ssize_t)size;
    return got;
}

/* ---- writing ---- */

int64_t http__wire_limit(int64_t ns)
{
    return ns < 0 ? HUB_FOREVER : hub_deadline(ns);
}

static ssize_t put(struct http__wire *wire, struct iovec *vec, int count,
                   int64_t deadline_ns)
{
    struct msghdr message = {.msg_iov = vec, .msg_iovlen = (size_t)count};

    if (wire->tls != NULL)
        return hub_tls_write(wire->tls, vec->iov_base, vec->iov_len,
                             deadline_ns);
    if (count == 1)
        return hub_send(wire->fd, vec->iov_base, vec->iov_len, 0, deadline_ns);
    return hub_sendmsg(wire->fd, &message, 0, deadline_ns);
}

/* What a TLS session has taken and could not send. */
static int flush_tls(struct http__wire *wire, int64_t progress_ns)
{
    ssize_t rc = hub_tls_write(wire->tls, NULL, 0, HUB_NOWAIT);

    if (rc == -EAGAIN && progress_ns != 0)
        rc = hub_tls_write(wire->tls, NULL, 0, http__wire_limit(progress_ns));
    return (int)rc;
}

int http__wire_write(struct http__wire *wire, struct iovec *vec, int count,
                     int64_t progress_ns)
{
    ssize_t done;

    http__wire_advance(&vec, &count, 0);
    while (count > 0) {
        done = put(wire, vec, count, HUB_NOWAIT);
        if (done == -EAGAIN && progress_ns != 0)
            done = put(wire, vec, count, http__wire_limit(progress_ns));
        if (done < 0)
            return (int)done;
        http__wire_advance(&vec, &count, (size_t)done);
    }
    return wire->tls != NULL ? flush_tls(wire, progress_ns) : 0;
}

ssize_t http__wire_try(struct http__wire *wire, const void *data, size_t size)
{
    struct iovec vec = {(void *)(uintptr_t)data, size};

    return put(wire, &vec, 1, HUB_NOWAIT);
}

/* ---- files ---- */

/* Through memory: for TLS, and for files that sendfile() does not take. */
static int copy_file(struct http__wire *wire, int file, off_t offset,
                     uint64_t count, int64_t progress_ns)
{
    char buffer[COPY_PIECE];
    int saved = errno, rc = 0;

    while (count > 0 && rc == 0) {
        size_t most = count < sizeof buffer ? (size_t)count : sizeof buffer;
        ssize_t got = pread(file, buffer, most, offset);
        struct iovec vec = {buffer, got > 0 ? (size_t)got : 0};

        if (got <= 0)
            rc = got < 0 ? -errno : -EIO;
        else
            rc = http__wire_write(wire, &vec, 1, progress_ns);
        if (got > 0) {
            offset += got;
            count -= (uint64_t)got;
        }
    }
    errno = saved;
    return rc;
}

/* sendfile() has no flag against SIGPIPE: it is blocked meanwhile, and taken
 * when it came. */
static ssize_t quiet_sendfile(int fd, int file, off_t *offset, size_t size)
{
    const struct timespec now = {0, 0};
    sigset_t pipe, before;
    ssize_t sent;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    sent = sendfile(fd, file, offset, size);
    if (sent < 0)
        sent = -errno;
    if (sent == -EPIPE && !sigismember(&before, SIGPIPE))
        sigtimedwait(&pipe, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return sent;
}

/* Returns how many bytes, -EAGAIN, or what went wrong; a file that has become
 * shorter is -EIO. */
static ssize_t send_piece(struct http__wire *wire, int file, off_t *offset,
                          uint64_t count)
{
    size_t most = count < FILE_PIECE ? (size_t)count : FILE_PIECE;
    int saved = errno;
    ssize_t sent = quiet_sendfile(wire->fd, file, offset, most);

    errno = saved;
    return sent == 0 ? -EIO : sent;
}

int http__wire_sendfile(struct http__wire *wire, int file, off_t offset,
                        uint64_t count, int64_t progress_ns)
{
    if (wire->tls != NULL)
        return copy_file(wire, file, offset, count, progress_ns);
    while (count > 0) {
        ssize_t sent = send_piece(wire, file, &offset, count);
        int rc = 0;

        if (sent == -EINVAL || sent == -ENOSYS)
            return copy_file(wire, file, offset, count, progress_ns);
        if (sent == -EAGAIN)
            rc =
                hub_wait_fd(wire->fd, HUB_WRITE, http__wire_limit(progress_ns));
        else if (sent > 0)
            rc = (count -= (uint64_t)sent) > 0 ? hub_sleep(0) : 0;
        else if (sent != -EINTR)
            rc = (int)sent;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- the end ---- */

int http__wire_end(struct http__wire *wire, int64_t deadline_ns)
{
    int rc = wire->tls != NULL ? hub_tls_shutdown(wire->tls, deadline_ns) : 0;
    int ended = hub_shutdown(wire->fd, SHUT_WR);

    return rc < 0 ? rc : ended;
}

void http__wire_close(struct http__wire *wire)
{
    http__slow_leave(wire);
    if (wire->tls != NULL)
        hub_tls_free(wire->tls);
    else if (wire->fd >= 0)
        hub_close(wire->fd);
    wire->tls = NULL;
    wire->fd = -1;
}
