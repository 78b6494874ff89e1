/* send(2), sendto(2) and sendmsg(2): all or an error, flags, time limits */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10, LARGE = 6 * 1024 * 1024 };

static ssize_t by_sendto(int fd, const void *buf, size_t len, int flags)
{
    return sendto(fd, buf, len, flags, NULL, 0);
}

static ssize_t by_sendmsg(int fd, const void *buf, size_t len, int flags)
{
    char *bytes = (char *)(uintptr_t)buf;
    size_t half = len / 2;
    struct iovec parts[] = { { bytes, half }, { bytes + half, len - half } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

    return sendmsg(fd, &message, flags);
}

static ssize_t by_number(int fd, const void *buf, size_t len, int flags)
{
    return syscall(SYS_sendto, fd, buf, len, flags, NULL, 0);
}

typedef ssize_t send_function(int fd, const void *buf, size_t len, int flags);

static send_function *const spellings[] = { send, by_sendto, by_sendmsg,
                                            by_number };
enum { SPELLINGS = 4, KINDS = 2 };

static void open_pair(int i, int ends[2])
{
    conf_stream(i / SPELLINGS == 0 ? CONF_UNIX : CONF_TCP, ends);
}

static char *large; /* LARGE bytes of pattern 1 */

static void *take_large(void *fd)
{
    char *bytes = malloc(LARGE);

    CONF_CHECK(bytes != NULL);
    sleep_ms(DELAY_MS);
    conf_read_all(*(int *)fd, bytes, LARGE);
    CONF_CHECK(memcmp(bytes, large, LARGE) == 0);
    free(bytes);
    return NULL;
}

START_TEST(sends_all_while_another_thread_receives)
{
    int ends[2];
    pthread_t taker;

    open_pair(_i, ends);
    taker = start_thread(take_large, &ends[0]);
    errno = SOME_ERRNO;
    ck_assert_int_eq(spellings[_i % SPELLINGS](ends[1], large, LARGE, 0),
                     LARGE);
    ck_assert_int_eq(errno, SOME_ERRNO);
    join_thread(taker);
    conf_close_both(ends);
}
END_TEST

START_TEST(sends_a_part_when_it_may_not_wait)
{
    int ends[2];
    send_function *function = spellings[_i % SPELLINGS];
    ssize_t n;

    open_pair(_i, ends);
    n = function(ends[1], large, LARGE, MSG_DONTWAIT);
    ck_assert_int_gt(n, 0);
    ck_assert_int_lt(n, LARGE);
    while ((n = function(ends[1], large, LARGE, MSG_DONTWAIT)) > 0)
        ;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while ((n = function(ends[1], large, LARGE, 0)) > 0)
        ;
    ck_assert_int_eq(errno, EAGAIN);
    conf_close_both(ends);
}
END_TEST

START_TEST(gives_up_after_its_time_limit)
{
    struct timeval most = { 0, 12000 };
    int ends[2];
    send_function *function = spellings[_i % SPELLINGS];
    int64_t began;
    ssize_t n;

    open_pair(_i, ends);
    ck_assert_int_eq(
        setsockopt(ends[1], SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most), 0);
    began = now_ns();
    n = function(ends[1], large, LARGE, 0);
    ck_assert_int_gt(n, 0); /* a part went out, and that is the answer */
    ck_assert_int_lt(n, LARGE);
    ck_assert_int_ge(now_ns() - began, 12 * CONF_MS);
    while ((n = function(ends[1], large, LARGE, 0)) > 0)
        ;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_ge(now_ns() - began, 24 * CONF_MS);
    conf_close_both(ends);
}
END_TEST

static void reset_it(void *fd)
{
    struct linger hard = { 1, 0 };

    setsockopt(*(int *)fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    CONF_CHECK(close(*(int *)fd) == 0);
}

static volatile sig_atomic_t broken;

static void count_broken(int signal_number)
{
    (void)signal_number;
    broken++;
}

START_TEST(tells_what_went_out_before_the_peer_closed)
{
    int ends[2];
    send_function *function = spellings[_i % SPELLINGS];
    pthread_t closer;
    ssize_t n;

    open_pair(_i, ends);
    signal(SIGPIPE, count_broken);
    broken = 0;
    closer = start_later(DELAY_MS, reset_it, &ends[0]);
    n = function(ends[1], large, LARGE, 0);
    join_thread(closer);
    ck_assert_int_gt(n, 0);
    ck_assert_int_lt(n, LARGE);
    broken = 0;
    n = function(ends[1], large, 1, MSG_NOSIGNAL);
    ck_assert_int_eq(n, -1);
    if (errno == ECONNRESET) /* told once; then the pipe is broken */
        n = function(ends[1], large, 1, MSG_NOSIGNAL);
    ck_assert_int_eq(n, -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(broken, 0);
    ck_assert_int_eq(function(ends[1], large, 1, 0), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(broken, 1);
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

START_TEST(after_shutdown_is_a_broken_pipe)
{
    int ends[2];

    open_pair(_i, ends);
    ck_assert_int_eq(shutdown(ends[1], SHUT_WR), 0);
    ck_assert_int_eq(
        spellings[_i % SPELLINGS](ends[1], "xy", 2, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(errno, EPIPE);
    conf_close_both(ends);
}
END_TEST

static void shut_writing(void *fd)
{
    CONF_CHECK(shutdown(*(int *)fd, SHUT_WR) == 0);
}

START_TEST(ends_when_another_thread_shuts_it_down)
{
    int ends[2];
    send_function *function = spellings[_i % SPELLINGS];
    pthread_t closer;
    ssize_t n;

    open_pair(_i, ends);
    while (function(ends[1], large, LARGE, MSG_DONTWAIT) > 0)
        ;
    closer = start_later(DELAY_MS, shut_writing, &ends[1]);
    n = function(ends[1], large, LARGE, MSG_NOSIGNAL);
    join_thread(closer);
    if (n >= 0) /* the kernel moved its buffers and took some more */
        n = function(ends[1], large, LARGE, MSG_NOSIGNAL);
    ck_assert_int_eq(n, -1);
    ck_assert_int_eq(errno, EPIPE);
    conf_close_both(ends);
}
END_TEST

START_TEST(of_nothing_on_a_stream_is_nothing)
{
    int ends[2];
    char byte;

    open_pair(_i, ends);
    ck_assert_int_eq(spellings[_i % SPELLINGS](ends[1], large, 0, 0), 0);
    ck_assert_int_eq(recv(ends[0], &byte, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
    conf_close_both(ends);
}
END_TEST

START_TEST(refuses)
{
    send_function *function = spellings[_i];
    int ends[2], alone = socket(AF_INET, SOCK_STREAM, 0);

    conf_pipe(ends);
    ck_assert_int_eq(function(-1, "x", 1, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(function(ends[1], "x", 1, 0), -1);
    ck_assert_int_eq(errno, ENOTSOCK);
    ck_assert_int_eq(function(alone, "xy", 2, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(errno, EPIPE);
    close(alone);
    alone = socket(AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(function(alone, "xy", 2, 0), -1);
    ck_assert_int_eq(errno, EDESTADDRREQ);
    close(alone);
    conf_close_both(ends);
}
END_TEST

START_TEST(sendto_a_connected_stream_takes_an_address_or_not)
{
    int ends[2];
    struct sockaddr_in address = { .sin_family = AF_INET };

    conf_tcp_pair(ends);
    ck_assert_int_eq(sendto(ends[1], "x", 1, 0, (struct sockaddr *)&address,
                            sizeof address),
                     1);
    conf_close_both(ends);
    conf_unix_pair(ends);
    ck_assert_int_eq(sendto(ends[1], "x", 1, 0, (struct sockaddr *)&address,
                            sizeof address),
                     -1);
    ck_assert_int_eq(errno, EISCONN);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    const int each = SPELLINGS * KINDS;

    conf_test(tcase, sends_all_while_another_thread_receives, each);
    conf_test(tcase, sends_a_part_when_it_may_not_wait, each);
    conf_test(tcase, gives_up_after_its_time_limit, each);
    conf_test(tcase, tells_what_went_out_before_the_peer_closed, each);
    conf_test(tcase, after_shutdown_is_a_broken_pipe, each);
    conf_test(tcase, ends_when_another_thread_shuts_it_down, each);
    conf_test(tcase, of_nothing_on_a_stream_is_nothing, each);
    conf_test(tcase, refuses, SPELLINGS);
    conf_test(tcase, sendto_a_connected_stream_takes_an_address_or_not, 1);
}

int main(void)
{
    int result;

    large = malloc(LARGE);
    CONF_CHECK(large != NULL);
    conf_fill(large, LARGE, 1);
    result = conf_main("send", add, CONF_THREADS);
    free(large);
    return result;
}
