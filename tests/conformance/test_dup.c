/* dup(2), dup2(2), dup3(2) and the numbers that new fds get */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10 };

static const char *self; /* the program's own name, to run it again */

static void put_byte(void *fd)
{
    conf_write_all(*(int *)fd, "x", 1);
}

static void *wait_for_byte(void *fd)
{
    char byte = 0;

    conf_read_all(*(int *)fd, &byte, 1);
    CONF_CHECK(byte == 'x');
    return NULL;
}

/* Threads still work: one waits, the other wakes it. */
static void check_threads(void)
{
    int ends[2];
    pthread_t reader;

    CONF_CHECK(pipe(ends) == 0);
    reader = start_thread(wait_for_byte, &ends[0]);
    sleep_ms(1);
    put_byte(&ends[1]);
    join_thread(reader);
    CONF_CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

START_TEST(a_copy_can_be_waited_on)
{
    int ends[2], copies[3];
    char byte;

    conf_stream(_i, ends);
    errno = SOME_ERRNO;
    copies[0] = dup(ends[0]);
    copies[1] = dup2(ends[0], 300);
    copies[2] = dup3(ends[0], 301, O_CLOEXEC);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_int_eq(copies[1], 300);
    ck_assert_int_eq(copies[2], 301);
    ck_assert_int_eq(fcntl(300, F_GETFD), 0);
    ck_assert_int_eq(fcntl(301, F_GETFD), FD_CLOEXEC);
    for (int i = 0; i < 3; i++) {
        pthread_t writer = start_later(DELAY_MS, put_byte, &ends[1]);

        ck_assert_int_eq(read(copies[i], &byte, 1), 1);
        join_thread(writer);
        ck_assert_int_eq(close(copies[i]), 0);
    }
    conf_close_both(ends);
}
END_TEST

START_TEST(a_copy_shares_the_nonblocking_flag)
{
    int ends[2], copy;
    char byte;

    conf_stream(_i, ends);
    copy = dup(ends[0]);
    ck_assert_int_eq(fcntl(copy, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(read(ends[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, 0), 0);
    pthread_t writer = start_later(DELAY_MS, put_byte, &ends[1]);
    ck_assert_int_eq(read(copy, &byte, 1), 1);
    join_thread(writer);
    ck_assert_int_eq(close(copy), 0);
    conf_close_both(ends);
}
END_TEST

/* Closing one number leaves those who wait through another alone. */
START_TEST(a_copy_outlives_the_original)
{
    int ends[2], copy;
    pthread_t reader;

    conf_stream(_i, ends);
    copy = dup(ends[0]);
    reader = start_thread(wait_for_byte, &copy);
    sleep_ms(DELAY_MS);
    ck_assert_int_eq(close(ends[0]), 0);
    put_byte(&ends[1]);
    join_thread(reader);
    ck_assert_int_eq(close(copy), 0);
    ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

START_TEST(dup2_closes_what_had_the_number)
{
    int one[2], two[2];
    char byte;

    conf_pipe(one);
    conf_pipe(two);
    ck_assert_int_eq(dup2(one[1], two[1]), two[1]);
    ck_assert_int_eq(read(two[0], &byte, 1), 0); /* its writer is gone */
    ck_assert_int_eq(write(two[1], "z", 1), 1);
    ck_assert_int_eq(read(one[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'z');
    ck_assert_int_eq(dup2(one[0], one[0]), one[0]);
    conf_close_both(one);
    conf_close_both(two);
}
END_TEST

START_TEST(refuses)
{
    int ends[2];
    struct rlimit limit;

    conf_pipe(ends);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(dup(-1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(dup2(9999, ends[0]), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_ge(fcntl(ends[0], F_GETFD), 0);
    ck_assert_int_eq(dup2(ends[0], -1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(dup2(ends[0], (int)limit.rlim_cur), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(dup2(9999, 9999), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(dup3(ends[0], ends[0], 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(dup3(ends[0], 300, O_APPEND), -1);
    ck_assert_int_eq(errno, EINVAL);
    conf_close_both(ends);
}
END_TEST

/* Any number below the limit may be had. */
START_TEST(the_highest_numbers_are_free)
{
    struct rlimit limit;
    int ends[2], top;
    char byte;

    conf_unix_pair(ends);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    top = (int)limit.rlim_cur;
    for (int fd = top - 20; fd < top; fd++)
        if (_i == 0)
            ck_assert_int_eq(dup2(ends[0], fd), fd);
        else if (_i == 1)
            ck_assert_int_eq(dup3(ends[0], fd, O_CLOEXEC), fd);
        else
            ck_assert_int_eq(fcntl(ends[0], F_DUPFD, fd), fd);
    check_threads();
    for (int fd = top - 20; fd < top; fd++) {
        pthread_t writer = start_later(0, put_byte, &ends[1]);

        errno = 0;
        ck_assert_msg(read(fd, &byte, 1) == 1, "read(%d): %s", fd,
                      strerror(errno));
        join_thread(writer);
        ck_assert_int_eq(close(fd), 0);
    }
    check_threads();
    conf_close_both(ends);
}
END_TEST

static void *take_numbers(void *file)
{
    const struct stat *wanted = file;
    struct rlimit limit;
    struct stat status;
    int end = open("/dev/null", O_RDONLY);

    CONF_CHECK(end >= 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int fd = (int)limit.rlim_cur - 1; fd >= (int)limit.rlim_cur - 40;
         fd -= 2) {
        CONF_CHECK(dup2(end, fd) == fd);
        for (int i = 0; i < 20; i++) {
            CONF_CHECK(fstat(fd, &status) == 0);
            CONF_CHECK(status.st_rdev == wanted->st_rdev);
        }
        CONF_CHECK(close(fd) == 0);
    }
    CONF_CHECK(close(end) == 0);
    return NULL;
}

/* Whoever else makes or closes something there meanwhile. */
START_TEST(a_number_that_was_taken_stays)
{
    enum { WAITERS = 8, ROUNDS = 40 };
    pthread_t waiters[WAITERS], other;
    int ends[2];
    struct stat null;

    conf_pipe(ends);
    ck_assert_int_eq(stat("/dev/null", &null), 0);
    for (int i = 0; i < WAITERS; i++)
        waiters[i] = start_thread(wait_for_byte, &ends[0]);
    for (int round = 0; round < ROUNDS; round++) {
        if (_i == 0) {
            take_numbers(&null);
            continue;
        }
        other = start_thread(take_numbers, &null);
        check_threads();
        join_thread(other);
    }
    for (int i = 0; i < WAITERS; i++)
        put_byte(&ends[1]);
    for (int i = 0; i < WAITERS; i++)
        join_thread(waiters[i]);
    conf_close_both(ends);
}
END_TEST

struct taker {
    int first;
    bool *stop;
};

/* Numbers of its own, which are nobody else's. */
static void *take_some(void *argument)
{
    const struct taker *taker = argument;
    int end = open("/dev/null", O_RDONLY);

    CONF_CHECK(end >= 0);
    while (!__atomic_load_n(taker->stop, __ATOMIC_RELAXED))
        for (int fd = taker->first; fd > taker->first - 700; fd -= 4) {
            CONF_CHECK(dup2(end, fd) == fd);
            CONF_CHECK(fcntl(fd, F_GETFD) == 0);
            CONF_CHECK(close(fd) == 0);
        }
    CONF_CHECK(close(end) == 0);
    return NULL;
}

START_TEST(threads_take_the_highest_numbers_at_once)
{
    enum { TAKERS = 4, ROUNDS = 20 };
    pthread_t threads[TAKERS];
    struct taker takers[TAKERS];
    struct rlimit limit;
    bool stop = false;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < TAKERS; i++) {
        takers[i] = (struct taker){ (int)limit.rlim_cur - 1 - i, &stop };
        threads[i] = start_thread(take_some, &takers[i]);
    }
    for (int i = 0; i < ROUNDS; i++)
        check_threads();
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < TAKERS; i++)
        join_thread(threads[i]);
    check_threads();
}
END_TEST

/* Numbers that no thread takes, to be polled. */
enum { WATCHED = 100 };

static void *poll_many(void *fds)
{
    CONF_CHECK(poll(fds, WATCHED, -1) == WATCHED);
    return NULL;
}

/* As above, for much longer than a slice; a runtime that has files to watch has them
 * to take along. */
START_TEST(threads_compute_by_taking_the_highest_numbers)
{
    enum { TAKERS = 4, TAKEN_MS = 1000 };
    pthread_t threads[TAKERS], poller;
    struct taker takers[TAKERS];
    struct pollfd fds[WATCHED];
    struct rlimit limit;
    bool stop = false;
    int ends[2];

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    conf_pipe(ends);
    for (int i = 0; i < WATCHED; i++) {
        fds[i] = (struct pollfd){ .fd = dup(ends[0]), .events = POLLIN };
        ck_assert_int_ge(fds[i].fd, 0);
    }
    poller = start_thread(poll_many, fds);
    for (int i = 0; i < TAKERS; i++) {
        takers[i] = (struct taker){ (int)limit.rlim_cur - 1 - i, &stop };
        threads[i] = start_thread(take_some, &takers[i]);
    }
    sleep_ms(TAKEN_MS);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < TAKERS; i++)
        join_thread(threads[i]);
    put_byte(&ends[1]);
    join_thread(poller);
    for (int i = 0; i < WATCHED; i++)
        close(fds[i].fd);
    conf_close_both(ends);
}
END_TEST

static void *wait_a_moment(void *argument)
{
    struct timespec until;
    sem_t never;

    CONF_CHECK(sem_init(&never, 0, 0) == 0);
    CONF_CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_nsec += 2 * CONF_MS;
    until.tv_sec += until.tv_nsec / CONF_S;
    until.tv_nsec %= CONF_S;
    CONF_CHECK(sem_timedwait(&never, &until) == -1 && errno == ETIMEDOUT);
    CONF_CHECK(sem_destroy(&never) == 0);
    return argument;
}

/* Waits whose time is over while the highest numbers are taken end all the same. */
START_TEST(a_wait_ends_while_numbers_are_taken)
{
    enum { NUMBERS = 24 };
    struct rlimit limit;
    pthread_t waiter;
    int64_t began;
    int end = open("/dev/null", O_RDONLY), high;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    high = (int)limit.rlim_cur;
    waiter = start_thread(wait_a_moment, NULL);
    sched_yield(); /* it waits */
    for (began = now_ns(); now_ns() - began < 6 * CONF_MS;)
        continue;
    for (int i = 1; i <= NUMBERS; i++)
        ck_assert_int_eq(dup2(end, high - i), high - i);
    join_thread(waiter);
    ck_assert_int_lt(now_ns() - began, 20 * CONF_S);
    for (int i = 1; i <= NUMBERS; i++)
        close(high - i);
    close(end);
}
END_TEST

/* Every call that makes an fd gives the lowest free number. */
START_TEST(new_fds_get_the_lowest_free_number)
{
    int ends[2], first = open("/dev/null", O_RDONLY);

    ck_assert_int_ge(first, 3);
    close(first);
    for (int i = 0; i < 8; i++) {
        int fd = i == 0   ? open("/dev/null", O_RDONLY)
                 : i == 1 ? socket(AF_INET, SOCK_STREAM, 0)
                 : i == 2 ? eventfd(0, 0)
                 : i == 3 ? epoll_create1(0)
                 : i == 4 ? timerfd_create(CLOCK_MONOTONIC, 0)
                 : i == 5 ? dup(0)
                 : i == 6 ? fcntl(0, F_DUPFD_CLOEXEC, 0)
                          : open64("/dev/null", O_RDONLY);

        ck_assert_int_eq(fd, first);
        check_threads(); /* whatever a runtime opens, it takes no number */
        ck_assert_int_eq(close(fd), 0);
    }
    conf_pipe(ends);
    ck_assert_int_eq(ends[0], first);
    conf_close_both(ends);
}
END_TEST

START_TEST(as_many_fds_as_the_limit_says)
{
    enum { LIMIT = 200 };
    struct rlimit limit, less;
    int fds[LIMIT], count = 0, before = 0;

    for (int fd = 0; fd < LIMIT; fd++)
        before += fcntl(fd, F_GETFD) >= 0;
    check_threads();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    less = limit;
    less.rlim_cur = LIMIT;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &less), 0);
    while (count < LIMIT && (fds[count] = dup(0)) >= 0)
        count++;
    ck_assert_int_eq(errno, EMFILE);
    ck_assert_int_eq(count, LIMIT - before);
    while (count > 0)
        close(fds[--count]);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    check_threads();
}
END_TEST

/* Run this program again as a fresh one with nothing but 0, 1 and 2 open. */
START_TEST(a_fresh_program_begins_at_three)
{
    pid_t child;
    int status;
    char *arguments[] = { (char *)(uintptr_t)self, (char *)"fresh", NULL };

    child = fork();
    if (child == 0) {
        conf_child_begin();
        close_range(3, ~0U, 0);
        execv("/proc/self/exe", arguments);
        _exit(errno == ENOEXEC ? 97 : 98);
    }
    status = conf_child_status(child);
    if (status == 97)
        conf_skip("this kernel cannot run this program by itself");
    else
        ck_assert_int_eq(status, 0);
}
END_TEST

static int be_fresh(void)
{
    int first = open("/dev/null", O_RDONLY), second, third;

    CONF_CHECK(first == 3);
    check_threads();
    second = open("/dev/null", O_RDONLY);
    CONF_CHECK(second == 4);
    CONF_CHECK(close(first) == 0);
    check_threads();
    third = open("/dev/null", O_RDONLY);
    CONF_CHECK(third == 3);
    return 0;
}

static void add(TCase *tcase)
{
    conf_test(tcase, a_copy_can_be_waited_on, CONF_STREAMS);
    conf_test(tcase, a_copy_shares_the_nonblocking_flag, CONF_STREAMS);
    conf_test(tcase, a_copy_outlives_the_original, CONF_STREAMS);
    conf_test(tcase, dup2_closes_what_had_the_number, 1);
    conf_test(tcase, refuses, 1);
    conf_test(tcase, the_highest_numbers_are_free, 3);
    conf_test(tcase, a_number_that_was_taken_stays, 2);
    conf_test(tcase, threads_take_the_highest_numbers_at_once, 1);
    conf_test(tcase, threads_compute_by_taking_the_highest_numbers, 1);
    conf_test(tcase, a_wait_ends_while_numbers_are_taken, 1);
    conf_test(tcase, new_fds_get_the_lowest_free_number, 1);
    conf_test(tcase, as_many_fds_as_the_limit_says, 1);
    conf_test(tcase, a_fresh_program_begins_at_three, 1);
}

int main(int count, char **arguments)
{
    self = arguments[0];
    if (count > 1 && strcmp(arguments[1], "fresh") == 0)
        return be_fresh();
    return conf_main("dup", add, CONF_THREADS);
}
