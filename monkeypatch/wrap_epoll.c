/* wrap_epoll.c - epoll_wait and its kin
 *
 * An epoll fd is itself pollable, so the wait is for the program's own epoll
 * fd; what it has to say is asked with time-out 0. */
#include "monkeypatch/io_impl.h"

#include <sys/epoll.h>

struct epoll_call {
    struct epoll_event *events;
    int room;
    int64_t deadline;
};

static long ask(int fd, const struct epoll_call *call)
{
    return SYS_CALL(SYS_epoll_pwait, fd, call->events, call->room, 0, NULL,
                    MP_SIGSET_BYTES);
}

/* The whole call, waiting in the kernel, by the millisecond. */
static long plain_wait(struct mp__io *io, void *arg)
{
    struct epoll_call *call = arg;
    int64_t ms = -1;

    if (call->deadline != HUB_FOREVER) {
        ms = (call->deadline - mp__now() + 999999) / 1000000;
        ms = ms < 0 ? 0 : ms > INT_MAX ? INT_MAX : ms;
    }
    return SYS_CALL(SYS_epoll_pwait, io->fd, call->events, call->room, ms, NULL,
                    MP_SIGSET_BYTES);
}

static int park(struct mp__io *io, int64_t deadline)
{
    io->waited = 1;
    return mp__io_park(&io->fd, HUB_READ, deadline,
                       MP_CANCEL | MP_INTERRUPTIBLE);
}

static long do_wait(int fd, struct epoll_call *call,
                    const struct mp__masked_wait *masked)
{
    struct mp__io io MP_IO_CLEANUP;
    int64_t piece;
    long ready;
    int rc;

    mp__io_open(&io, fd, HUB_READ);
    for (;;) {
        ready = ask(io.fd, call);
        if (ready != 0 || call->deadline == 0)
            return ready;
        if (!mp__may_park())
            return plain_wait(&io, call);
        piece = mp__mask_piece(masked, call->deadline);
        rc = park(&io, piece);
        if (rc == -ETIMEDOUT && piece == call->deadline)
            return ask(io.fd, call);
        if (rc == -ETIMEDOUT && mp__mask_interrupted(masked))
            return -EINTR;
        if (rc == -ETIMEDOUT)
            continue;
        if (rc == -EINTR || rc == -ECANCELED || rc == -EBADF)
            return rc;
        if (rc < 0) /* epoll fds inside epoll fds: five deep at most */
            return mp__io_offload(&io, plain_wait, call);
    }
}

static long wait_masked(int fd, struct epoll_call *call, const sigset_t *mask)
{
    struct mp__masked_wait masked MP_MASK_CLEANUP = { .masked = false };
    long rc;

    mp__io_begin();
    if (mask != NULL && call->deadline != 0) {
        rc = ask(fd, call); /* what is ready goes before signals */
        if (rc != 0)
            return rc;
        if (!mp__readable(mask, MP_SIGSET_BYTES))
            return -EFAULT;
        if (mp__mask_begin(&masked, mask))
            return -EINTR;
    }
    return do_wait(fd, call, &masked);
}

static int64_t deadline_ms(int timeout)
{
    if (timeout < 0)
        return HUB_FOREVER;
    return timeout == 0 ? 0 : mp__now() + (int64_t)timeout * 1000000;
}

MP_EXPORT int epoll_wait(int fd, struct epoll_event *events, int room,
                         int timeout)
{
    if (!MP_ACTIVE(poll) || mp__hub->fd_is_ours(fd))
        return MP_REAL(epoll_wait)(fd, events, room, timeout);
    struct epoll_call call = { events, room, deadline_ms(timeout) };

    return (int)mp__io_end(wait_masked(fd, &call, NULL));
}

MP_EXPORT int epoll_pwait(int fd, struct epoll_event *events, int room,
                          int timeout, const sigset_t *mask)
{
    if (!MP_ACTIVE(poll) || mp__hub->fd_is_ours(fd))
        return MP_REAL(epoll_pwait)(fd, events, room, timeout, mask);
    struct epoll_call call = { events, room, deadline_ms(timeout) };

    return (int)mp__io_end(wait_masked(fd, &call, mask));
}

MP_EXPORT int epoll_pwait2(int fd, struct epoll_event *events, int room,
                           const struct timespec *timeout,
                           const sigset_t *mask)
{
    struct epoll_call call = { events, room, HUB_FOREVER };

    if (!MP_ACTIVE(poll) || mp__hub->fd_is_ours(fd)) {
        if (MP_REAL_FOUND(epoll_pwait2))
            return mp__real.epoll_pwait2(fd, events, room, timeout, mask);
        return mp__fail(-ENOSYS);
    }
    if (timeout != NULL) {
        if (!mp__readable(timeout, sizeof *timeout))
            return (int)mp__io_end(-EFAULT);
        if (!mp__timespec_ok(timeout))
            return (int)mp__io_end(-EINVAL);
        call.deadline = timeout->tv_sec == 0 && timeout->tv_nsec == 0
                            ? 0
                            : mp__after(timeout);
    }
    return (int)mp__io_end(wait_masked(fd, &call, mask));
}
