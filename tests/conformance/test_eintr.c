/* Signals that reach the main thread while it waits, sent by another thread
 *
 * A signal for the process goes to the main thread when that does not block
 * it.  What signal(7) says of EINTR and SA_RESTART is asked of each call. */
#include "conformance.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DELAY_MS = 10, LARGE = 400 * 1024 };

static volatile sig_atomic_t rang;

static void ring(int signal_number)
{
    (void)signal_number;
    rang++;
}

static void handle(int flags)
{
    struct sigaction action = { .sa_handler = ring, .sa_flags = flags };

    rang = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

static void send_signal(void)
{
    CONF_CHECK(kill(getpid(), SIGUSR1) == 0);
}

/* One that comes before the call waits is lost on it: so another follows. */
static volatile bool over;

static void signal_until_over(void *argument)
{
    (void)argument;
    do {
        send_signal();
        for (int i = 0; i < 200 && !over; i++)
            sleep_ms(1);
    } while (!over);
}

static pthread_t start_signals(void)
{
    over = false;
    return start_later(DELAY_MS, signal_until_over, NULL);
}

static void end_signals(pthread_t sender)
{
    over = true;
    join_thread(sender);
}

static void signal_then_write(void *fd)
{
    send_signal();
    sleep_ms(DELAY_MS);
    conf_write_all(*(int *)fd, "x", 1);
}

/* Calls that wait for ever on ends[0], a connected socket. */

static int in_read(int fd)
{
    char byte;

    return (int)read(fd, &byte, 1);
}

static int in_recv(int fd)
{
    char byte;

    return (int)recv(fd, &byte, 1, 0);
}

static int in_recvmsg(int fd)
{
    char byte;
    struct iovec part = { &byte, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    return (int)recvmsg(fd, &message, MSG_WAITALL);
}

static int in_poll(int fd)
{
    struct pollfd ready = { fd, POLLIN, 0 };

    return poll(&ready, 1, -1);
}

static int in_ppoll(int fd)
{
    struct pollfd ready = { fd, POLLIN, 0 };
    struct timespec limit = { 10, 0 };

    return ppoll(&ready, 1, &limit, NULL);
}

static int in_select(int fd)
{
    fd_set in;

    FD_ZERO(&in);
    FD_SET(fd, &in);
    return select(fd + 1, &in, NULL, NULL, NULL);
}

static int in_epoll(int fd)
{
    int epoll = epoll_create1(0), result, error;
    struct epoll_event event = { .events = EPOLLIN };

    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    result = epoll_wait(epoll, &event, 1, -1);
    error = errno;
    close(epoll);
    errno = error;
    return result;
}

static int (*const restarted[])(int fd) = { in_read, in_recv, in_recvmsg };
static int (*const never_restarted[])(int fd) = { in_poll, in_ppoll, in_select,
                                                  in_epoll };
enum { RESTARTED = 3, NEVER_RESTARTED = 4 };

static int (*call_number(int i))(int)
{
    return i < RESTARTED ? restarted[i] : never_restarted[i - RESTARTED];
}

START_TEST(a_signal_ends_the_wait)
{
    int ends[2];
    pthread_t sender;

    conf_stream(CONF_TCP, ends);
    handle(0);
    sender = start_signals();
    ck_assert_int_eq(call_number(_i)(ends[0]), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_ge(rang, 1);
    end_signals(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(a_restarting_signal_does_not)
{
    int ends[2];
    pthread_t sender;

    conf_stream(CONF_TCP, ends);
    handle(SA_RESTART);
    sender = start_later(DELAY_MS, signal_then_write, &ends[1]);
    ck_assert_int_eq(restarted[_i](ends[0]), 1);
    ck_assert_int_eq(rang, 1);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(even_a_restarting_signal_ends_polls)
{
    int ends[2];
    pthread_t sender;

    conf_stream(CONF_UNIX, ends);
    handle(SA_RESTART);
    sender = start_signals();
    ck_assert_int_eq(never_restarted[_i](ends[0]), -1);
    ck_assert_int_eq(errno, EINTR);
    end_signals(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(an_ignored_signal_is_no_signal)
{
    int ends[2];
    pthread_t sender;

    conf_stream(CONF_PIPE, ends);
    signal(SIGUSR1, SIG_IGN);
    sender = start_later(DELAY_MS, signal_then_write, &ends[1]);
    ck_assert_int_eq(in_poll(ends[0]), 1);
    ck_assert_int_eq(in_read(ends[0]), 1);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(a_sleep_tells_what_is_left)
{
    struct timespec rest = { 5, 0 }, left = { 0, 0 };
    pthread_t sender;

    handle(SA_RESTART);
    sender = start_signals();
    if (_i == 0) {
        ck_assert_int_eq(nanosleep(&rest, &left), -1);
        ck_assert_int_eq(errno, EINTR);
    } else {
        ck_assert_int_eq(clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, &left),
                         EINTR);
    }
    ck_assert_int_ge(rang, 1);
    ck_assert_int_eq(left.tv_sec, 4);
    end_signals(sender);
}
END_TEST

START_TEST(sleep_gives_the_seconds_that_are_left)
{
    pthread_t sender;

    handle(0);
    sender = start_signals();
    ck_assert_uint_eq(sleep(100), 99);
    end_signals(sender);
    sender = start_signals();
    ck_assert_int_eq(usleep(900000), -1);
    ck_assert_int_eq(errno, EINTR);
    end_signals(sender);
}
END_TEST

START_TEST(a_write_tells_what_it_wrote_before)
{
    int ends[2];
    char *bytes = calloc(1, LARGE);
    pthread_t sender;
    ssize_t n;

    conf_stream(_i, ends);
    handle(0);
    sender = start_signals();
    n = write(ends[1], bytes, LARGE);
    ck_assert_int_gt(n, 0);
    ck_assert_int_lt(n, LARGE);
    end_signals(sender);
    sender = start_signals();
    ck_assert_int_eq(write(ends[1], bytes, LARGE), -1);
    ck_assert_int_eq(errno, EINTR);
    end_signals(sender);
    free(bytes);
    conf_close_both(ends);
}
END_TEST

/* A child that ends when a byte comes. */
static pid_t start_child(int fd)
{
    pid_t child = fork();
    char byte;

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        conf_child_begin();
        conf_read_all(fd, &byte, 1);
        _exit(0);
    }
    return child;
}

START_TEST(waitpid_ends)
{
    int ends[2], status;
    pid_t child;
    pthread_t sender;

    conf_pipe(ends);
    child = start_child(ends[0]);
    handle(0);
    sender = start_signals();
    ck_assert_int_eq(waitpid(child, &status, 0), -1);
    ck_assert_int_eq(errno, EINTR);
    end_signals(sender);
    conf_write_all(ends[1], "x", 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    conf_close_both(ends);
}
END_TEST

START_TEST(waitpid_restarts)
{
    int ends[2], status;
    pid_t child;
    pthread_t sender;

    conf_pipe(ends);
    child = start_child(ends[0]);
    handle(SA_RESTART);
    sender = start_later(DELAY_MS, signal_then_write, &ends[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(rang, 1);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

static void *wait_quietly(void *fd)
{
    char byte;

    CONF_CHECK(read(*(int *)fd, &byte, 1) == 1);
    return NULL;
}

/* Waits of threads other than the one that is hit go on. */
START_TEST(other_threads_notice_nothing)
{
    int ends[2], quiet[2];
    pthread_t sender, threads[4];

    conf_stream(CONF_PIPE, ends);
    conf_stream(CONF_UNIX, quiet);
    handle(0);
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(wait_quietly, &quiet[0]);
    sender = start_signals();
    ck_assert_int_eq(in_read(ends[0]), -1);
    ck_assert_int_eq(errno, EINTR);
    conf_write_all(quiet[1], "abcd", 4);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    end_signals(sender);
    conf_close_both(ends);
    conf_close_both(quiet);
}
END_TEST

static void write_in_handler(int signal_number)
{
    int error = errno;

    (void)signal_number;
    CONF_CHECK(write(rang, "h", 1) == 1);
    errno = error;
}

/* A handler may do what is async-signal-safe: the self-pipe trick. */
START_TEST(a_handler_may_write_to_a_pipe)
{
    int ends[2];
    struct sigaction action = { .sa_handler = write_in_handler,
                                .sa_flags = SA_RESTART };
    pthread_t sender;
    char byte = 0;

    conf_pipe(ends);
    rang = ends[1];
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    sender = start_signals();
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'h');
    end_signals(sender);
    conf_close_both(ends);
}
END_TEST

static void forget(void)
{
    signal(SIGUSR1, SIG_DFL);
}

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, NULL, forget);
    conf_test(tcase, a_signal_ends_the_wait, RESTARTED + NEVER_RESTARTED);
    conf_test(tcase, a_restarting_signal_does_not, RESTARTED);
    conf_test(tcase, even_a_restarting_signal_ends_polls, NEVER_RESTARTED);
    conf_test(tcase, an_ignored_signal_is_no_signal, 1);
    conf_test(tcase, a_sleep_tells_what_is_left, 2);
    conf_test(tcase, sleep_gives_the_seconds_that_are_left, 1);
    conf_test(tcase, a_write_tells_what_it_wrote_before, CONF_TCP);
    conf_test(tcase, waitpid_ends, 1);
    conf_test(tcase, waitpid_restarts, 1);
    conf_test(tcase, other_threads_notice_nothing, 1);
    conf_test(tcase, a_handler_may_write_to_a_pipe, 1);
}

int main(void)
{
    return conf_main("eintr", add, CONF_THREADS);
}
