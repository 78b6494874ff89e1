/* fcntl(2), ioctl(2), setsockopt(2) and shutdown(2) where they change what
 * other calls do */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10 };

static void put_four(void *fd)
{
    conf_write_all(*(int *)fd, "four", 4);
}

static void set_by_fcntl(int fd, bool nonblocking)
{
    int flags = fcntl(fd, F_GETFL);

    flags = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    CONF_CHECK(fcntl(fd, F_SETFL, flags) == 0);
}

static void set_by_ioctl(int fd, bool nonblocking)
{
    int value = nonblocking;

    CONF_CHECK(ioctl(fd, FIONBIO, &value) == 0);
}

static void set_by_number(int fd, bool nonblocking)
{
    CONF_CHECK(syscall(SYS_fcntl, fd, F_SETFL,
                       O_RDWR | (nonblocking ? O_NONBLOCK : 0)) == 0);
}

static void set_by_child(int fd, bool nonblocking)
{
    pid_t child = fork();

    if (child == 0) {
        conf_child_begin();
        set_by_fcntl(fd, nonblocking);
        _exit(0);
    }
    CONF_CHECK(conf_child_status(child) == 0);
}

static void (*const setters[])(int fd, bool nonblocking) = {
    set_by_fcntl, set_by_ioctl, set_by_number, set_by_child,
};
enum { SETTERS = 4 };

