/* select(2) and pselect(2) */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10 };

static int by_pselect(int count, fd_set *in, fd_set *out, fd_set *except,
                      struct timeval *limit)
{
    struct timespec precise;

    if (limit == NULL)
        return pselect(count, in, out, except, NULL, NULL);
    precise.tv_sec = limit->tv_sec;
    precise.tv_nsec = limit->tv_usec * 1000;
    return pselect(count, in, out, except, &precise, NULL);
}

typedef int select_function(int, fd_set *, fd_set *, fd_set *,
                            struct timeval *);

static select_function *const spellings[] = { select, by_pselect };
enum { SPELLINGS = 2 };

static void put_byte(void *fd)
{
    conf_write_all(*(int *)fd, "x", 1);
}

START_TEST(waits_for_another_thread_to_write)
{
    int ends[2], quiet[2];
    fd_set in;
    pthread_t writer;

    conf_stream(_i / SPELLINGS, ends);
    conf_pipe(quiet);
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    FD_SET(quiet[0], &in);
    writer = start_later(DELAY_MS, put_byte, &ends[1]);
    errno = SOME_ERRNO;
    ck_assert_int_eq(
        spellings[_i % SPELLINGS](quiet[1] + 1, &in, NULL, NULL, NULL), 1);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert(FD_ISSET(ends[0], &in));
    ck_assert(!FD_ISSET(quiet[0], &in));
    join_thread(writer);
    conf_close_both(quiet);
    conf_close_both(ends);
}
END_TEST

START_TEST(ends_at_its_time_limit_with_empty_sets)
{
    int ends[2];
    fd_set in;
    struct timeval limit = { 0, 12000 };
    int64_t began = now_ns();

    conf_pipe(ends);
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    ck_assert_int_eq(spellings[_i](ends[0] + 1, &in, NULL, NULL, &limit), 0);
    ck_assert_int_ge(now_ns() - began, 12 * CONF_MS);
    ck_assert(!FD_ISSET(ends[0], &in));
    conf_close_both(ends);
}
END_TEST

START_TEST(of_nothing_only_waits)
{
    struct timeval limit = { 0, 12000 };
    int64_t began = now_ns();

    ck_assert_int_eq(spellings[_i](0, NULL, NULL, NULL, &limit), 0);
    ck_assert_int_ge(now_ns() - began, 12 * CONF_MS);
}
END_TEST

/* Linux tells what is left of the limit; pselect does not. */
START_TEST(select_counts_its_time_limit_down)
{
    int ends[2];
    fd_set in;
    struct timeval limit = { 5, 0 };
    struct timespec precise = { 5, 0 };
    int64_t began, took;
    pthread_t writer;

    conf_pipe(ends);
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    writer = start_later(2 * DELAY_MS, put_byte, &ends[1]);
    began = now_ns();
    ck_assert_int_eq(select(ends[0] + 1, &in, NULL, NULL, &limit), 1);
    took = now_ns() - began;
    join_thread(writer);
    ck_assert_int_le(limit.tv_sec, 4);
    ck_assert_int_ge(limit.tv_sec * CONF_S + limit.tv_usec * 1000,
                     5 * CONF_S - took - CONF_MS);
    ck_assert_int_eq(
        pselect(ends[0] + 1, &in, NULL, NULL, &precise, NULL), 1);
    ck_assert_int_eq(precise.tv_sec, 5);
    ck_assert_int_eq(precise.tv_nsec, 0);
    limit = (struct timeval){ 0, 3000 };
    FD_ZERO(&in);
    ck_assert_int_eq(select(0, &in, NULL, NULL, &limit), 0);
    ck_assert_int_eq(limit.tv_sec, 0);
    ck_assert_int_eq(limit.tv_usec, 0);
    conf_close_both(ends);
}
END_TEST

START_TEST(counts_a_fd_once_for_each_set)
{
    int ends[2];
    fd_set in, out;

    conf_unix_pair(ends);
    put_byte(&ends[1]);
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    FD_SET(ends[1], &in);
    out = in;
    ck_assert_int_eq(spellings[_i](ends[1] + 1, &in, &out, NULL, NULL), 3);
    ck_assert(FD_ISSET(ends[0], &in));
    ck_assert(!FD_ISSET(ends[1], &in));
    ck_assert(FD_ISSET(ends[0], &out));
    ck_assert(FD_ISSET(ends[1], &out));
    conf_close_both(ends);
}
END_TEST

