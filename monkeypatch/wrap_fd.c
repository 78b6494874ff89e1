/* wrap_fd.c - calls that end, copy or re-flag fds
 *
 * Nothing here waits, but for F_SETLKW and some requests to terminals.  Before a number is closed or replaced
 * the hub hears of it, so that those who wait on it go on with the old file, as
 * threads that are blocked do on Linux.  The hub's own fds do not exist for the
 * program: closing them is EBADF, ranges go round them, and a number that the
 * program asks for is made free. */
#include "monkeypatch/helped.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/native_threads.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/wrap_terminal.h"

#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

/* Is anything tracked in this thread? */
static bool tracking(void)
{
    return mp__here != NULL && mp__in_vfork_child == 0;
}

static bool is_open(int fd)
{
    return SYS_CALL(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) >= 0;
}

#define LOOK_NS 50000
#define MOST_NS INT64_C(10000000000)

/* What another hub has there is its own to move: that one's thread may be waiting
 * for this hub likewise.  False: it does not come to it. */
static bool evacuate(int fd)
{
    bool asked = false;
    int64_t until = 0;

    while (mp__hub->fd_evacuate(fd, &asked) == -EAGAIN) {
        int64_t now = mp__now();

        if (until == 0)
            until = now + MOST_NS;
        if (now >= until)
            return false;
        if (mp__may_park())
            mp__sleep_until(now + LOOK_NS, 0);
        else
            SYS_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    }
    return true;
}

/* The program is about to put something at `fd`.  False: Linux says EBUSY, too, where
 * somebody else is just about to. */
static bool make_free(int fd)
{
    mp__io_spend(); /* who takes and closes numbers only lets others run, too */
    if (!evacuate(fd))
        return false;
    mp__fd_closing(fd);
    return true;
}

MP_EXPORT int close(int fd)
{
    if (mp__in_vfork_child != 0)
        return MP_REAL(close)(fd);
    if (mp__here == NULL) {
        mp__fd_forget(fd);
        return MP_REAL(close)(fd);
    }
    mp__io_begin();
    if (mp__hub->fd_is_ours(fd))
        return mp__fail(-EBADF);
    mp__fd_closing(fd);
    return MP_REAL(close)(fd);
}
MP_SPELLING(close, __close);

MP_EXPORT int dup(int fd)
{
    int copy;

    if (mp__fd_ours(fd))
        return mp__fail(-EBADF);
    copy = MP_REAL(dup)(fd);
    if (copy >= 0 && mp__in_vfork_child == 0)
        mp__fd_forget(copy);
    return copy;
}

MP_EXPORT int dup2(int fd, int to)
{
    if (tracking()) {
        if (mp__hub->fd_is_ours(fd))
            return mp__fail(-EBADF);
        if (fd != to && to >= 0 && is_open(fd) && !make_free(to))
            return mp__fail(-EBUSY);
    } else if (mp__in_vfork_child == 0 && fd != to) {
        mp__fd_forget(to);
    }
    return MP_REAL(dup2)(fd, to);
}
MP_SPELLING(dup2, __dup2);

MP_EXPORT int dup3(int fd, int to, int flags)
{
    if (tracking()) {
        if (mp__hub->fd_is_ours(fd))
            return mp__fail(-EBADF);
        if (fd != to && to >= 0 && (flags & ~O_CLOEXEC) == 0 && is_open(fd) &&
            !make_free(to))
            return mp__fail(-EBUSY);
    } else if (mp__in_vfork_child == 0 && fd != to) {
        mp__fd_forget(to);
    }
    return MP_REAL(dup3)(fd, to, flags);
}

static int close_piece(unsigned first, unsigned last, int flags)
{
    return first <= last ? MP_REAL(close_range)(first, last, flags) : 0;
}

/* Everything from first to last but what is ours. */
static int close_around(unsigned first, unsigned last, int flags)
{
    unsigned fd = mp__hub->fd_lowest();
    struct rlimit limit;
    unsigned end = 65536;
    int rc;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > end)
        end = (unsigned)(limit.rlim_cur > INT_MAX ? INT_MAX : limit.rlim_cur);
    for (fd = fd > first ? fd : first; fd <= last && fd < end; fd++) {
        if (!mp__hub->fd_is_ours((int)fd))
            continue;
        rc = close_piece(first, fd - 1, flags);
        if (rc < 0)
            return rc;
        first = fd + 1;
    }
    return close_piece(first, last, flags);
}

