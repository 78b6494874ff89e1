/* Epoll sets that several threads wait for, and fds that are copied and closed */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DELAY_MS = 20, THREADS = 4 };

struct wait {
    int epoll, room, result;
    struct epoll_event events[8];
    pthread_t thread;
};

static void *wait_once(void *argument)
{
    struct wait *wait = argument;

    wait->result = epoll_wait(wait->epoll, wait->events, wait->room, 10000);
    return NULL;
}

static void watch(int epoll, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };

    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
}

/* What one thread has no room for goes to the next. */
START_TEST(events_are_shared_out)
{
    int fds[THREADS], epoll = epoll_create1(0);
    struct wait waits[THREADS];

    for (int i = 0; i < THREADS; i++) {
        fds[i] = eventfd(0, 0);
        watch(epoll, fds[i], EPOLLIN | (_i == 0 ? EPOLLET : EPOLLONESHOT));
        waits[i] = (struct wait){ .epoll = epoll, .room = 1 };
        waits[i].thread = start_thread(wait_once, &waits[i]);
    }
    sleep_ms(DELAY_MS);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(eventfd_write(fds[i], 1), 0);
    for (int i = 0; i < THREADS; i++) {
        join_thread(waits[i].thread);
        ck_assert_int_eq(waits[i].result, 1);
        for (int j = 0; j < i; j++)
            ck_assert_int_ne(waits[i].events[0].data.fd,
                             waits[j].events[0].data.fd);
    }
    for (int i = 0; i < THREADS; i++)
        close(fds[i]);
    close(epoll);
}
END_TEST

/* A level that stays is told to all. */
START_TEST(a_level_wakes_all)
{
    int fd = eventfd(0, 0), epoll = epoll_create1(0);
    struct wait waits[THREADS];

    watch(epoll, fd, EPOLLIN);
    for (int i = 0; i < THREADS; i++) {
        waits[i] = (struct wait){ .epoll = epoll, .room = 8 };
        waits[i].thread = start_thread(wait_once, &waits[i]);
    }
    sleep_ms(DELAY_MS);
    ck_assert_int_eq(eventfd_write(fd, 1), 0);
    for (int i = 0; i < THREADS; i++) {
        join_thread(waits[i].thread);
        ck_assert_int_eq(waits[i].result, 1);
    }
    close(fd);
    close(epoll);
}
END_TEST

/* Each thread with a set of its own, all for one fd: at least one wakes. */
START_TEST(exclusive_sets)
{
    int fd = eventfd(0, 0), woken = 0;
    struct wait waits[THREADS];

    for (int i = 0; i < THREADS; i++) {
        waits[i] = (struct wait){ .epoll = epoll_create1(0), .room = 8 };
        watch(waits[i].epoll, fd, EPOLLIN | EPOLLEXCLUSIVE);
        waits[i].thread = start_thread(wait_once, &waits[i]);
    }
    sleep_ms(DELAY_MS);
    ck_assert_int_eq(eventfd_write(fd, 1), 0);
    sleep_ms(DELAY_MS);
    for (int i = 0; i < THREADS; i++)
        woken += waits[i].result == 1;
    ck_assert_int_ge(woken, 1);
    for (int i = 0; i < THREADS; i++) {
        struct epoll_event event = { .events = EPOLLIN };

        ck_assert_int_eq(
            epoll_ctl(waits[i].epoll, EPOLL_CTL_MOD, fd, &event), -1);
        ck_assert_int_eq(errno, EINVAL);
        ck_assert_int_eq(
            epoll_ctl(waits[i].epoll, EPOLL_CTL_DEL, fd, NULL), 0);
        watch(waits[i].epoll, fd, EPOLLIN);
        join_thread(waits[i].thread);
        close(waits[i].epoll);
    }
    close(fd);
}
END_TEST

/* The set holds the open file: while a copy is open it goes on telling, under a
 * number that is closed, or is another file's. */
START_TEST(a_copy_keeps_a_closed_fd_in_the_set)
{
    int ends[2], copy, epoll = epoll_create1(0);
    struct wait wait = { .epoll = epoll, .room = 8 };

    conf_pipe(ends);
    watch(epoll, ends[0], EPOLLIN);
    copy = dup(ends[0]);
    wait.thread = start_thread(wait_once, &wait);
    sleep_ms(DELAY_MS);
    ck_assert_int_eq(close(ends[0]), 0);
    conf_write_all(ends[1], "x", 1);
    join_thread(wait.thread);
    ck_assert_int_eq(wait.result, 1);
    ck_assert_int_eq(wait.events[0].data.fd, ends[0]);
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], NULL), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(epoll_wait(epoll, wait.events, 8, 0), 1);
    close(copy);
    ck_assert_int_eq(epoll_wait(epoll, wait.events, 8, 0), 0);
    close(ends[1]);
    close(epoll);
}
END_TEST

