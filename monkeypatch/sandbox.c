/* sandbox.c - a seccomp filter that the loop could not live under
 *
 * Whether it refuses a call or kills who makes it can be known only by making it:
 * a child does, that has copies of the fds and nothing else of its own, and is
 * seen by no wait of the program's. */
#include "monkeypatch/monkeypatch_impl.h"
#include "monkeypatch/sys.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#define STACK 16384

static bool is_refusal(long rc)
{
    return rc < 0 && rc != -EMFILE && rc != -ENFILE && rc != -ENOMEM;
}

/* In the child: raw system calls only, as errno is the parent's. */
static int make_calls(void *arg)
{
    struct epoll_event event = { .events = EPOLLIN };
    struct itimerspec never = { .it_value = { 0, 0 } };
    long set = SYS_CALL(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0, 0, 0, 0);
    long timer = SYS_CALL(SYS_timerfd_create, CLOCK_MONOTONIC,
                          TFD_CLOEXEC | TFD_NONBLOCK, 0, 0, 0, 0);
    long wake = SYS_CALL(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK, 0, 0, 0,
                         0);

    (void)arg;
    if (is_refusal(set) || is_refusal(timer) || is_refusal(wake))
        return 1;
    if (set < 0 || timer < 0 || wake < 0)
        return 0; /* not the filter's doing; the loop will see */
    if (SYS_CALL(SYS_epoll_ctl, set, EPOLL_CTL_ADD, wake, &event, 0, 0) < 0 ||
        SYS_CALL(SYS_epoll_pwait, set, &event, 1, 0, NULL, MP_SIGSET_BYTES) < 0)
        return 1;
#ifdef SYS_epoll_wait
    if (SYS_CALL(SYS_epoll_wait, set, &event, 1, 0, 0, 0) < 0)
        return 1;
#endif
    return SYS_CALL(SYS_timerfd_settime, timer, 0, &never, NULL, 0, 0) < 0;
}

static bool has_filter(void)
{
    long mode = SYS_CALL(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0);

    return mode == SECCOMP_MODE_FILTER || mode == -EPERM || mode == -ENOSYS ||
           mode == -EACCES;
}

/* True if what the loop needs is forbidden.  Signals are blocked. */
bool mp__sandboxed(void)
{
    _Alignas(16) char stack[STACK];
    int saved = errno, status = 0;
    long rc;
    int pid;

    if (!has_filter())
        return false;
    pid = mp__real.clone(make_calls, stack + sizeof stack,
                         CLONE_VM | CLONE_VFORK, NULL);
    errno = saved;
    if (pid < 0)
        return false; /* the loop's own calls will fail, or not */
    do {
        rc = SYS_CALL(SYS_wait4, pid, &status, __WALL, NULL, 0, 0);
    } while (rc == -EINTR);
    return rc == pid && status != 0;
}
