/* wrap_file.c - read, write and their kin, on any kind of fd
 *
 * Sockets are asked with MSG_DONTWAIT, other files with RWF_NOWAIT.  Where the
 * kernel has no such thing (ttys, named fifos, inotify, /proc; pipes before
 * Linux 6.5; everything under qemu) poll() is asked first. */
#include "monkeypatch/files.h"
#include "monkeypatch/io_impl.h"

#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);

struct transfer {
    const struct iovec *vec;
    int count;
    bool vector; /* readv or writev: the kernel has an opinion on vec */
    bool final;  /* write: a short count is the result, not a beginning */
    size_t total, done;
};

static bool nowait_refused(long rc)
{
    return rc == -EOPNOTSUPP || rc == -ENOSYS;
}

/* read() of a terminal in raw mode may end by the clock, with nothing read, or
 * with less than what poll() calls ready. */
static bool reads_otherwise(int fd, size_t asked)
{
    struct termios how;

    /* The kernel's struct is shorter and begins alike. */
    if (SYS_CALL(SYS_ioctl, fd, TCGETS, &how, 0, 0, 0) < 0)
        return false;
    return (how.c_lflag & ICANON) == 0 &&
           (how.c_cc[VMIN] == 0 || how.c_cc[VTIME] != 0 ||
            asked < how.c_cc[VMIN]);
}

static long plain_read(struct mp__io *io, void *arg)
{
    struct transfer *call = arg;

    if (!call->vector)
        return SYS_CALL(SYS_read, io->fd, call->vec->iov_base,
                        call->vec->iov_len, 0, 0, 0);
    return SYS_CALL(SYS_readv, io->fd, call->vec, call->count, 0, 0, 0);
}

/* What is ready for poll() may still wait for storage. */
static long settled_read(struct mp__io *io, struct transfer *call)
{
    if (mp__files_in_pool(MP_FILES_POOL) && (mp__fd_bits(io->fd) & FD_REGULAR) != 0)
        return mp__files_run(io, plain_read, call);
    return plain_read(io, call);
}

static long polled_read(struct mp__io *io, struct transfer *call)
{
    io->polls = 1;
    if (sys_poll_one(io->fd, POLLIN) != 0)
        return settled_read(io, call);
    if (io->waited)
        return -EAGAIN;
    if ((mp__fd_bits(io->fd) & FD_TERMINAL) != 0) {
        /* Of nothing: what a process in the background is told at once. */
        long rc = SYS_CALL(SYS_read, io->fd, call->vec->iov_base, 0, 0, 0, 0);

        if (rc < 0)
            return rc;
        if (reads_otherwise(io->fd, mp__iov_total(call->vec, call->count)))
            io->offload = 1;
    }
    return -EAGAIN;
}

static long socket_read(int fd, const struct transfer *call)
{
    struct msghdr msg = { 0 };
    long rc;

    if (!call->vector)
        return sys_recv(fd, call->vec->iov_base, call->vec->iov_len,
                        MSG_DONTWAIT, NULL, NULL);
    msg.msg_iov = (struct iovec *)call->vec;
    msg.msg_iovlen = (size_t)call->count;
    rc = sys_recvmsg(fd, &msg, MSG_DONTWAIT);
    if (rc == -EFAULT || rc == -EMSGSIZE || rc == -EINVAL)
        rc = SYS_CALL(SYS_readv, fd, call->vec, call->count, 0, 0, 0);
    return rc; /* of a vector that is refused, as readv() puts it */
}

/* What is not in memory. */
static long cold_read(struct mp__io *io, struct transfer *call)
{
    if (mp__files_in_pool(MP_FILES_READS))
        return mp__files_run(io, plain_read, call);
    return polled_read(io, call);
}

/* What is in memory may end in the middle; a read of a file ends with it. */
static long rest_of_file(struct mp__io *io, struct transfer *call, long done)
{
    struct mp__window window;
    long rc = done;

    while (rc > 0) {
        struct transfer rest = { .vec = window.vec, .vector = true };

        mp__window_fill(&window, call->vec, call->count, (size_t)done);
        if (window.count == 0)
            return done;
        rest.count = window.count;
        rc = sys_readv(io->fd, window.vec, window.count, RWF_NOWAIT);
        if (rc == -EAGAIN)
            rc = cold_read(io, &rest);
        done += rc > 0 ? rc : 0;
    }
    return done;
}