MP_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    bool closes = (flags & CLOSE_RANGE_CLOEXEC) == 0;

    if (mp__in_vfork_child != 0 || first > last || !closes)
        return MP_REAL(close_range)(first, last, flags);
    mp__fd_forget_range(first, last);
    if (mp__here == NULL)
        return MP_REAL(close_range)(first, last, flags);
    if (unlikely(mp__several)) /* one table for all mapped threads, as with one */
        flags &= ~(int)CLOSE_RANGE_UNSHARE;
    mp__hub->fd_close_range(first, last);
    return close_around(first, last, flags);
}

MP_EXPORT void closefrom(int first)
{
    unsigned from = first > 0 ? (unsigned)first : 0;

    if (mp__in_vfork_child != 0) {
        MP_REAL(closefrom)(first);
        return;
    }
    mp__fd_forget_range(from, UINT_MAX);
    if (mp__here == NULL) {
        MP_REAL(closefrom)(first);
        return;
    }
    mp__hub->fd_close_range(from, UINT_MAX);
    if (close_around(from, UINT_MAX, 0) == 0)
        return;
    /* No such system call: one by one, below what is ours. */
    for (unsigned fd = from; fd < mp__hub->fd_lowest() && fd < 65536; fd++)
        sys_close((int)fd);
}

struct lock_call {
    int fd, command;
    void *arg;
};

static long lock_plainly(void *arg)
{
    struct lock_call *call = arg;

    return SYS_CALL(SYS_fcntl, call->fd, call->command, call->arg, 0, 0, 0);
}

/* A lock of the process's, or of the open file: a helper can wait for it. */
static int wait_for_lock(int fd, int command, void *arg)
{
    struct lock_call call = { fd, command == F_SETLKW ? F_SETLK : F_OFD_SETLK,
                              arg };
    long rc;

    mp__io_begin();
    rc = lock_plainly(&call);
    if (rc == -EAGAIN || rc == -EACCES) {
        call.command = command;
        rc = mp__helped_wait(lock_plainly, &call,
                             MP_CANCEL | MP_INTERRUPTIBLE | MP_RESTARTS);
    }
    return (int)mp__io_end(rc);
}

MP_EXPORT int fcntl(int fd, int command, ...)
{
    va_list list;
    void *arg;
    long done;
    int rc;

    va_start(list, command);
    arg = va_arg(list, void *);
    va_end(list);
    if (mp__in_vfork_child != 0)
        return MP_REAL(fcntl)(fd, command, arg);
    if (mp__here != NULL) {
        if (mp__hub->fd_is_ours(fd))
            return mp__fail(-EBADF);
        if ((command == F_SETLKW || command == F_OFD_SETLKW) &&
            MP_ACTIVE(file))
            return wait_for_lock(fd, command, arg);
        if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) &&
            mp__hub->fd_is_ours((int)(long)arg))
            evacuate((int)(long)arg);
    }
    if (mp__owner_call(fd, command, arg, &done))
        return done < 0 ? mp__fail((int)done) : (int)done;
    if (command == F_SETFL)
        mp__fd_flags_changing(fd);
    rc = MP_REAL(fcntl)(fd, command, arg);
    if (rc >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC))
        mp__fd_forget(rc);
    return rc;
}
MP_SPELLING(fcntl, __fcntl);
MP_SPELLING(fcntl, fcntl64);

MP_EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    void *arg;
    long done;
    int rc;

    va_start(list, request);
    arg = va_arg(list, void *);
    va_end(list);
    if (mp__fd_ours(fd))
        return mp__fail(-EBADF);
    if (mp__ioctl_waits(request) && MP_ACTIVE(file) && mp__may_park())
        return (int)mp__io_end(mp__ioctl_helped(fd, request, arg));
    if (mp__owner_ioctl(fd, request, arg, &done))
        return done < 0 ? mp__fail((int)done) : (int)done;
    if (request == FIONBIO && mp__in_vfork_child == 0)
        mp__fd_flags_changing(fd);
    rc = MP_REAL(ioctl)(fd, request, arg);
    if (rc >= 0 && unlikely(request == UFFDIO_API) && mp__in_vfork_child == 0)
        mp__native_threads_from_now("a userfaultfd");
    return rc;
}
