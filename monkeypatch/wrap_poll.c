/* wrap_poll.c - poll and ppoll
 *
 * The kernel is asked with time-out 0, before the wait and after each wake-up:
 * what the program sees are its words.  The hub can wait for "readable" and
 * "writable".  Sets that ask for something else alone (urgent data, the peer's
 * half-close, errors only) wait for a private epoll that knows how. */
#include "monkeypatch/io_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask, size_t room);

#define FEW 16
#define READ_EVENTS (POLLIN | POLLRDNORM)
#define WRITE_EVENTS (POLLOUT | POLLWRNORM)

/* One wait for many fds, and the set with which the kernel was asked.  When the
 * program closes an fd meanwhile, the wait goes on with a private copy. */
struct polling {
    struct hub__fd_wait few[FEW], *waits;
    struct pollfd few_copies[FEW], *copies;
    unsigned count; /* of waits: those with fd >= 0 */
    int exact;      /* the private epoll, or -1 */
    bool waited;
};

static void polling_close(struct polling *polling)
{
    for (unsigned i = 0; polling->waited && i < polling->count; i++)
        if (polling->waits[i].fd != polling->copies[i].fd)
            mp__wait_done(polling->copies[i].fd, polling->waits[i].fd);
    if (polling->exact >= 0) {
        mp__fd_closing(polling->exact);
        mp__hub->fd_forget(polling->exact);
        sys_close(polling->exact);
    }
    if (polling->waits != polling->few)
        free(polling->waits);
    if (polling->copies != polling->few_copies)
        free(polling->copies);
}

/* Errors and hang-ups come with any wait, so no events at all is a wish too. */
static bool is_plain(short events)
{
    return (events & (READ_EVENTS | WRITE_EVENTS)) != 0;
}

/* Fill copies (those with fd >= 0, in order) and waits. */
static int polling_open(struct polling *polling, const struct pollfd *fds,
                        nfds_t count, bool *plain)
{
    polling->waits = polling->few;
    polling->copies = polling->few_copies;
    polling->count = 0;
    polling->exact = -1;
    polling->waited = false;
    *plain = true;
    if (count > FEW) {
        polling->waits = calloc(count, sizeof *polling->waits);
        polling->copies = calloc(count, sizeof *polling->copies);
        if (polling->waits == NULL || polling->copies == NULL)
            return -ENOMEM;
    }
    for (nfds_t i = 0; i < count; i++) {
        struct hub__fd_wait *wait = &polling->waits[polling->count];

        if (fds[i].fd < 0)
            continue;
        if (!is_plain(fds[i].events))
            *plain = false;
        memset(wait, 0, sizeof *wait);
        wait->fd = fds[i].fd;
        if ((fds[i].events & READ_EVENTS) != 0)
            wait->events |= HUB_READ;
        if ((fds[i].events & WRITE_EVENTS) != 0)
            wait->events |= HUB_WRITE;
        polling->copies[polling->count++] = fds[i];
    }
    return 0;
}

static long exact_add(int epfd, const struct pollfd *poll, uint32_t more)
{
    struct epoll_event event = { .events = (uint16_t)poll->events | more,
                                 .data.u64 = (uint32_t)poll->fd };

    return SYS_CALL(SYS_epoll_ctl, epfd,
                    more == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, poll->fd,
                    &event, 0, 0);
}

/* POLL* and EPOLL* have equal values.  An fd that stands in the set twice is
 * watched for what either wants. */
static int exact_open(struct polling *polling)
{
    long fd = SYS_CALL(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0, 0, 0, 0);

    if (fd < 0)
        return (int)fd;
    polling->exact = mp__hub->fd_to_top((int)fd);
    for (unsigned i = 0; i < polling->count; i++) {
        const struct pollfd *poll = &polling->copies[i];
        long rc = exact_add(polling->exact, poll, 0);

        if (rc == -EEXIST) {
            uint32_t more = 0;

            for (unsigned j = 0; j < i; j++)
                if (polling->copies[j].fd == poll->fd)
                    more |= (uint16_t)polling->copies[j].events;
            rc = exact_add(polling->exact, poll, more | EPOLLERR);
        }
        if (rc < 0)
            return (int)rc;
    }
    return 0;
}

static int polling_wait(struct polling *polling, int64_t deadline)
{
    unsigned flags = MP_CANCEL | MP_INTERRUPTIBLE;
    int before = errno, rc;

    if (polling->exact >= 0) {
        int fd = polling->exact;

        return mp__io_park(&fd, HUB_READ, deadline, flags);
    }
    mp__here->io_budget = MP_IO_BUDGET;
    if (polling->count == 0) {
        rc = mp__sleep_until(deadline, flags);
    } else {
        polling->waited = true;
        rc = mp__wait_fds(polling->waits, polling->count, deadline, flags);
    }
    errno = before;
    return rc;
}

struct offloaded {
    struct pollfd *fds;
    nfds_t count;
    int64_t deadline;
    long rc;
};