static long try_read(struct mp__io *io, void *arg)
{
    struct transfer *call = arg;
    unsigned bits = mp__fd_bits(io->fd);
    long rc;

    if ((bits & FD_SOCKET) != 0) {
        rc = socket_read(io->fd, call);
        if (likely(rc != -ENOTSOCK))
            return rc;
        bits = mp__fd_examine(io->fd);
    }
    if (bits == 0 || (bits & FD_POLL_READ) != 0 || !mp__fd_nowait_works())
        return polled_read(io, call);

    rc = sys_readv(io->fd, call->vec, call->count, RWF_NOWAIT);
    if (nowait_refused(rc)) {
        mp__fd_learn(io->fd, FD_POLL_READ);
        return polled_read(io, call);
    }
    if ((bits & FD_REGULAR) != 0)
        return rc == -EAGAIN ? cold_read(io, call)
                             : rest_of_file(io, call, rc);
    return rc;
}

static long do_read(int fd, size_t len, struct transfer *call)
{
    struct mp__io io;
    long flags;

    if (unlikely(mp__fd_waits_for_more(fd))) {
        mp__io_open(&io, fd, HUB_READ);
        flags = sys_get_flags(fd);
        if (flags >= 0 && (flags & O_NONBLOCK) == 0 && mp__may_park())
            return mp__io_offload(&io, plain_read, call);
    }
    return mp__io_receive(fd, len, try_read, plain_read, call);
}

long mp__read(int fd, void *buf, size_t len)
{
    struct iovec vec = { buf, len };
    struct transfer call = { .vec = &vec, .count = 1 };

    mp__io_begin();
    if (unlikely(len == 0)) /* never waits, and takes no datagram */
        return SYS_CALL(SYS_read, fd, buf, len, 0, 0, 0);
    return do_read(fd, len, &call);
}

/* Vectors of nothing never wait, and take and send no message; what cannot be
 * read is for the kernel to refuse. */
static bool is_empty(const struct iovec *vec, int count)
{
    if (!mp__readable(vec, (size_t)count * sizeof *vec))
        return true;
    for (int i = 0; i < count; i++)
        if (vec[i].iov_len != 0)
            return false;
    return true;
}

static long mp__readv(int fd, const struct iovec *vec, int count)
{
    struct transfer call = { .vec = vec, .count = count, .vector = true };

    mp__io_begin();
    if (count <= 0 || count > IOV_MAX || is_empty(vec, count))
        return SYS_CALL(SYS_readv, fd, vec, count, 0, 0, 0);
    return do_read(fd, mp__iov_total(vec, count), &call);
}

/* One plain write of what is left. */
static long write_rest(struct mp__io *io, const struct transfer *call)
{
    struct mp__window window;

    if (call->done > 0) {
        mp__window_fill(&window, call->vec, call->count, call->done);
        return SYS_CALL(SYS_writev, io->fd, window.vec, window.count, 0, 0, 0);
    }
    if (!call->vector)
        return SYS_CALL(SYS_write, io->fd, call->vec->iov_base,
                        call->vec->iov_len, 0, 0, 0);
    return SYS_CALL(SYS_writev, io->fd, call->vec, call->count, 0, 0, 0);
}

static long plain_write(struct mp__io *io, void *arg)
{
    struct transfer *call = arg;
    bool all = call->done == 0; /* the kernel does it in one call */
    long rc;

    do {
        rc = write_rest(io, call);
        if (rc <= 0)
            break;
        call->done += (size_t)rc;
    } while (!all && call->done < call->total);
    return call->done > 0 ? (long)call->done : rc;
}

static bool is_bad_vector(const struct transfer *call)
{
    if (!mp__readable(call->vec, (size_t)call->count * sizeof *call->vec))
        return true;
    for (int i = 0; i < call->count; i++)
        if (call->vec[i].iov_len > SSIZE_MAX)
            return true;
    return false;
}

/* A pipe that is ready takes PIPE_BUF bytes without waiting, and no more is
 * promised. */
