/* recv(2), recvfrom(2) and recvmsg(2): waiting, flags, time limits */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 7 };

extern ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room,
                          int flags);
/* By another name here: a fortified <sys/socket.h> declares it as well. */
extern ssize_t recvfrom_chk(int fd, void *buf, size_t len, size_t room,
                            int flags, struct sockaddr *address,
                            socklen_t *size) __asm__("__recvfrom_chk");

static ssize_t by_recvfrom(int fd, void *buf, size_t len, int flags)
{
    return recvfrom(fd, buf, len, flags, NULL, NULL);
}

static ssize_t by_recvmsg(int fd, void *buf, size_t len, int flags)
{
    struct iovec part = { buf, len };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    return recvmsg(fd, &message, flags);
}

static ssize_t by_chk(int fd, void *buf, size_t len, int flags)
{
    return __recv_chk(fd, buf, len, len, flags);
}

static ssize_t by_from_chk(int fd, void *buf, size_t len, int flags)
{
    return recvfrom_chk(fd, buf, len, len, flags, NULL, NULL);
}

static ssize_t by_number(int fd, void *buf, size_t len, int flags)
{
    return syscall(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);
}

typedef ssize_t recv_function(int fd, void *buf, size_t len, int flags);

static recv_function *const spellings[] = { recv,   by_recvfrom, by_recvmsg,
                                            by_chk, by_from_chk, by_number };
enum { SPELLINGS = 6, KINDS = 2 };

/* _i counts spellings of a unix pair first, then those of TCP. */
static void open_pair(int i, int ends[2])
{
    conf_stream(i / SPELLINGS == 0 ? CONF_UNIX : CONF_TCP, ends);
}

static void put_four(void *fd)
{
    CONF_CHECK(send(*(int *)fd, "four", 4, 0) == 4);
}

static void shut_writing(void *fd)
{
    CONF_CHECK(shutdown(*(int *)fd, SHUT_WR) == 0);
}