/* The whole call, waiting in the kernel. */
static void poll_plainly(void *arg)
{
    struct offloaded *call = arg;
    struct timespec left, *timeout = NULL;

    if (call->deadline != HUB_FOREVER) {
        int64_t ns = call->deadline - mp__now();

        ns = ns > 0 ? ns : 0;
        left.tv_sec = ns / 1000000000;
        left.tv_nsec = ns % 1000000000;
        timeout = &left;
    }
    call->rc = SYS_CALL(SYS_ppoll, call->fds, call->count, timeout, NULL,
                        MP_SIGSET_BYTES, 0);
}

static long poll_offloaded(struct pollfd *fds, nfds_t count, int64_t deadline)
{
    struct offloaded call = { fds, count, deadline, 0 };
    int before = errno;

    if (!mp__may_park() ||
        mp__offload(poll_plainly, &call, HUB_OFFLOAD_LONG) < 0)
        poll_plainly(&call);
    errno = before;
    return call.rc;
}

/* `deadline` 0: just ask. */
long mp__poll(struct pollfd *fds, nfds_t count, int64_t deadline)
{
    struct polling polling __attribute__((cleanup(polling_close)));
    long ready = sys_poll(fds, count);
    bool plain;
    int rc;

    polling.waits = polling.few;
    polling.copies = polling.few_copies;
    polling.exact = -1;
    polling.waited = false;
    if (ready != 0 || deadline == 0)
        return ready;
    if (!mp__may_park())
        return poll_offloaded(fds, count, deadline);
    rc = polling_open(&polling, fds, count, &plain);
    if (rc < 0)
        return rc;
    if (!plain && exact_open(&polling) < 0)
        return poll_offloaded(fds, count, deadline);
    for (;;) {
        rc = polling_wait(&polling, deadline);
        if (rc == -EINTR || rc == -ECANCELED)
            return rc;
        ready = sys_poll(fds, count); /* by number, as Linux does then too */
        if (ready != 0 || rc == -ETIMEDOUT)
            return ready;
        if (rc < 0)
            return poll_offloaded(fds, count, deadline);
    }
}

static int64_t deadline_ms(int timeout)
{
    if (timeout < 0)
        return HUB_FOREVER;
    return timeout == 0 ? 0 : mp__now() + (int64_t)timeout * 1000000;
}

static long do_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    mp__io_begin();
    return mp__poll(fds, count, deadline_ms(timeout));
}

static long do_ppoll(struct pollfd *fds, nfds_t count,
                     const struct timespec *timeout, const sigset_t *mask)
{
    struct mp__masked_wait masked MP_MASK_CLEANUP = { .masked = false };
    int64_t deadline = HUB_FOREVER;
    struct timespec zero = { 0, 0 };
    long rc;

    mp__io_begin();
    if (timeout != NULL) {
        if (!mp__timespec_ok(timeout))
            return -EINVAL;
        deadline = timeout->tv_sec == 0 && timeout->tv_nsec == 0
                       ? 0
                       : mp__after(timeout);
    }
    if (mask != NULL && deadline == 0)
        return SYS_CALL(SYS_ppoll, fds, count, &zero, mask, MP_SIGSET_BYTES, 0);
    if (mask != NULL) {
        rc = sys_poll(fds, count); /* what is ready goes before signals */
        if (rc != 0)
            return rc;
        if (!mp__readable(mask, MP_SIGSET_BYTES))
            return -EFAULT;
        if (mp__mask_begin(&masked, mask))
            return -EINTR;
    }
    for (;;) {
        int64_t piece = mp__mask_piece(&masked, deadline);

        rc = mp__poll(fds, count, piece);
        if (rc != 0 || piece == deadline)
            return rc;
        if (mp__mask_interrupted(&masked))
            return -EINTR;
    }
}

MP_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    if (!MP_ACTIVE(poll))
        return MP_REAL(poll)(fds, count, timeout);
    return (int)mp__io_end(do_poll(fds, count, timeout));
}
MP_SPELLING(poll, __poll);

MP_EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout,
                         size_t room)
{
    if (!MP_ACTIVE(poll) || room / sizeof *fds < count)
        return MP_REAL(__poll_chk)(fds, count, timeout, room);
    return (int)mp__io_end(do_poll(fds, count, timeout));
}

MP_EXPORT int ppoll(struct pollfd *fds, nfds_t count,
                    const struct timespec *timeout, const sigset_t *mask)
{
    if (!MP_ACTIVE(poll))
        return MP_REAL(ppoll)(fds, count, timeout, mask);
    return (int)mp__io_end(do_ppoll(fds, count, timeout, mask));
}

MP_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count,
                          const struct timespec *timeout, const sigset_t *mask,
                          size_t room)
{
    if (!MP_ACTIVE(poll) || room / sizeof *fds < count)
        return MP_REAL(__ppoll_chk)(fds, count, timeout, mask, room);
    return (int)mp__io_end(do_ppoll(fds, count, timeout, mask));
}