START_TEST(nonblocking_goes_on_and_off)
{
    int ends[2];
    char byte[4];
    pthread_t writer;

    conf_stream(_i / SETTERS, ends);
    for (int round = 0; round < 2; round++) {
        errno = SOME_ERRNO;
        setters[_i % SETTERS](ends[0], true);
        ck_assert_int_eq(errno, SOME_ERRNO);
        ck_assert_int_eq(fcntl(ends[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        ck_assert_int_eq(read(ends[0], byte, 4), -1);
        ck_assert_int_eq(errno, EAGAIN);
        setters[_i % SETTERS](ends[0], false);
        ck_assert_int_eq(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
        writer = start_later(DELAY_MS / 2, put_four, &ends[1]);
        ck_assert_int_eq(read(ends[0], byte, 4), 4);
        join_thread(writer);
    }
    conf_close_both(ends);
}
END_TEST

START_TEST(fionread_counts_what_waits)
{
    int ends[2], count = -1;
    char bytes[2];

    conf_stream(_i, ends);
    ck_assert_int_eq(ioctl(ends[0], FIONREAD, &count), 0);
    ck_assert_int_eq(count, 0);
    put_four(&ends[1]);
    ck_assert_int_eq(read(ends[0], bytes, 1), 1);
    ck_assert_int_eq(ioctl(ends[0], FIONREAD, &count), 0);
    ck_assert_int_eq(count, 3);
    conf_close_both(ends);
}
END_TEST

START_TEST(ioctl_refuses)
{
    int ends[2], value = 1;

    conf_pipe(ends);
    ck_assert_int_eq(ioctl(-1, FIONBIO, &value), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(ioctl(ends[0], FIONBIO, conf_bad_address()), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(ioctl(ends[0], TIOCGWINSZ, &value), -1);
    ck_assert_int_eq(errno, ENOTTY);
    conf_close_both(ends);
}
END_TEST

START_TEST(fcntl_passes_its_argument_whatever_it_is)
{
    int ends[2], size;
    struct f_owner_ex owner = { F_OWNER_PID, 0 };
    struct flock lock = { .l_type = F_WRLCK };

    conf_pipe(ends);
    size = fcntl(ends[1], F_GETPIPE_SZ);
    ck_assert_int_gt(size, 0);
    ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
    owner.pid = getpid();
    ck_assert_int_eq(fcntl(ends[0], F_SETOWN_EX, &owner), 0);
    ck_assert_int_eq(fcntl(ends[0], F_GETOWN), getpid());
    ck_assert_int_eq(fcntl(ends[0], F_SETLK, &lock), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(fcntl(ends[0], F_GETLK, conf_bad_address()), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(fcntl(ends[0], 12345, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(fcntl(ends[0], F_DUPFD, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
    conf_close_both(ends);
}
END_TEST

static void unlock(void *fd)
{
    struct flock lock = { .l_type = F_UNLCK };

    CONF_CHECK(fcntl(*(int *)fd, F_OFD_SETLK, &lock) == 0);
}

START_TEST(a_lock_waits_for_another_thread_to_unlock)
{
    struct flock lock = { .l_type = F_WRLCK };
    FILE *file = tmpfile();
    char path[64];
    int one = fileno(file), two;
    pthread_t unlocker;

    snprintf(path, sizeof path, "/proc/self/fd/%d", one);
    two = open(path, O_RDWR);
    ck_assert_int_ge(two, 0);
    ck_assert_int_eq(fcntl(one, F_OFD_SETLKW, &lock), 0);
    ck_assert_int_eq(fcntl(two, F_OFD_SETLK, &lock), -1);
    ck_assert_int_eq(errno, EAGAIN);
    unlocker = start_later(DELAY_MS, unlock, &one);
    ck_assert_int_eq(fcntl(two, F_OFD_SETLKW, &lock), 0);
    join_thread(unlocker);
    close(two);
    fclose(file);
}
END_TEST

struct limiting {
    int fd;
    int option;
};

static void limit_soon(void *argument)
{
    struct limiting *limiting = argument;
    struct timeval most = { 0, 8000 };

    CONF_CHECK(setsockopt(limiting->fd, SOL_SOCKET, limiting->option, &most,
                          sizeof most) == 0);
}

START_TEST(a_time_limit_belongs_to_the_open_socket)
{
    int ends[2], copy;
    struct limiting limiting;
    struct timeval got;
    socklen_t size = sizeof got;
    char byte;
    int64_t began;
    pthread_t setter;

    conf_stream(_i == 0 ? CONF_UNIX : CONF_TCP, ends);
    copy = dup(ends[0]);
    limiting = (struct limiting){ copy, SO_RCVTIMEO };
    setter = start_later(0, limit_soon, &limiting);
    join_thread(setter);
    ck_assert_int_eq(
        getsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &got, &size), 0);
    ck_assert_int_eq(got.tv_usec, 8000);
    began = now_ns();
    ck_assert_int_eq(read(ends[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_ge(now_ns() - began, 8 * CONF_MS);
    close(copy);
    conf_close_both(ends);
}
END_TEST

START_TEST(setsockopt_refuses)
{
    int ends[2], fd = socket(AF_INET, SOCK_STREAM, 0), value = 1;
    struct timeval odd = { 0, 1000000 };

    conf_pipe(ends);
    ck_assert_int_eq(setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &value, 4), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(
        setsockopt(ends[0], SOL_SOCKET, SO_REUSEADDR, &value, 4), -1);
    ck_assert_int_eq(errno, ENOTSOCK);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, 9999, &value, 4), -1);
    ck_assert_int_eq(errno, ENOPROTOOPT);
    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &odd, sizeof odd), -1);
    ck_assert_int_eq(errno, EDOM);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &odd, 4), -1);
    ck_assert_int_eq(errno, EINVAL);
    close(fd);
    conf_close_both(ends);
}
END_TEST

START_TEST(shutdown_refuses)
{
    int ends[2], fd = socket(AF_INET, SOCK_STREAM, 0);

    conf_pipe(ends);
    ck_assert_int_eq(shutdown(-1, SHUT_RD), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(shutdown(ends[0], SHUT_RD), -1);
    ck_assert_int_eq(errno, ENOTSOCK);
    ck_assert_int_eq(shutdown(fd, SHUT_RD), -1);
    ck_assert_int_eq(errno, ENOTCONN);
    ck_assert_int_eq(shutdown(fd, 9), -1);
    ck_assert_int_eq(errno, EINVAL);
    close(fd);
    conf_close_both(ends);
}
END_TEST

static void *wait_for_end(void *fd)
{
    char byte;

    CONF_CHECK(read(*(int *)fd, &byte, 1) == 0);
    return NULL;
}

START_TEST(shutdown_ends_the_waits_of_all_threads_on_both_sides)
{
    int ends[2];
    pthread_t threads[6];

    conf_stream(_i == 0 ? CONF_UNIX : CONF_TCP, ends);
    for (int i = 0; i < 6; i++)
        threads[i] = start_thread(wait_for_end, &ends[i % 2]);
    sleep_ms(DELAY_MS);
    errno = SOME_ERRNO;
    ck_assert_int_eq(shutdown(ends[0], SHUT_RDWR), 0);
    ck_assert_int_eq(errno, SOME_ERRNO);
    for (int i = 0; i < 6; i++)
        join_thread(threads[i]);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, nonblocking_goes_on_and_off, CONF_STREAMS * SETTERS);
    conf_test(tcase, fionread_counts_what_waits, CONF_STREAMS);
    conf_test(tcase, ioctl_refuses, 1);
    conf_test(tcase, fcntl_passes_its_argument_whatever_it_is, 1);
    conf_test(tcase, a_lock_waits_for_another_thread_to_unlock, 1);
    conf_test(tcase, a_time_limit_belongs_to_the_open_socket, 2);
    conf_test(tcase, setsockopt_refuses, 1);
    conf_test(tcase, shutdown_refuses, 1);
    conf_test(tcase, shutdown_ends_the_waits_of_all_threads_on_both_sides, 2);
}

int main(void)
{
    return conf_main("fcntl", add, CONF_THREADS);
}
