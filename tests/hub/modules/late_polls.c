/* Preloaded: a machine that has other things to do whenever the loop has polled.
 *
 * Sleeps that are over by then end before those are served whom the poll was about:
 * a test that sleeps until others have run must look whether they have. */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LATE_NS 20000000 /* longer than those sleeps */

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

static void be_late(void)
{
    const struct timespec late = { 0, LATE_NS };
    int saved = errno;

    nanosleep(&late, NULL);
    errno = saved;
}

int epoll_pwait(int epoll, struct epoll_event *events, int room, int timeout,
                const sigset_t *mask)
{
    static int (*real)(int, struct epoll_event *, int, int, const sigset_t *);
    int count;

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_pwait");
    count = real(epoll, events, room, timeout, mask);
    if (count > 0)
        be_late();
    return count;
}

long syscall(long number, ...)
{
    static long (*real)(long, ...);
    long arguments[6], rc;
    va_list list;

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    rc = real(number, arguments[0], arguments[1], arguments[2], arguments[3],
              arguments[4], arguments[5]);
    if (number == SYS_epoll_pwait2 && rc > 0)
        be_late();
    return rc;
}
