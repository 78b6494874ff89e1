/* wrap_sendfile.c - calls that move bytes from fd to fd, and eventfds
 *
 * The kernel has no form of them that never waits.  The caller parks until the
 * first byte can go, which is where an idle connection is; the transfer itself
 * runs on a helper. */
#include "monkeypatch/io_impl.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>

enum what { SENDFILE, SPLICE, TEE };

struct move {
    enum what what;
    int from;
    off_t *from_at, *to_at;
    size_t len;
    unsigned flags;
};

static long move(struct mp__io *io, void *arg)
{
    struct move *call = arg;

    switch (call->what) {
    case SENDFILE:
        return SYS_CALL(SYS_sendfile, io->fd, call->from, call->from_at,
                        call->len, 0, 0);
    case SPLICE:
        return SYS_CALL(SYS_splice, call->from, call->from_at, io->fd,
                        call->to_at, call->len, call->flags);
    default:
        return SYS_CALL(SYS_tee, call->from, io->fd, call->len, call->flags, 0,
                        0);
    }
}

static long try_move(struct mp__io *io, void *arg)
{
    (void)arg;
    if (sys_poll_one(io->fd, POLLOUT) == 0)
        io->polls = 1; /* wait, and ask again */
    else
        io->offload = 1;
    return -EAGAIN;
}

static bool is_pipe(int fd)
{
    struct stat st;

    return sys_fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* What the kernel refuses before it waits: an offset in a pipe, and where there is
 * no pipe (tee: not two).  What has offsets never waits. */
static bool is_over_at_once(const struct move *call, int to)
{
    if (call->len == 0 || call->from_at != NULL)
        return true;
    if (call->what == TEE)
        return !(is_pipe(call->from) && is_pipe(to));
    return !(is_pipe(call->from) || is_pipe(to));
}

/* Parks until there is something to read, if that may take long. */
static long wait_for_input(int from)
{
    struct mp__io io MP_IO_CLEANUP;

    mp__io_open(&io, from, HUB_READ);
    io.polls = 1;
    while (sys_poll_one(io.fd, POLLIN) == 0) {
        int rc = mp__io_wait(&io);

        if (rc != 0)
            return rc > 0 ? 0 : rc; /* the call itself will see to it */
    }
    return 0;
}

static ssize_t run(int to, struct move *call)
{
    long rc = 0;

    mp__io_begin();
    if (call->what != SENDFILE && (call->flags & SPLICE_F_NONBLOCK) == 0 &&
        !is_over_at_once(call, to))
        rc = wait_for_input(call->from);
    if (rc == 0)
        rc = mp__io_run(to, HUB_WRITE, try_move, move, call);
    return mp__io_end(rc);
}

static bool may_park(void)
{
    return MP_ACTIVE(file) && mp__may_park();
}

MP_EXPORT ssize_t sendfile(int to, int from, off_t *at, size_t len)
{
    ssize_t (*original)(int, int, off_t *, size_t) = MP_REAL(sendfile);
    struct move call = {SENDFILE, from, at, NULL, len, 0};

    if (!may_park())
        return original(to, from, at, len);
    return run(to, &call);
}
MP_SPELLING(sendfile, sendfile64);

MP_EXPORT ssize_t splice(int from, off_t *from_at, int to, off_t *to_at,
                         size_t len, unsigned flags)
{
    ssize_t (*original)(int, off_t *, int, off_t *, size_t, unsigned) =
        MP_REAL(splice);
    struct move call = {SPLICE, from, from_at, to_at, len, flags};

    if (!may_park())
        return original(from, from_at, to, to_at, len, flags);
    return run(to, &call);
}

MP_EXPORT ssize_t tee(int from, int to, size_t len, unsigned flags)
{
    ssize_t (*original)(int, int, size_t, unsigned) = MP_REAL(tee);
    struct move call = {TEE, from, NULL, NULL, len, flags};

    if (!may_park())
        return original(from, to, len, flags);
    return run(to, &call);
}

struct gift {
    const struct iovec *vec;
    size_t count;
    unsigned flags;
};

static long give(struct mp__io *io, void *arg)
{
    struct gift *call = arg;

    return SYS_CALL(SYS_vmsplice, io->fd, call->vec, call->count, call->flags,
                    0, 0);
}

/* It asks for the flag alone: that of the pipe does not count. */
static long try_to_give(struct mp__io *io, void *arg)
{
    struct gift call = *(struct gift *)arg;

    io->polls = 1;
    call.flags |= SPLICE_F_NONBLOCK;
    return give(io, &call);
}

MP_EXPORT ssize_t vmsplice(int fd, const struct iovec *vec, size_t count,
                           unsigned flags)
{
    ssize_t (*original)(int, const struct iovec *, size_t, unsigned) =
        MP_REAL(vmsplice);
    struct gift call = {vec, count, flags};
    bool reads;

    if (!may_park() || (flags & SPLICE_F_NONBLOCK) != 0)
        return original(fd, vec, count, flags);
    reads = (sys_get_flags(fd) & O_ACCMODE) == O_RDONLY;
    mp__io_begin();
    return mp__io_end(mp__io_run(fd, reads ? HUB_READ : HUB_WRITE, try_to_give,
                                 give, &call));
}

MP_EXPORT int eventfd_read(int fd, eventfd_t *value)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(eventfd_read)(fd, value);
    return mp__io_end(mp__read(fd, value, sizeof *value)) == sizeof *value ? 0
                                                                           : -1;
}

MP_EXPORT int eventfd_write(int fd, eventfd_t value)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(eventfd_write)(fd, value);
    return mp__io_end(mp__write(fd, &value, sizeof value)) == sizeof value ? 0
                                                                           : -1;
}
