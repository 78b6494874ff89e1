/* io.c - try, wait, try again: the life of a call that may block on an fd */
#include "monkeypatch/helped.h"
#include "monkeypatch/end_wait.h"
#include "monkeypatch/io_impl.h"

#include "hub/edge_impl.h"

void mp__io_give_way(void)
{
    int before = errno;

    if (mp__here == NULL)
        return;
    mp__here->io_budget = MP_IO_BUDGET;
    if (mp__may_park())
        mp__yield();
    errno = before;
}

void mp__io_open(struct mp__io *io, int fd, int events)
{
    io->fd = io->original = fd;
    io->events = (uint8_t)events;
    io->waited = io->stuck = io->polls = io->offload = io->shut = 0;
    io->restarts = 0;
    io->deadline = MP_IO_UNASKED;
}

static struct mp__io **writers(void)
{
    return mp__here->host ? &mp__here->writers : &mp__here->carrier->writers;
}

/* Within the wait, which a handler may leave by siglongjmp() once it is over. */
void mp__io_writer_parks(struct mp__io *io, struct hub__waiter *waiter)
{
    struct mp__io **head = writers();
    MP_ALL_STAY;

    io->waiter = waiter;
    io->next = *head;
    io->back = head;
    if (*head != NULL)
        (*head)->back = &io->next;
    *head = io;
}

void mp__io_writer_runs(struct mp__io *io)
{
    MP_ALL_STAY;

    *io->back = io->next;
    if (io->next != NULL)
        io->next->back = io->back;
}

static void try_again(struct mp__io *io)
{
    for (; io != NULL; io = io->next) {
        io->shut = 1;
        mp__hub->wake(io->waiter, 0);
    }
}

/* The writers of other carriers stay parked, or wait for the lock, until they are
 * told: else one could call connect() anew. */
int mp__io_shut_down(int fd, int how)
{
    struct mp__carrier *carrier = NULL;
    MP_ALL_STAY;
    int rc = mp__real.shutdown(fd, how);

    if (rc != 0 || how == SHUT_RD)
        return rc;
    if (!all_stay)
        try_again(*writers());
    else
        while ((carrier = mp__carrier_next(carrier)) != NULL)
            try_again(carrier->writers);
    return rc;
}

void mp__io_close(struct mp__io *io)
{
    if (io->waited)
        mp__wait_done(io->original, io->fd);
}

/* After a wait that ended with "ready" the attempt said EAGAIN.  Mostly somebody
 * else was quicker.  But there are files that are ready for poll() and not for
 * the call: an unconnected datagram socket whose peer is full.  Those must not
 * turn into a busy loop. */
static bool is_stuck(struct mp__io *io)
{
    short want = io->events == HUB_READ ? POLLIN : POLLOUT;
    long revents = sys_poll_one(io->fd, want);

    if (revents <= 0) {
        io->stuck = 0;
        return false;
    }
    return ++io->stuck >= 3;
}

/* What the end of a wait means for the call. */
static int after_wait(int rc)
{
    switch (rc) {
    case 0:
    case -EINTR:
    case -EBADF:
    case -ECANCELED:
        return rc;
    case -ETIMEDOUT: /* SO_RCVTIMEO, SO_SNDTIMEO */
        return -EAGAIN;
    case -EPERM: /* always ready, as regular files are */
        return MP_IO_NATIVE;
    default: /* cannot be watched: too deep, no memory */
        return MP_IO_OFFLOAD;
    }
}

int mp__io_park(int *fd, int events, int64_t deadline, unsigned flags)
{
    int before = errno, rc;

    mp__here->io_budget = MP_IO_BUDGET;
    rc = mp__wait_fd(fd, events, deadline, flags);
    errno = before;
    return rc;
}

/* The wrong end of a pipe is never ready: the call itself must say EBADF. */
static bool is_refused(long flags, int events)
{
    return (flags & O_ACCMODE) == (events == HUB_READ ? O_WRONLY : O_RDONLY);
}

static long flags_of(int fd)
{
    long flags;

    if (mp__fd_blocks(fd))
        return O_RDWR; /* a socket */
    flags = sys_get_flags(fd);
    if (flags >= 0)
        mp__fd_flags_seen(fd, (flags & O_NONBLOCK) == 0);
    return flags;
}

/* signal(7): with a time-out of the socket's a call is not restarted. */
static unsigned how_to_wait(struct mp__io *io)
{
    if (io->deadline == MP_IO_UNASKED)
        io->deadline = mp__fd_deadline(io->fd, io->events);
    return MP_CANCEL | MP_INTERRUPTIBLE |
           (io->deadline == HUB_FOREVER || io->restarts ? MP_RESTARTS : 0);
}

