/* errno belongs to the thread, and a call that succeeds leaves it alone */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 10, ROUNDS = 50 };

static void wait_a_moment(int round)
{
    struct timespec moment = { 0, 200000 };
    struct pollfd none = { -1, 0, 0 };
    struct timeval limit = { 0, 200 };

    if (round % 4 == 0)
        CONF_CHECK(usleep(200) == 0);
    else if (round % 4 == 1)
        CONF_CHECK(nanosleep(&moment, NULL) == 0);
    else if (round % 4 == 2)
        CONF_CHECK(poll(&none, 1, 1) == 0);
    else
        CONF_CHECK(select(0, NULL, NULL, NULL, &limit) == 0);
}

static void *keep_errno(void *argument)
{
    int mine = 1000 + (int)(intptr_t)argument;
    int *address = &errno;

    errno = mine;
    for (int i = 0; i < ROUNDS; i++) {
        wait_a_moment(i);
        CONF_CHECK(errno == mine);
        CONF_CHECK(&errno == address);
    }
    return address;
}

START_TEST(every_thread_keeps_its_own_over_its_waits)
{
    pthread_t threads[THREADS];
    int *before = &errno;

    errno = 7;
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(keep_errno, (void *)(intptr_t)i);
    for (int i = 0; i < ROUNDS; i++)
        wait_a_moment(i);
    ck_assert_int_eq(errno, 7);
    for (int i = 0; i < THREADS; i++)
        ck_assert_ptr_ne(join_thread(threads[i]), before);
    ck_assert_ptr_eq(&errno, before);
}
END_TEST

/* Threads that fail in different ways between each other's waits. */
static void *fail_and_wait(void *argument)
{
    bool bad_fd = (intptr_t)argument % 2;
    int ends[2];
    char byte;

    CONF_CHECK(pipe2(ends, O_NONBLOCK) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        CONF_CHECK(read(bad_fd ? -1 : ends[0], &byte, 1) == -1);
        CONF_CHECK(errno == (bad_fd ? EBADF : EAGAIN));
        wait_a_moment(i);
        CONF_CHECK(errno == (bad_fd ? EBADF : EAGAIN));
    }
    CONF_CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
    return NULL;
}

START_TEST(tells_each_thread_its_own_failure)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(fail_and_wait, (void *)(intptr_t)i);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
}
END_TEST

static void *see_errno(void *argument)
{
    (void)argument;
    return (void *)(intptr_t)errno;
}

START_TEST(is_zero_in_a_new_thread)
{
    for (int i = 0; i < 5; i++) {
        errno = EDOM;
        ck_assert_ptr_eq(join_thread(start_thread(see_errno, NULL)), NULL);
        ck_assert_int_eq(errno, EDOM);
    }
}
END_TEST

/* Calls that succeed at once, each of them. */
START_TEST(is_left_alone_by_what_succeeds)
{
    int ends[2], pair[2];
    char byte = 'x';
    struct pollfd ready;

    conf_pipe(ends);
    conf_unix_pair(pair);
    ready = (struct pollfd){ ends[1], POLLOUT, 0 };
    errno = EDOM;
    ck_assert_int_eq(write(ends[1], &byte, 1), 1);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(send(pair[0], &byte, 1, 0), 1);
    ck_assert_int_eq(recv(pair[1], &byte, 1, 0), 1);
    ck_assert_int_eq(poll(&ready, 1, -1), 1);
    ck_assert_int_eq(usleep(1), 0);
    ck_assert_int_eq(fcntl(ends[0], F_GETFL), O_RDONLY);
    ck_assert_int_eq(shutdown(pair[0], SHUT_WR), 0);
    ck_assert_int_eq(recv(pair[1], &byte, 1, 0), 0);
    ck_assert_int_eq(close(dup(ends[0])), 0);
    ck_assert_int_eq(errno, EDOM);
    conf_close_both(pair);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, every_thread_keeps_its_own_over_its_waits, 1);
    conf_test(tcase, tells_each_thread_its_own_failure, 1);
    conf_test(tcase, is_zero_in_a_new_thread, 1);
    conf_test(tcase, is_left_alone_by_what_succeeds, 1);
}

int main(void)
{
    return conf_main("errno", add, CONF_THREADS);
}
