/* Transfers of nothing, of many parts, and of parts that hold nothing */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static char bytes[8];
static volatile int minus_one = -1; /* which the compiler knows is wrong */
static struct iovec nothing[3] = { { bytes, 0 }, { NULL, 0 }, { bytes, 0 } };

/* read() and readv() of nothing return at once on everything ... */
START_TEST(reading_nothing_never_waits)
{
    int ends[2];

    conf_stream(_i, ends);
    ck_assert_int_eq(read(ends[0], bytes, 0), 0);
    ck_assert_int_eq(readv(ends[0], nothing, 3), 0);
    ck_assert_int_eq(readv(ends[0], nothing, 0), 0);
    ck_assert_int_eq(write(ends[1], bytes, 0), 0);
    ck_assert_int_eq(writev(ends[1], nothing, 3), 0);
    conf_write_all(ends[1], "x", 1);
    ck_assert_int_eq(readv(ends[0], nothing, 3), 0);
    ck_assert_int_eq(read(ends[0], bytes, 8), 1);
    conf_close_both(ends);
}
END_TEST

/* ... and take or send no message. */
START_TEST(a_vector_of_nothing_is_no_message)
{
    static const int kinds[] = { SOCK_DGRAM, SOCK_SEQPACKET };
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, kinds[_i], 0, ends), 0);
    ck_assert_int_eq(readv(ends[0], nothing, 3), 0);
    ck_assert_int_eq(writev(ends[1], nothing, 3), 0);
    ck_assert_int_eq(recv(ends[0], bytes, 8, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(send(ends[1], "abc", 3, 0), 3);
    ck_assert_int_eq(readv(ends[0], nothing, 3), 0);
    ck_assert_int_eq(read(ends[0], bytes, 0), 0);
    ck_assert_int_eq(recv(ends[0], bytes, 8, 0), 3);
    conf_close_both(ends);
}
END_TEST

/* send() of nothing is an empty message. */
START_TEST(a_message_of_nothing_is_one)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    if (_i == 0)
        ck_assert_int_eq(send(ends[1], NULL, 0, 0), 0);
    else
        ck_assert_int_eq(write(ends[1], bytes, 0), 0);
    ck_assert_int_eq(recv(ends[0], bytes, 8, 0), 0);
    ck_assert_int_eq(recv(ends[0], bytes, 8, MSG_DONTWAIT), -1);
    conf_close_both(ends);
}
END_TEST

static void put(void *fd)
{
    conf_write_all(*(int *)fd, "abc", 3);
}

/* recv() of nothing from a stream waits for something. */
START_TEST(receiving_nothing_waits)
{
    int ends[2];
    pthread_t writer;
    int64_t began = now_ns();

    conf_tcp_pair(ends);
    writer = start_later(20, put, &ends[1]);
    ck_assert_int_eq(recv(ends[0], bytes, 0, 0), 0);
    ck_assert_int_ge(now_ns() - began, 15 * CONF_MS);
    ck_assert_int_eq(recv(ends[0], bytes, 8, 0), 3);
    join_thread(writer);
    conf_close_both(ends);
}
END_TEST

START_TEST(as_many_parts_as_there_may_be)
{
    static struct iovec parts[IOV_MAX + 1];
    static char sent[IOV_MAX + 1], got[IOV_MAX + 1];
    int ends[2];
    ssize_t n;

    conf_stream(_i, ends);
    conf_fill(sent, sizeof sent, 3);
    for (int i = 0; i <= IOV_MAX; i++)
        parts[i] = (struct iovec){ &sent[i], 1 };
    ck_assert_int_eq(writev(ends[1], parts, IOV_MAX + 1), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(writev(ends[1], parts, minus_one), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(writev(ends[1], parts, IOV_MAX), IOV_MAX);
    for (int i = 0; i <= IOV_MAX; i++)
        parts[i] = (struct iovec){ &got[i], 1 };
    ck_assert_int_eq(readv(ends[0], parts, IOV_MAX + 1), -1);
    ck_assert_int_eq(errno, EINVAL);
    for (ssize_t at = 0; at < IOV_MAX; at += n) {
        n = readv(ends[0], parts + at, IOV_MAX - (int)at);
        ck_assert_int_gt(n, 0);
    }
    ck_assert_mem_eq(got, sent, IOV_MAX);
    conf_close_both(ends);
}
END_TEST

START_TEST(too_many_parts_of_a_message_are_refused)
{
    static struct iovec parts[IOV_MAX + 1];
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = IOV_MAX + 1 };
    int ends[2];

    conf_unix_pair(ends);
    ck_assert_int_eq(sendmsg(ends[0], &message, 0), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_int_eq(recvmsg(ends[0], &message, MSG_WAITALL), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    conf_close_both(ends);
}
END_TEST

/* A writer with many parts, larger than the buffer, waits and loses nothing. */
enum { PARTS = 300, PART = 1000 };

static void *read_parts(void *fd)
{
    static char got[PARTS * PART];

    conf_read_all(*(int *)fd, got, sizeof got);
    CONF_CHECK(conf_filled(got, sizeof got, 5));
    return NULL;
}

START_TEST(a_long_vector_is_written_whole)
{
    static char sent[PARTS * PART];
    struct iovec parts[PARTS];
    int ends[2];
    pthread_t reader;

    conf_stream(_i, ends);
    conf_fill(sent, sizeof sent, 5);
    for (int i = 0; i < PARTS; i++)
        parts[i] = (struct iovec){ sent + i * PART, PART };
    reader = start_thread(read_parts, &ends[0]);
    ck_assert_int_eq(writev(ends[1], parts, PARTS), PARTS * PART);
    join_thread(reader);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, reading_nothing_never_waits, CONF_STREAMS);
    conf_test(tcase, a_vector_of_nothing_is_no_message, 2);
    conf_test(tcase, a_message_of_nothing_is_one, 2);
    conf_test(tcase, receiving_nothing_waits, 1);
    conf_test(tcase, as_many_parts_as_there_may_be, CONF_PTY);
    conf_test(tcase, too_many_parts_of_a_message_are_refused, 1);
    conf_test(tcase, a_long_vector_is_written_whole, CONF_PTY);
}

int main(void)
{
    return conf_main("zero_length", add, CONF_THREADS);
}