START_TEST(waits_for_another_thread_to_send)
{
    int ends[2];
    char bytes[10] = "";
    pthread_t sender;

    open_pair(_i, ends);
    sender = start_later(DELAY_MS, put_four, &ends[1]);
    errno = SOME_ERRNO;
    ck_assert_int_eq(spellings[_i % SPELLINGS](ends[0], bytes, 10, 0), 4);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_str_eq(bytes, "four");
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(ends_with_zero_when_the_peer_shuts_down)
{
    int ends[2];
    char byte;
    pthread_t closer;

    open_pair(_i, ends);
    closer = start_later(DELAY_MS, shut_writing, &ends[1]);
    errno = SOME_ERRNO;
    ck_assert_int_eq(spellings[_i % SPELLINGS](ends[0], &byte, 1, 0), 0);
    ck_assert_int_eq(errno, SOME_ERRNO);
    join_thread(closer);
    /* Half a connection is left: the other direction still works. */
    ck_assert_int_eq(send(ends[0], "x", 1, 0), 1);
    ck_assert_int_eq(recv(ends[1], &byte, 1, 0), 1);
    conf_close_both(ends);
}
END_TEST

static void shut_reading(void *fd)
{
    CONF_CHECK(shutdown(*(int *)fd, SHUT_RD) == 0);
}

START_TEST(ends_with_zero_when_another_thread_shuts_this_side_down)
{
    int ends[2];
    char byte;
    pthread_t closer;

    open_pair(_i, ends);
    closer = start_later(DELAY_MS, shut_reading, &ends[0]);
    ck_assert_int_eq(spellings[_i % SPELLINGS](ends[0], &byte, 1, 0), 0);
    join_thread(closer);
    conf_close_both(ends);
}
END_TEST

START_TEST(does_not_wait_when_told_not_to)
{
    int ends[2];
    char byte;
    recv_function *function = spellings[_i % SPELLINGS];

    open_pair(_i, ends);
    ck_assert_int_eq(function(ends[0], &byte, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(function(ends[0], &byte, 1, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    conf_close_both(ends);
}
END_TEST

START_TEST(peeks_without_taking)
{
    int ends[2];
    char bytes[10] = "";
    recv_function *function = spellings[_i % SPELLINGS];
    pthread_t sender;

    open_pair(_i, ends);
    sender = start_later(DELAY_MS, put_four, &ends[1]);
    ck_assert_int_eq(function(ends[0], bytes, 2, MSG_PEEK), 2);
    ck_assert_str_eq(bytes, "fo");
    ck_assert_int_eq(function(ends[0], bytes, 10, MSG_PEEK | MSG_DONTWAIT), 4);
    ck_assert_int_eq(function(ends[0], bytes, 10, 0), 4);
    ck_assert_str_eq(bytes, "four");
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

static void put_in_pieces(void *fd)
{
    for (int i = 0; i < 5; i++) {
        put_four(fd);
        sleep_ms(3);
    }
}

START_TEST(waits_for_all_when_told_to)
{
    int ends[2];
    char bytes[21] = "";
    pthread_t sender;

    open_pair(_i, ends);
    sender = start_later(DELAY_MS, put_in_pieces, &ends[1]);
    errno = SOME_ERRNO;
    ck_assert_int_eq(
        spellings[_i % SPELLINGS](ends[0], bytes, 20, MSG_WAITALL), 20);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_str_eq(bytes, "fourfourfourfourfour");
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

static void put_four_and_shut(void *fd)
{
    put_four(fd);
    sleep_ms(DELAY_MS);
    shut_writing(fd);
}

START_TEST(gives_less_than_all_at_the_end)
{
    int ends[2];
    char bytes[21] = "";
    recv_function *function = spellings[_i % SPELLINGS];
    pthread_t sender;

    open_pair(_i, ends);
    sender = start_later(DELAY_MS, put_four_and_shut, &ends[1]);
    ck_assert_int_eq(function(ends[0], bytes, 20, MSG_WAITALL), 4);
    ck_assert_int_eq(function(ends[0], bytes, 20, MSG_WAITALL), 0);
    ck_assert_str_eq(bytes, "four");
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(waits_for_all_but_not_when_told_not_to_wait)
{
    int ends[2];
    char bytes[21] = "";

    open_pair(_i, ends);
    put_four(&ends[1]);
    ck_assert_int_eq(spellings[_i % SPELLINGS](ends[0], bytes, 20,
                                               MSG_WAITALL | MSG_DONTWAIT),
                     4);
    conf_close_both(ends);
}
END_TEST

static void limit(int fd, int ms)
{
    struct timeval most = { ms / 1000, ms % 1000 * 1000 };

    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most), 0);
}

START_TEST(gives_up_after_its_time_limit)
{
    int ends[2];
    char bytes[10];
    recv_function *function = spellings[_i % SPELLINGS];
    int64_t began;

    open_pair(_i, ends);
    limit(ends[0], 12);
    began = now_ns();
    ck_assert_int_eq(function(ends[0], bytes, 10, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_ge(now_ns() - began, 12 * CONF_MS);
    ck_assert_int_le(now_ns() - began, CONF_S);

    /* What came before the limit counts. */
    put_four(&ends[1]);
    ck_assert_int_eq(function(ends[0], bytes, 10, MSG_WAITALL), 4);
    ck_assert_int_ge(now_ns() - began, 24 * CONF_MS);

    limit(ends[0], 0); /* for ever again */
    pthread_t sender = start_later(20, put_four, &ends[1]);
    ck_assert_int_eq(function(ends[0], bytes, 10, 0), 4);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(refuses_a_bad_fd)
{
    char byte;
    recv_function *function = spellings[_i];
    int ends[2];

    conf_pipe(ends);
    ck_assert_int_eq(function(-1, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(function(-1, &byte, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(function(ends[0], &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ENOTSOCK);
    conf_close_both(ends);
}
END_TEST

START_TEST(refuses_an_unconnected_socket)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char byte;

    ck_assert_int_eq(spellings[_i](fd, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ENOTCONN);
    close(fd);
}
END_TEST

START_TEST(reports_a_reset)
{
    struct linger hard = { 1, 0 };
    int ends[2];
    char byte;

    conf_tcp_pair(ends);
    ck_assert_int_eq(
        setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    ck_assert_int_eq(close(ends[1]), 0);
    ck_assert_int_eq(spellings[_i](ends[0], &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    ck_assert_int_eq(spellings[_i](ends[0], &byte, 1, 0), 0);
    ck_assert_int_eq(close(ends[0]), 0);
}
END_TEST

static void reset_it(void *fd)
{
    struct linger hard = { 1, 0 };

    setsockopt(*(int *)fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    CONF_CHECK(close(*(int *)fd) == 0);
}

START_TEST(reports_a_reset_that_comes_while_it_waits)
{
    int ends[2];
    char byte;
    pthread_t closer;

    conf_tcp_pair(ends);
    closer = start_later(DELAY_MS, reset_it, &ends[1]);
    ck_assert_int_eq(spellings[_i](ends[0], &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    join_thread(closer);
    ck_assert_int_eq(close(ends[0]), 0);
}
END_TEST

static void add(TCase *tcase)
{
    const int each = SPELLINGS * KINDS;

    conf_test(tcase, waits_for_another_thread_to_send, each);
    conf_test(tcase, ends_with_zero_when_the_peer_shuts_down, each);
    conf_test(tcase, ends_with_zero_when_another_thread_shuts_this_side_down,
              each);
    conf_test(tcase, does_not_wait_when_told_not_to, each);
    conf_test(tcase, peeks_without_taking, each);
    conf_test(tcase, waits_for_all_when_told_to, each);
    conf_test(tcase, gives_less_than_all_at_the_end, each);
    conf_test(tcase, waits_for_all_but_not_when_told_not_to_wait, each);
    conf_test(tcase, gives_up_after_its_time_limit, each);
    conf_test(tcase, refuses_a_bad_fd, SPELLINGS);
    conf_test(tcase, refuses_an_unconnected_socket, SPELLINGS);
    conf_test(tcase, reports_a_reset, SPELLINGS);
    conf_test(tcase, reports_a_reset_that_comes_while_it_waits, SPELLINGS);
}

int main(void)
{
    return conf_main("recv", add, CONF_THREADS);
}
