/* poll.c - the system calls of libev, and how long the loop sleeps
 *
 * libev finds the calls that it makes in the first library that has them: here, where
 * that comes before libc; a library of ours that may be the only one which a program
 * names has them, too, and leads to these (shared/loopcalls.c).  Who else has an
 * epoll_wait() before ours (a sanitizer's) keeps its polls from us: one has to be
 * seen before anything is built on that. */
#include "hub/poll_impl.h"
#include "hub/edge_impl.h"
#include "hub/loopcalls.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* A poll ends a thousandth of its time late, or, if that is longer, by the timer slack
 * of the thread, as any sleep does: 50 us.  Later than that no timer is to be. */
#define NEAR (50 * HUB_MILLISECOND)

#ifndef SYS_epoll_pwait2 /* since Linux 5.11 */
#define SYS_epoll_pwait2 441
#endif

static __thread struct hub__poll *calling
    __attribute__((tls_model("initial-exec")));

void hub__poll_calls(struct hub__poll *poll)
{
    calling = poll;
}

/* ---- sleeping ---- */

static void set_timer(struct hub__poll *poll, int64_t when)
{
    struct itimerspec spec = { { 0, 0 }, { 0, 0 } };

    if (when < 1)
        when = 1; /* all zero disarms */
    if (when == HUB_FOREVER)
        when = 0;
    spec.it_value.tv_sec = (time_t)(when / 1000000000);
    spec.it_value.tv_nsec = (long)(when % 1000000000);
    if (timerfd_settime(poll->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
        poll->armed = when != 0 ? when : HUB_FOREVER;
    poll->rang = false;
}

/* The poll is told a near deadline; for another one a timerfd is armed, and left
 * alone when it is armed for something earlier. */
void hub__poll_arm(struct hub__poll *poll, int64_t most)
{
    int64_t next = hub__timer_next(poll->hub), now = poll->hub->now;

    if (most != HUB_FOREVER && next > now && next - now > most) {
        now = hub_now();
        next = now + most;
    }
    poll->until = HUB_FOREVER;
    if (next >= poll->armed && !poll->rang)
        return;
    if (next >= now + NEAR || poll->only_timer || !poll->sees) {
        set_timer(poll, next);
        return;
    }
    if (poll->rang)
        set_timer(poll, HUB_FOREVER);
    poll->until = next;
}

void hub__poll_ring(struct hub__poll *poll)
{
    int64_t next = hub__timer_next(poll->hub);

    if (next < poll->armed || poll->rang)
        set_timer(poll, next);
}

/* A timer would be set, ring, and be polled: three calls for one. */
static int poll_until(struct hub__poll *poll, struct epoll_event *events,
                      int room, int timeout)
{
    int64_t now = hub_now();
    struct timespec wait = { 0, poll->until > now ? poll->until - now : 0 };
    int count = (int)syscall(SYS_epoll_pwait2, poll->epoll_fd, events, room,
                             &wait, NULL, 0);

    if (count >= 0 || errno == EINTR)
        return count;
    poll->only_timer = true;
    set_timer(poll, poll->until);
    return epoll_pwait(poll->epoll_fd, events, room, timeout, NULL);
}

/* ---- libev's calls ---- */

/* It makes its epoll fd by itself, and makes it anew when it sees events of a file
 * that it cannot take out.  That fd is moved out of the program's way. */
HUB_API int vireo_epoll_create1(int flags)
{
    int fd = (int)syscall(SYS_epoll_create1, flags);

    if (fd < 0 || calling == NULL)
        return fd;
    if (calling->epoll_fd >= 0)
        hub__fd_forget(calling->epoll_fd);
    calling->epoll_fd = hub__fd_to_top(fd);
    return calling->epoll_fd;
}

/* libev takes an fd that was closed without a word, before it was first polled,
 * for a bug of the program's and aborts.  It is told that all is well; the waits
 * end with -EBADF when it has returned. */
HUB_API int vireo_epoll_ctl(int epoll, int operation, int fd,
                            struct epoll_event *event)
{
    int rc = (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);

    if (calling == NULL || epoll != calling->epoll_fd)
        return rc;
    if (rc == 0) {
        hub__loop_noted(calling->hub, operation, fd, event);
        return 0;
    }
    if (errno != EBADF)
        return rc;
    calling->some_gone = true;
    return 0;
}

static void look_for_ends(const struct hub__poll *poll,
                          const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++)
        if (unlikely(events[i].events & ~(uint32_t)(EPOLLIN | EPOLLOUT)))
            hub__edge_ended(poll->hub, (int)(uint32_t)events[i].data.u64);
}

/* libev would take all that is ready at once.  What the kernel has just looked at of
 * the first of a thousand connections has left the caches when its turn comes, and
 * again when the kernel looks whether it is still ready: 5 % of an HTTP request. */
HUB_API int vireo_epoll_wait(int epoll, struct epoll_event *events, int room,
                             int timeout)
{
    bool ours = calling != NULL && epoll == calling->epoll_fd;
    int count;

    if (ours && room > HUB__POLL_MOST)
        room = HUB__POLL_MOST;
    if (ours && calling->some_gone)
        timeout = 0; /* waits are to end */
    if (ours && timeout != 0 && calling->until != HUB_FOREVER)
        count = poll_until(calling, events, room, timeout);
    else
        count = epoll_pwait(epoll, events, room, timeout, NULL);
    if (ours) {
        calling->sees = true;
        calling->full = count == HUB__POLL_MOST;
        look_for_ends(calling, events, count);
    }
    return count;
}

HUB_API int epoll_create1(int flags)
{
    return vireo_epoll_create1(flags);
}

HUB_API __attribute__((weak)) int epoll_ctl(int epoll, int operation, int fd,
                                            struct epoll_event *event)
{
    return vireo_epoll_ctl(epoll, operation, fd, event);
}

HUB_API __attribute__((weak)) int epoll_wait(int epoll, struct epoll_event *events,
                                             int room, int timeout)
{
    return vireo_epoll_wait(epoll, events, room, timeout);
}