int mp__io_wait(struct mp__io *io)
{
    unsigned how;
    long flags;
    int rc;

    if (!mp__may_park())
        return MP_IO_NATIVE;
    flags = flags_of(io->fd);
    if (flags < 0)
        return (int)flags;
    if (io->polls && is_refused(flags, io->events))
        return MP_IO_NATIVE;
    if ((flags & O_NONBLOCK) != 0)
        return io->polls || io->offload ? MP_IO_NATIVE : -EAGAIN;
    if (io->offload || (io->waited && is_stuck(io)))
        return MP_IO_OFFLOAD;
    if (io->stuck > 0)
        return 0;
    how = how_to_wait(io);
    io->waited = 1;
    if (io->events == HUB_WRITE)
        how |= MP_WRITER;
    rc = mp__io_park(&io->fd, io->events, io->deadline, how);
    return after_wait(rc);
}

struct offloaded {
    struct mp__io *io;
    mp__io_call *native;
    void *call;
};

static long run_offloaded(void *arg)
{
    struct offloaded *job = arg;

    return job->native(job->io, job->call);
}

long mp__io_offload(struct mp__io *io, mp__io_call *native, void *call)
{
    struct offloaded job = { io, native, call };
    int before = errno;
    long rc = mp__helped_wait(run_offloaded, &job, how_to_wait(io));

    errno = before;
    return rc;
}

static inline __attribute__((always_inline)) long
run(int fd, int events, bool wait, mp__io_call *attempt, mp__io_call *native,
    void *call)
{
    struct mp__io io MP_IO_CLEANUP;
    long rc;

    mp__io_open(&io, fd, events);
    for (;; wait = false) {
        rc = wait ? -EAGAIN : attempt(&io, call);
        if (likely(rc != -EAGAIN))
            return rc;
        rc = mp__io_wait(&io);
        if (rc == MP_IO_NATIVE)
            return native(&io, call);
        if (rc == MP_IO_OFFLOAD)
            return mp__io_offload(&io, native, call);
        if (rc < 0)
            return rc;
    }
}

long mp__io_run(int fd, int events, mp__io_call *attempt, mp__io_call *native,
                void *call)
{
    return run(fd, events, false, attempt, native, call);
}

/* What the hub of this OS thread knows of it, where that can be trusted. */
static struct hub__fd *stream(int fd)
{
    const struct hub *hub = mp__here->identity->os->hub;

    if (hub == NULL || !mp__fd_blocks(fd) || !(mp__fd_bits(fd) & FD_STREAM))
        return NULL;
    return hub__fd_peek(hub, fd);
}

void mp__io_urgent(int fd)
{
    const struct hub *hub = mp__here->identity->os->hub;

    if (hub != NULL)
        hub__edge_forbid(hub__fd_peek(hub, fd));
}

long mp__io_receive(int fd, size_t len, mp__io_call *attempt,
                    mp__io_call *native, void *call)
{
    struct hub__fd *known = stream(fd);
    bool wait = known != NULL && len > 0 && (known->drained & HUB_READ) != 0;
    long rc = run(fd, HUB_READ, wait, attempt, native, call);

    if (known != NULL && rc > 0 && (size_t)rc < len &&
        (known->watched & HUB_READ) != 0)
        known->drained |= HUB_READ;
    if (unlikely(known != NULL && known->edge != HUB__EDGE_NOT))
        hub__edge_forbid(known); /* a helper may have read, some time ago */
    return rc;
}

size_t mp__iov_total(const struct iovec *vec, int count)
{
    size_t total = 0;

    for (int i = 0; i < count; i++)
        total += vec[i].iov_len;
    return total;
}

void mp__window_fill(struct mp__window *window, const struct iovec *vec,
                     int count, size_t skip)
{
    int room = (int)(sizeof window->vec / sizeof *window->vec);

    window->count = 0;
    for (int i = 0; i < count && window->count < room; i++) {
        if (skip >= vec[i].iov_len) {
            skip -= vec[i].iov_len;
            continue;
        }
        window->vec[window->count].iov_base = (char *)vec[i].iov_base + skip;
        window->vec[window->count].iov_len = vec[i].iov_len - skip;
        window->count++;
        skip = 0;
    }
}

enum { PAGE = 4096 };

/* 8 bytes.  What lies beside this frame, as most time-outs do, is there; else by
 * a system call that reads them, and then does nothing. */
static bool is_readable(uintptr_t address)
{
    uintptr_t page = (uintptr_t)__builtin_frame_address(0) / PAGE;

    if (address / PAGE == page && (address + 7) / PAGE == page)
        return true;
    return SYS_CALL(SYS_rt_sigprocmask, -1, address, NULL, MP_SIGSET_BYTES, 0,
                    0) != -EFAULT;
}

bool mp__readable(const void *address, size_t len)
{
    uintptr_t at = (uintptr_t)address, last;

    if (len == 0)
        return true;
    if (address == NULL) /* of which the kernel takes no set */
        return false;
    last = len > 8 ? at + len - 8 : at;
    for (; at / PAGE < last / PAGE; at = (at | (PAGE - 1)) + 1)
        if (!is_readable(at))
            return false;
    return is_readable(last);
}
