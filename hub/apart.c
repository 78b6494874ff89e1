/* apart.c - tables of descriptors of their own for threads that only look
 *
 * In a table that threads share each call on a descriptor counts a reference to
 * its file, with the bus locked, on a line that may be in no cache: with two calls
 * a request that is 2 % of an HTTP server's time, and 5 % with 1,000 connections.
 * So the monitor has a table for itself alone, an empty one.  What it reports goes
 * to a descriptor of the process's all the same: it takes a copy of that, as a
 * debugger could.
 *
 * Rules: raw, as in sight.h. */
#include "hub/sight.h"

#include <errno.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open  434 /* everywhere */
#define SYS_pidfd_getfd 438
#endif

static uint32_t apart; /* atomic: the monitor has left the process's table */

int hub__apart_copy(int fd)
{
    long process = syscall(SYS_pidfd_open, (long)getpid(), 0L), copy;

    if (process < 0)
        return -1;
    copy = syscall(SYS_pidfd_getfd, process, (long)fd, 0L);
    syscall(SYS_close, process);
    return (int)copy;
}

void hub__apart_end(void)
{
    __atomic_store_n(&apart, 0, __ATOMIC_RELAXED);
}

bool hub__apart_leave(void)
{
    int before = errno;
    bool left = syscall(SYS_close_range, 0U, ~0U, CLOSE_RANGE_UNSHARE) == 0;

    errno = before;
    return left;
}

bool hub__apart_begin(void)
{
    bool left = hub__apart_leave();

    __atomic_store_n(&apart, left, __ATOMIC_RELAXED);
    return left;
}

/* What the kernel does not know, or a filter forbids, is ENOSYS or EPERM whatever
 * the arguments; no number of the process's may be used to find out. */
static bool can_copy(void)
{
    return syscall(SYS_pidfd_open, 0L, 0L) < 0 && errno == EINVAL &&
           syscall(SYS_pidfd_getfd, -1L, 0L, 0L) < 0 && errno == EBADF;
}

void hub__apart_try(void)
{
    int before = errno;

    if (can_copy())
        hub__apart_begin();
    errno = before;
}

int hub__apart_borrow(int fd)
{
    int before = errno;

    if (fd >= 0 && __atomic_load_n(&apart, __ATOMIC_RELAXED))
        fd = hub__apart_copy(fd);
    errno = before;
    return fd;
}

void hub__apart_return(int fd)
{
    int before = errno;

    if (fd >= 0 && __atomic_load_n(&apart, __ATOMIC_RELAXED))
        syscall(SYS_close, fd);
    errno = before;
}