static long chunk_write(struct mp__io *io, struct transfer *call)
{
    char chunk[PIPE_BUF];
    struct mp__window window;
    size_t len = 0, done = call->done;

    if (!call->vector) {
        len = call->vec->iov_len - done;
        return SYS_CALL(SYS_write, io->fd, (char *)call->vec->iov_base + done,
                        len < PIPE_BUF ? len : PIPE_BUF, 0, 0, 0);
    }
    if (is_bad_vector(call))
        return write_rest(io, call);
    do {
        mp__window_fill(&window, call->vec, call->count, done + len);
        for (int i = 0; i < window.count && len < sizeof chunk; i++) {
            size_t n = window.vec[i].iov_len;

            if (n > sizeof chunk - len)
                n = sizeof chunk - len;
            if (!mp__readable(window.vec[i].iov_base, n))
                return write_rest(io, call); /* the kernel's answer */
            memcpy(chunk + len, window.vec[i].iov_base, n);
            len += n;
        }
    } while (window.count > 0 && len < sizeof chunk);
    return SYS_CALL(SYS_write, io->fd, chunk, len, 0, 0, 0);
}

/* What is written to an eventfd may have to wait although poll() says it can be
 * written to: unless it is 1. */
static bool is_large_event(const struct transfer *call)
{
    uint64_t value;

    if (call->vector || call->vec->iov_len != sizeof value ||
        !mp__readable(call->vec->iov_base, sizeof value))
        return false;
    memcpy(&value, call->vec->iov_base, sizeof value);
    return value > 1;
}

static long whole_write(struct mp__io *io, void *arg)
{
    return write_rest(io, arg);
}

static long polled_write(struct mp__io *io, struct transfer *call)
{
    struct termios how;
    struct stat st;
    long rc = sys_fstat(io->fd, &st);
    mode_t type = rc < 0 ? S_IFREG : st.st_mode & S_IFMT;

    io->polls = 1;
    if (type != S_IFIFO)
        call->final = true;
    if (type == S_IFREG || type == S_IFBLK || type == S_IFDIR) {
        if (type != S_IFDIR && mp__writes_in_pool(io->fd))
            return mp__files_run(io, whole_write, call);
        return write_rest(io, call);
    }
    if (sys_get_flags(io->fd) & O_NONBLOCK) {
        call->final = true;
        return write_rest(io, call);
    }
    /* A terminal that is ready may have room for one byte; and a process in the
     * background may be stopped, which a helper is not. */
    if (type == S_IFCHR &&
        SYS_CALL(SYS_ioctl, io->fd, TCGETS, &how, 0, 0, 0) == 0) {
        rc = call->done == 0 ? SYS_CALL(SYS_write, io->fd,
                                        call->vec->iov_base, 0, 0, 0, 0)
                             : 0;
        if (rc < 0)
            return rc;
        io->offload = 1;
        return -EAGAIN;
    }
    if (type == 0 && is_large_event(call)) {
        io->offload = 1;
        return -EAGAIN;
    }
    if (sys_poll_one(io->fd, POLLOUT) == 0)
        return -EAGAIN;
    return type == S_IFIFO ? chunk_write(io, call) : write_rest(io, call);
}

/* Once something is written an error is not for this call to report: it must
 * neither be taken from the socket nor raise SIGPIPE. */
static long next_socket_write(int fd, struct transfer *call,
                              struct mp__window *window)
{
    struct msghdr msg = { .msg_iov = window->vec,
                          .msg_iovlen = (size_t)window->count };

