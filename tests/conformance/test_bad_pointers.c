/* Pointers to nothing: EFAULT at once, also from calls that would have to wait, and
 * never a crash.  (libc itself reads the time of ppoll(), pselect() and select(), and
 * crashes natively.) */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What the compiler does not see through. */
static void *volatile nothing[] = {NULL, (void *)8};

#define REFUSED(call)                                                       \
    do {                                                                    \
        errno = 0;                                                          \
        ck_assert_msg((long)(call) == -1 && errno == EFAULT,                \
                      #call " with %p: errno %d", nothing[_i], errno);      \
    } while (0)

START_TEST(messages)
{
    void *bad = nothing[_i];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    REFUSED(recvmsg(fd, bad, 0));
    REFUSED(sendmsg(fd, bad, 0));
    REFUSED(recvmmsg(fd, bad, 1, 0, NULL));
    REFUSED(sendmmsg(fd, bad, 1, 0));
    REFUSED(connect(fd, bad, sizeof(struct sockaddr_in)));
    if (_i != 0) {
        struct mmsghdr one = {0};

        if (!conf_emulated()) /* qemu never looks at the time */
            REFUSED(recvmmsg(fd, &one, 1, 0, bad));
        REFUSED(sendto(fd, "x", 1, 0, bad, sizeof(struct sockaddr_in)));
    }
    close(fd);
}
END_TEST

START_TEST(bytes)
{
    void *bad = nothing[_i];
    int ends[2];

    conf_pipe(ends);
    REFUSED(write(ends[1], bad, 1));
    REFUSED(writev(ends[1], bad, 1));
    REFUSED(readv(ends[0], bad, 1));
    conf_write_all(ends[1], "x", 1);
    REFUSED(read(ends[0], bad, 1));
    conf_close_both(ends);
}
END_TEST

START_TEST(waits)
{
    void *bad = nothing[_i];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;

    REFUSED(poll(bad, 1, -1));
    REFUSED(ppoll(bad, 1, NULL, NULL));
    REFUSED(sigsuspend(bad));
    REFUSED(sigwaitinfo(bad, NULL));
    REFUSED(sigtimedwait(bad, NULL, NULL));
    REFUSED(nanosleep(bad, NULL));
    ck_assert_int_eq(clock_nanosleep(CLOCK_REALTIME, 0, bad, NULL), EFAULT);
    ck_assert_int_eq(
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, bad, NULL), EFAULT);
    if (_i != 0) {
        REFUSED(select(1, bad, NULL, NULL, NULL));
        if (epoll_pwait2(epoll, &event, 1, &(struct timespec){0, 0}, NULL) ==
            0)
            REFUSED(epoll_pwait2(epoll, &event, 1, bad, NULL));
    }
    close(epoll);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, messages, 2);
    conf_test(tcase, bytes, 2);
    conf_test(tcase, waits, 2);
}

int main(void)
{
    return conf_main("bad_pointers", add, CONF_THREADS);
}
