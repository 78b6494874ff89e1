/* A program that makes no thread runs as if nothing were preloaded: no fd, no
 * task, no signal handler and no child of anybody else's */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fds_at_start;

/* Waits of many kinds, all of them in the only thread. */
static void use_every_call(void)
{
    int ends[2], epoll = epoll_create1(EPOLL_CLOEXEC);
    struct pollfd ready;
    struct epoll_event event = { .events = EPOLLIN };
    struct timeval limit = { 0, 1000 };
    struct timespec moment = { 0, 1000000 };
    char byte = 'x';
    pid_t child;

    conf_unix_pair(ends);
    ready = (struct pollfd){ ends[0], POLLIN, 0 };
    ck_assert_int_eq(poll(&ready, 1, 2), 0);
    ck_assert_int_eq(select(0, NULL, NULL, NULL, &limit), 0);
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), 0);
    ck_assert_int_eq(epoll_wait(epoll, &event, 1, 2), 0);
    ck_assert_int_eq(nanosleep(&moment, NULL), 0);
    ck_assert_int_eq(usleep(1000), 0);
    ck_assert_int_eq(write(ends[1], &byte, 1), 1);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    child = fork();
    if (child == 0) {
        sleep_ms(5);
        _exit(write(ends[1], &byte, 1) == 1 ? 0 : 1);
    }
    ck_assert_int_eq(recv(ends[0], &byte, 1, 0), 1);
    ck_assert_int_eq(conf_child_status(child), 0);
    close(epoll);
    conf_close_both(ends);
}

START_TEST(has_the_fds_it_opened_and_no_others)
{
    ck_assert_int_eq(conf_count_fds(), fds_at_start);
    use_every_call();
    ck_assert_int_eq(conf_count_fds(), fds_at_start);
}
END_TEST

/* Even where a runtime would keep its own, at the top. */
START_TEST(has_no_fd_at_the_top)
{
    int top = (int)sysconf(_SC_OPEN_MAX);
    char path[64];

    use_every_call();
    for (int fd = top - 64; fd < top; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ck_assert_int_eq(access(path, F_OK), -1);
        ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
        ck_assert_int_eq(errno, EBADF);
    }
}
END_TEST

START_TEST(has_one_task)
{
    use_every_call();
    ck_assert_int_eq(conf_count_tasks(), 1);
    ck_assert_int_eq(gettid(), getpid());
}
END_TEST

START_TEST(is_known_to_be_single_threaded)
{
    use_every_call();
    ck_assert_int_eq(__libc_single_threaded, 1);
}
END_TEST

/* Check handles these for its runs, and conf_main() ignores SIGPIPE. */
static bool is_of_the_test(int number)
{
    return number == SIGALRM || number == SIGTERM || number == SIGINT ||
           number == SIGPIPE;
}

START_TEST(has_no_handler_that_it_did_not_set)
{
    struct sigaction action;

    use_every_call();
    for (int number = 1; number <= SIGRTMAX; number++) {
        if (is_of_the_test(number) || sigaction(number, NULL, &action) != 0)
            continue; /* libc keeps two to itself */
        if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)
            ck_abort_msg("signal %d has a handler", number);
    }
}
END_TEST

START_TEST(has_no_child_that_it_did_not_make)
{
    use_every_call();
    ck_assert_int_eq(wait(NULL), -1);
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static volatile sig_atomic_t rang;

static void ring(int signal_number)
{
    (void)signal_number;
    rang++;
}

/* Waits end with EINTR, as they always did. */
START_TEST(is_interrupted_by_its_signals)
{
    struct sigaction action = { .sa_handler = ring };
    struct timespec rest = { 10, 0 };
    int ends[2];
    char byte;

    conf_pipe(ends);
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ualarm(5000, 0);
    ck_assert_int_eq(read(ends[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EINTR);
    ualarm(5000, 0);
    ck_assert_int_eq(poll(NULL, 0, 10000), -1);
    ck_assert_int_eq(errno, EINTR);
    ualarm(5000, 0);
    ck_assert_int_eq(nanosleep(&rest, &rest), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(rest.tv_sec, 9);
    ck_assert_int_eq(rang, 3);
    signal(SIGALRM, SIG_DFL);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, has_the_fds_it_opened_and_no_others, 1);
    conf_test(tcase, has_no_fd_at_the_top, 1);
    conf_test(tcase, has_one_task, 1);
    conf_test(tcase, is_known_to_be_single_threaded, 1);
    conf_test(tcase, has_no_handler_that_it_did_not_set, 1);
    conf_test(tcase, has_no_child_that_it_did_not_make, 1);
    conf_test(tcase, is_interrupted_by_its_signals, 1);
}

int main(void)
{
    fds_at_start = conf_count_fds() + 1; /* Check writes to a file */
    return conf_main("single_threaded", add, 0);
}