    if (sys_has_failed(fd)) {
        call->final = true;
        return 0;
    }
    return sys_sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static long first_socket_write(int fd, const struct transfer *call)
{
    struct msghdr msg = { 0 };
    long rc;

    if (!call->vector)
        return sys_send(fd, call->vec->iov_base, call->vec->iov_len,
                        MSG_DONTWAIT, NULL, 0);
    msg.msg_iov = (struct iovec *)call->vec;
    msg.msg_iovlen = (size_t)call->count;
    rc = sys_sendmsg(fd, &msg, MSG_DONTWAIT);
    if (rc == -EFAULT || rc == -EMSGSIZE || rc == -EINVAL)
        rc = SYS_CALL(SYS_writev, fd, call->vec, call->count, 0, 0, 0);
    return rc; /* of a vector that is refused, as writev() puts it */
}

/* As much as goes without waiting, in one system call. */
static long write_once(struct mp__io *io, struct transfer *call)
{
    unsigned bits = mp__fd_bits(io->fd);
    struct mp__window window;
    long rc;

    if (call->done > 0)
        mp__window_fill(&window, call->vec, call->count, call->done);
    if ((bits & FD_SOCKET) != 0) {
        rc = io->waited && call->done == 0 ? sys_send_error(io->fd) : 0;
        if (rc < 0)
            return rc;
        rc = call->done > 0 ? next_socket_write(io->fd, call, &window)
                            : first_socket_write(io->fd, call);
        if (likely(rc != -ENOTSOCK))
            return rc;
        bits = mp__fd_examine(io->fd);
    }
    /* What a file takes in two pieces is not one record any more. */
    if (bits == 0 || (bits & (FD_POLL_WRITE | FD_REGULAR)) != 0 ||
        !mp__fd_nowait_works())
        return polled_write(io, call);

    rc = call->done > 0
             ? sys_writev(io->fd, window.vec, window.count, RWF_NOWAIT)
             : sys_writev(io->fd, call->vec, call->count, RWF_NOWAIT);
    if (nowait_refused(rc)) {
        mp__fd_learn(io->fd, FD_POLL_WRITE);
        return polled_write(io, call);
    }
    return rc;
}

static long try_write(struct mp__io *io, void *arg)
{
    struct transfer *call = arg;
    long rc;

    do {
        rc = write_once(io, call);
        if (rc < 0)
            return rc;
        /* The kernel has read the array by now, so it can be read. */
        call->total = mp__iov_total(call->vec, call->count);
        call->done += (size_t)rc;
        if (rc > 0)
            io->stuck = 0;
    } while (rc > 0 && !call->final && call->done < call->total);
    return (long)call->done;
}

static long do_write(int fd, struct transfer *call)
{
    long rc = mp__io_run(fd, HUB_WRITE, try_write, plain_write, call);

    return rc < 0 && call->done > 0 ? (long)call->done : rc;
}

/* Then writing nothing is an empty message, and may wait. */
static bool sends_messages(int fd)
{
    return (mp__fd_bits(fd) & FD_SOCKET) != 0 &&
           sys_sockopt(fd, SO_TYPE) != SOCK_STREAM;
}

long mp__write(int fd, const void *buf, size_t len)
{
    struct iovec vec = { (void *)buf, len };
    struct transfer call = { .vec = &vec, .count = 1 };

    mp__io_begin();
    if (unlikely(len == 0) && !sends_messages(fd))
        return SYS_CALL(SYS_write, fd, buf, len, 0, 0, 0);
    return do_write(fd, &call);
}

static long mp__writev(int fd, const struct iovec *vec, int count)
{
    struct transfer call = { .vec = vec, .count = count, .vector = true };

    mp__io_begin();
    if (count <= 0 || count > IOV_MAX || is_empty(vec, count))
        return SYS_CALL(SYS_writev, fd, vec, count, 0, 0, 0);
    return do_write(fd, &call);
}

MP_EXPORT ssize_t read(int fd, void *buf, size_t len)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(read)(fd, buf, len);
    return mp__io_end(mp__read(fd, buf, len));
}
MP_SPELLING(read, __read);

MP_EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t size)
{
    if (!MP_ACTIVE(file) || len > size)
        return MP_REAL(__read_chk)(fd, buf, len, size);
    return mp__io_end(mp__read(fd, buf, len));
}

MP_EXPORT ssize_t readv(int fd, const struct iovec *vec, int count)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(readv)(fd, vec, count);
    return mp__io_end(mp__readv(fd, vec, count));
}

MP_EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(write)(fd, buf, len);
    return mp__io_end(mp__write(fd, buf, len));
}
MP_SPELLING(write, __write);

MP_EXPORT ssize_t writev(int fd, const struct iovec *vec, int count)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(writev)(fd, vec, count);
    return mp__io_end(mp__writev(fd, vec, count));
}