static void close_it(void *fd)
{
    CONF_CHECK(close(*(int *)fd) == 0);
}

START_TEST(a_hang_up_is_readable_and_an_error_is_writable)
{
    int ends[2];
    fd_set set;
    pthread_t closer;

    conf_pipe(ends);
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    closer = start_later(DELAY_MS, close_it, &ends[1]);
    ck_assert_int_eq(spellings[_i](ends[0] + 1, &set, NULL, NULL, NULL), 1);
    ck_assert(FD_ISSET(ends[0], &set));
    join_thread(closer);
    close(ends[0]);

    conf_pipe(ends);
    FD_ZERO(&set);
    FD_SET(ends[1], &set);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], &set, sizeof set) > 0)
        ;
    closer = start_later(DELAY_MS, close_it, &ends[0]);
    ck_assert_int_eq(spellings[_i](ends[1] + 1, NULL, &set, NULL, NULL), 1);
    join_thread(closer);
    close(ends[1]);
}
END_TEST

static void put_urgent(void *fd)
{
    CONF_CHECK(send(*(int *)fd, "!", 1, MSG_OOB) == 1);
}

START_TEST(urgent_data_is_an_exception)
{
    int ends[2];
    fd_set except;
    pthread_t sender;

    conf_tcp_pair(ends);
    FD_ZERO(&except);
    FD_SET(ends[0], &except);
    sender = start_later(DELAY_MS, put_urgent, &ends[1]);
    ck_assert_int_eq(spellings[_i](ends[0] + 1, NULL, NULL, &except, NULL),
                     1);
    ck_assert(FD_ISSET(ends[0], &except));
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(refuses_and_leaves_the_sets_alone)
{
    int ends[2], closed;
    fd_set in, before;
    struct timeval past = { -1, 0 };

    conf_pipe(ends);
    closed = dup(ends[0]);
    close(closed);
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    FD_SET(closed, &in);
    before = in;
    ck_assert_int_eq(spellings[_i](closed + 1, &in, NULL, NULL, NULL), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_mem_eq(&in, &before, sizeof in);
    ck_assert_int_eq(spellings[_i](-1, &in, NULL, NULL, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(spellings[_i](1, NULL, NULL, NULL, &past), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(
        spellings[_i](1, conf_bad_address(), NULL, NULL, NULL), -1);
    ck_assert_int_eq(errno, EFAULT);
    conf_close_both(ends);
}
END_TEST

struct wait {
    int fd, result;
};

static void *wait_for(void *argument)
{
    struct wait *wait = argument;
    struct timeval limit = { 10, 0 };
    fd_set in;

    FD_ZERO(&in);
    FD_SET(wait->fd, &in);
    wait->result = select(wait->fd + 1, &in, NULL, NULL, &limit);
    return NULL;
}

START_TEST(wakes_every_thread_that_waits_for_the_fd)
{
    enum { THREADS = 10 };
    struct wait waits[THREADS];
    pthread_t threads[THREADS];
    int ends[2];

    conf_pipe(ends);
    for (int i = 0; i < THREADS; i++) {
        waits[i].fd = ends[0];
        threads[i] = start_thread(wait_for, &waits[i]);
    }
    sleep_ms(DELAY_MS);
    put_byte(&ends[1]);
    for (int i = 0; i < THREADS; i++) {
        join_thread(threads[i]);
        ck_assert_int_eq(waits[i].result, 1);
    }
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, waits_for_another_thread_to_write,
              CONF_STREAMS * SPELLINGS);
    conf_test(tcase, ends_at_its_time_limit_with_empty_sets, SPELLINGS);
    conf_test(tcase, of_nothing_only_waits, SPELLINGS);
    conf_test(tcase, select_counts_its_time_limit_down, 1);
    conf_test(tcase, counts_a_fd_once_for_each_set, SPELLINGS);
    conf_test(tcase, a_hang_up_is_readable_and_an_error_is_writable,
              SPELLINGS);
    conf_test(tcase, urgent_data_is_an_exception, SPELLINGS);
    conf_test(tcase, refuses_and_leaves_the_sets_alone, SPELLINGS);
    conf_test(tcase, wakes_every_thread_that_waits_for_the_fd, 1);
}

int main(void)
{
    return conf_main("select", add, CONF_THREADS);
}