START_TEST(urgent_data_and_half_closes_are_told)
{
    int ends[2], epoll = epoll_create1(0);
    struct wait wait = { .epoll = epoll, .room = 8 };

    conf_tcp_pair(ends);
    watch(epoll, ends[0], EPOLLPRI | EPOLLRDHUP | EPOLLET);
    wait.thread = start_thread(wait_once, &wait);
    sleep_ms(DELAY_MS);
    ck_assert_int_eq(send(ends[1], "!", 1, MSG_OOB), 1);
    join_thread(wait.thread);
    ck_assert_uint_eq(wait.events[0].events, EPOLLPRI);
    wait.thread = start_thread(wait_once, &wait);
    sleep_ms(DELAY_MS);
    ck_assert_int_eq(shutdown(ends[1], SHUT_WR), 0);
    join_thread(wait.thread);
    ck_assert_uint_eq(wait.events[0].events & EPOLLRDHUP, EPOLLRDHUP);
    close(epoll);
    conf_close_both(ends);
}
END_TEST

START_TEST(refuses_what_cannot_be_watched)
{
    struct epoll_event event = { .events = EPOLLIN };
    int epoll = epoll_create1(0), file = open("/proc/self/exe", O_RDONLY);

    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &event), -1);
    ck_assert_int_eq(errno, EINVAL);
    close(file);
    close(epoll);
}
END_TEST

/* ---- masks that hold during the wait ---- */

static volatile sig_atomic_t rang;

static void ring(int number)
{
    (void)number;
    rang++;
}

static int masked_wait(int how, int fd, int ms, const sigset_t *mask)
{
    struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };
    struct pollfd ready = { fd, POLLIN, 0 };
    struct epoll_event event = { .events = EPOLLIN };
    int epoll, rc, error;
    fd_set in;

    if (how == 0)
        return ppoll(&ready, 1, &limit, mask);
    if (how == 1) {
        FD_ZERO(&in);
        FD_SET(fd, &in);
        return pselect(fd + 1, &in, NULL, NULL, &limit, mask);
    }
    epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    rc = epoll_pwait(epoll, &event, 1, ms, mask);
    error = errno;
    close(epoll);
    errno = error;
    return rc;
}

/* The signal was blocked and is pending: it ends the wait, and is blocked again
 * afterwards; with a mask that blocks it, it does nothing. */
START_TEST(a_mask_holds_while_the_call_waits)
{
    struct sigaction action = { .sa_handler = ring, .sa_flags = SA_RESTART };
    sigset_t usr1, none, before, now;
    int ends[2];

    conf_pipe(ends);
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    rang = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &usr1, &before), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(masked_wait(_i, ends[0], 5, &usr1), 0);
    ck_assert_int_eq(rang, 0);
    ck_assert_int_eq(masked_wait(_i, ends[0], 10000, &none), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(rang, 1);
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    ck_assert_int_eq(sigismember(&now, SIGUSR1), 1);
    ck_assert_int_eq(masked_wait(_i, ends[0], 0, &none), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    signal(SIGUSR1, SIG_DFL);
    conf_close_both(ends);
}
END_TEST

/* ---- a table that is full ---- */

static void *read_one(void *argument)
{
    struct wait *wait = argument;
    char byte;

    wait->result = (int)read(wait->epoll, &byte, 1);
    return NULL;
}

/* No number is left, and a fd that somebody waits on is closed: he goes on. */
START_TEST(a_full_table_hurts_no_waiter)
{
    struct rlimit limit, low;
    int ends[2], copies[64], count = 0, kept;
    struct wait wait = { 0 };
    struct pollfd urgent;

    conf_stream(_i, ends);
    kept = dup(ends[0]);
    wait.epoll = ends[0];
    wait.thread = start_thread(read_one, &wait);
    sleep_ms(DELAY_MS);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)kept + 40;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (count < 64 && (copies[count] = dup(kept)) >= 0)
        count++;
    ck_assert_int_eq(errno, EMFILE);
    urgent = (struct pollfd){ kept, POLLPRI, 0 };
    ck_assert_int_eq(poll(&urgent, 1, 5), 0);
    ck_assert_int_eq(close(ends[0]), 0);
    conf_write_all(ends[1], "x", 1);
    join_thread(wait.thread);
    ck_assert_int_eq(wait.result, 1);
    while (count > 0)
        close(copies[--count]);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    close(kept);
    close(ends[1]);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, events_are_shared_out, 2);
    conf_test(tcase, a_level_wakes_all, 1);
    conf_test(tcase, exclusive_sets, 1);
    conf_test(tcase, a_copy_keeps_a_closed_fd_in_the_set, 1);
    conf_test(tcase, urgent_data_and_half_closes_are_told, 1);
    conf_test(tcase, refuses_what_cannot_be_watched, 1);
    conf_test(tcase, a_mask_holds_while_the_call_waits, 3);
    conf_test(tcase, a_full_table_hurts_no_waiter, CONF_STREAMS);
}

int main(void)
{
    return conf_main("epoll_sets", add, CONF_THREADS);
}
