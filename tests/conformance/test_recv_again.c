/* recv(2) and read(2) again, after a call that got less than it asked for: what
 * is there then, and whether the next call may wait, is looked at anew. */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DELAY_MS = 5 };

static int ends[2];

static ssize_t by_recv(void *buf, size_t len)
{
    return recv(ends[0], buf, len, 0);
}

static ssize_t by_read(void *buf, size_t len)
{
    return read(ends[0], buf, len);
}

static ssize_t (*const calls[])(void *buf, size_t len) = { by_recv, by_read };
enum { CALLS = 2, WAYS = 4 };

static void *sends(void *arg)
{
    sleep_ms(DELAY_MS);
    ck_assert_int_eq(send(ends[1], arg, strlen(arg), 0), (long)strlen(arg));
    return NULL;
}

/* Two short calls that had to wait. */
static void get_short(ssize_t (*call)(void *buf, size_t len))
{
    for (int i = 0; i < 2; i++) {
        pthread_t other;
        char buf[16];

        ck_assert_int_eq(pthread_create(&other, NULL, sends, "ab"), 0);
        ck_assert_int_eq(call(buf, sizeof buf), 2);
        ck_assert_int_eq(pthread_join(other, NULL), 0);
    }
}

static void set_nonblocking(int fd, bool by_ioctl)
{
    int one = 1;

    if (by_ioctl)
        ck_assert_int_eq(ioctl(fd, FIONBIO, &one), 0);
    else
        ck_assert_int_eq(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
}

static void in_a_child(void)
{
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(fcntl(ends[0], F_SETFL, O_RDWR | O_NONBLOCK) < 0);
    ck_assert_int_eq(conf_child_status(child), 0);
}

static void make_nonblocking(int way)
{
    int copy;

    switch (way) {
    case 0:
    case 1:
        set_nonblocking(ends[0], way == 1);
        break;
    case 2:
        copy = dup(ends[0]);
        set_nonblocking(copy, false);
        close(copy);
        break;
    default:
        in_a_child();
    }
}

/* By the number itself, by a duplicate, by another process. */
START_TEST(o_nonblock_set_between_counts)
{
    char buf[16];

    conf_stream(CONF_TCP, ends);
    get_short(calls[_i % CALLS]);
    make_nonblocking(_i / CALLS);
    errno = 0;
    ck_assert_int_eq(calls[_i % CALLS](buf, sizeof buf), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_RDWR), 0);
    get_short(calls[_i % CALLS]);
    conf_close_both(ends);
}
END_TEST

START_TEST(a_read_of_nothing_does_not_wait)
{
    conf_stream(CONF_TCP, ends);
    get_short(calls[_i]);
    ck_assert_int_eq(by_read(NULL, 0), 0);
    conf_close_both(ends);
}
END_TEST

/* A call ends before the urgent byte, with more behind it. */
START_TEST(what_follows_urgent_data_is_found)
{
    char buf[16] = "";

    conf_stream(CONF_TCP, ends);
    get_short(calls[_i]);
    ck_assert_int_eq(send(ends[1], "cd!", 3, MSG_OOB), 3);
    ck_assert_int_eq(send(ends[1], "ef", 2, 0), 2);
    sleep_ms(DELAY_MS);
    ck_assert_int_eq(calls[_i](buf, sizeof buf), 2);
    ck_assert_int_eq(memcmp(buf, "cd", 2), 0);
    ck_assert_int_eq(calls[_i](buf, sizeof buf), 2);
    ck_assert_int_eq(memcmp(buf, "ef", 2), 0);
    conf_close_both(ends);
}
END_TEST

START_TEST(the_end_and_a_reset_are_seen)
{
    struct linger linger = { .l_onoff = 1 };
    char buf[16];

    for (int reset = 0; reset < 2; reset++) {
        conf_stream(CONF_TCP, ends);
        get_short(calls[_i]);
        if (reset)
            setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        close(ends[1]);
        errno = 0;
        ck_assert_int_eq(calls[_i](buf, sizeof buf), reset ? -1 : 0);
        if (reset)
            ck_assert_int_eq(errno, ECONNRESET);
        close(ends[0]);
    }
}
END_TEST

/* The number names a pipe then, which knows nothing of that. */
START_TEST(another_file_with_the_number_is_not_taken_for_it)
{
    char buf[16];
    int pipes[2];

    conf_stream(CONF_TCP, ends);
    get_short(by_recv);
    ck_assert_int_eq(pipe2(pipes, O_NONBLOCK), 0);
    ck_assert_int_eq(dup2(pipes[0], ends[0]), ends[0]);
    errno = 0;
    ck_assert_int_eq(read(ends[0], buf, sizeof buf), -1);
    ck_assert_int_eq(errno, EAGAIN);
    conf_close_both(pipes);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, o_nonblock_set_between_counts, CALLS * WAYS);
    conf_test(tcase, a_read_of_nothing_does_not_wait, CALLS);
    conf_test(tcase, what_follows_urgent_data_is_found, CALLS);
    conf_test(tcase, the_end_and_a_reset_are_seen, CALLS);
    conf_test(tcase, another_file_with_the_number_is_not_taken_for_it, 1);
}

int main(void)
{
    return conf_main("recv_again", add, CONF_THREADS);
}
