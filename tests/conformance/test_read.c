/* read(2) and readv(2) on streams, by each of their spellings */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10, LARGE = 300 * 1024 };

/* The fortified spelling, as programs built with _FORTIFY_SOURCE call it. */
extern ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);

static ssize_t by_readv(int fd, void *buf, size_t len)
{
    size_t half = len / 2;
    struct iovec parts[2] = { { buf, half },
                              { (char *)buf + half, len - half } };

    return readv(fd, parts, 2);
}

static ssize_t by_chk(int fd, void *buf, size_t len)
{
    return __read_chk(fd, buf, len, len);
}

static ssize_t by_number(int fd, void *buf, size_t len)
{
    return syscall(SYS_read, fd, buf, len);
}

typedef ssize_t read_function(int fd, void *buf, size_t len);

static read_function *const spellings[] = { read, by_readv, by_chk,
                                            by_number };
enum { SPELLINGS = 4 };

/* What one thread reads while another writes. */
struct transfer {
    int fd;
    read_function *function;
    char *bytes;
    size_t length;
    ssize_t result;
    int error;
};

static void *receive(void *argument)
{
    struct transfer *transfer = argument;

    errno = SOME_ERRNO;
    transfer->result =
        transfer->function(transfer->fd, transfer->bytes, transfer->length);
    transfer->error = errno;
    return NULL;
}

static void put_four(void *fd)
{
    conf_write_all(*(int *)fd, "four", 4);
}

static void close_it(void *fd)
{
    CONF_CHECK(close(*(int *)fd) == 0);
}

START_TEST(waits_in_the_main_thread_for_another_to_write)
{
    int ends[2];
    char bytes[10] = "";
    struct transfer transfer = { .function = spellings[_i % SPELLINGS],
                                 .bytes = bytes, .length = sizeof bytes };
    pthread_t writer;

    conf_stream(_i / SPELLINGS, ends);
    transfer.fd = ends[0];
    writer = start_later(DELAY_MS, put_four, &ends[1]);
    receive(&transfer);
    join_thread(writer);
    ck_assert_int_eq(transfer.result, 4);
    ck_assert_str_eq(bytes, "four");
    ck_assert_int_eq(transfer.error, SOME_ERRNO);
    conf_close_both(ends);
}
END_TEST

START_TEST(waits_in_a_thread_for_the_main_thread_to_write)
{
    int ends[2];
    char bytes[10] = "";
    struct transfer transfer = { .function = spellings[_i % SPELLINGS],
                                 .bytes = bytes, .length = sizeof bytes };
    pthread_t reader;

    conf_stream(_i / SPELLINGS, ends);
    transfer.fd = ends[0];
    reader = start_thread(receive, &transfer);
    sleep_ms(DELAY_MS);
    put_four(&ends[1]);
    join_thread(reader);
    ck_assert_int_eq(transfer.result, 4);
    ck_assert_str_eq(bytes, "four");
    ck_assert_int_eq(transfer.error, SOME_ERRNO);
    conf_close_both(ends);
}
END_TEST

START_TEST(ends_with_zero_when_another_thread_closes_the_last_writer)
{
    int ends[2];
    char byte = 'x';
    struct transfer transfer = { .function = spellings[_i % SPELLINGS],
                                 .bytes = &byte, .length = 1 };
    pthread_t closer;

    conf_stream(_i / SPELLINGS, ends);
    transfer.fd = ends[0];
    closer = start_later(DELAY_MS, close_it, &ends[1]);
    receive(&transfer);
    join_thread(closer);
    ck_assert_int_eq(transfer.result, 0);
    ck_assert_int_eq(transfer.error, SOME_ERRNO);
    ck_assert_int_eq(byte, 'x');
    ck_assert_int_eq(close(ends[0]), 0);
}
END_TEST

START_TEST(gives_what_is_there_without_waiting_for_more)
{
    int ends[2];
    char bytes[100] = "";

    conf_stream(_i / SPELLINGS, ends);
    put_four(&ends[1]);
    ck_assert_int_eq(spellings[_i % SPELLINGS](ends[0], bytes, 2), 2);
    ck_assert_int_eq(spellings[_i % SPELLINGS](ends[0], bytes + 2, 90), 2);
    ck_assert_str_eq(bytes, "four");
    conf_close_both(ends);
}
END_TEST

START_TEST(of_a_nonblocking_fd_never_waits)
{
    int ends[2];
    char byte;

    conf_stream(_i / SPELLINGS, ends);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(spellings[_i % SPELLINGS](ends[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fcntl(ends[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    conf_close_both(ends);
}
END_TEST

START_TEST(leaves_the_file_flags_alone)
{
    int ends[2];
    char bytes[4];
    struct transfer transfer = { .function = spellings[_i % SPELLINGS],
                                 .bytes = bytes, .length = sizeof bytes };
    int flags;
    pthread_t reader;

    conf_stream(_i / SPELLINGS, ends);
    transfer.fd = ends[0];
    flags = fcntl(ends[0], F_GETFL);
    ck_assert_int_eq(flags & O_NONBLOCK, 0);
    reader = start_thread(receive, &transfer);
    sleep_ms(DELAY_MS);
    ck_assert_int_eq(fcntl(ends[0], F_GETFL), flags);
    put_four(&ends[1]);
    join_thread(reader);
    ck_assert_int_eq(fcntl(ends[0], F_GETFL), flags);
    conf_close_both(ends);
}
END_TEST

static void *send_large(void *fd)
{
    char *bytes = malloc(LARGE);

    CONF_CHECK(bytes != NULL);
    conf_fill(bytes, LARGE, 1);
    conf_write_all(*(int *)fd, bytes, LARGE);
    free(bytes);
    return NULL;
}

START_TEST(loses_nothing_of_a_large_stream)
{
    int ends[2];
    char *bytes = malloc(LARGE);
    size_t done = 0, step = 1;
    pthread_t writer;

    conf_stream(_i, ends);
    writer = start_thread(send_large, &ends[1]);
    while (done < LARGE) {
        size_t room = LARGE - done < step ? LARGE - done : step;
        ssize_t n = spellings[step % SPELLINGS](ends[0], bytes + done, room);

        ck_assert_int_gt(n, 0);
        done += (size_t)n;
        step = step * 3 % 9973;
    }
    join_thread(writer);
    ck_assert(conf_filled(bytes, LARGE, 1));
    free(bytes);
    conf_close_both(ends);
}
END_TEST

START_TEST(gives_each_byte_to_one_of_several_waiting_readers)
{
    enum { READERS = 8 };
    int ends[2];
    char bytes[READERS] = "";
    struct transfer transfers[READERS];
    pthread_t readers[READERS];
    unsigned seen = 0;

    conf_stream(_i, ends);
    for (int i = 0; i < READERS; i++) {
        transfers[i] = (struct transfer){ .fd = ends[0], .function = read,
                                          .bytes = &bytes[i], .length = 1 };
        readers[i] = start_thread(receive, &transfers[i]);
    }
    sleep_ms(DELAY_MS);
    for (char byte = 0; byte < READERS; byte++)
        conf_write_all(ends[1], &byte, 1);
    for (int i = 0; i < READERS; i++) {
        join_thread(readers[i]);
        ck_assert_int_eq(transfers[i].result, 1);
        seen |= 1U << bytes[i];
    }
    ck_assert_uint_eq(seen, (1U << READERS) - 1);
    conf_close_both(ends);
}
END_TEST

START_TEST(of_nothing_is_nothing)
{
    int ends[2];
    char byte;

    conf_stream(_i, ends);
    ck_assert_int_eq(read(ends[0], &byte, 0), 0);
    ck_assert_int_eq(readv(ends[0], NULL, 0), 0);
    conf_close_both(ends);
}
END_TEST

START_TEST(refuses_what_is_no_readable_fd)
{
    int ends[2], directory = open("/", O_RDONLY | O_DIRECTORY);
    read_function *function = spellings[_i];
    char bytes[2];

    conf_pipe(ends);
    ck_assert_int_eq(function(-1, bytes, 2), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(function(9999, bytes, 2), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(function(ends[1], bytes, 2), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(function(directory, bytes, 2), -1);
    ck_assert_int_eq(errno, EISDIR);
    conf_close_both(ends);
    close(directory);
}
END_TEST

START_TEST(to_a_bad_address_loses_no_data)
{
    int ends[2];
    char bytes[5] = "";

    conf_stream(_i / SPELLINGS, ends);
    put_four(&ends[1]);
    ck_assert_int_eq(
        spellings[_i % SPELLINGS](ends[0], conf_bad_address(), 4), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(read(ends[0], bytes, 4), 4);
    ck_assert_str_eq(bytes, "four");
    conf_close_both(ends);
}
END_TEST

START_TEST(to_a_bad_address_waits_and_then_fails)
{
    int ends[2];
    struct transfer transfer = { .function = read,
                                 .bytes = conf_bad_address(), .length = 4 };
    pthread_t writer;

    conf_stream(_i, ends);
    transfer.fd = ends[0];
    writer = start_later(DELAY_MS, put_four, &ends[1]);
    receive(&transfer);
    join_thread(writer);
    ck_assert_int_eq(transfer.result, -1);
    ck_assert_int_eq(transfer.error, EFAULT);
    conf_close_both(ends);
}
END_TEST

START_TEST(readv_refuses_bad_vectors)
{
    int ends[2];
    char bytes[4];
    struct iovec vector = { bytes, sizeof bytes };
    struct iovec huge = { bytes, (size_t)SSIZE_MAX + 1 };
    volatile int negative = -1, many = IOV_MAX + 1; /* gcc would object */

    conf_pipe(ends);
    put_four(&ends[1]);
    ck_assert_int_eq(readv(ends[0], &vector, negative), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(readv(ends[0], &vector, many), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(readv(ends[0], &huge, 1), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(readv(ends[0], conf_bad_address(), 1), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(readv(ends[0], &vector, 1), 4);
    conf_close_both(ends);
}
END_TEST

START_TEST(readv_fills_one_part_after_the_other)
{
    int ends[2];
    char one[2] = "", two[3] = "", three[8] = "";
    struct iovec parts[] = { { one, 1 }, { NULL, 0 }, { two, 2 },
                             { three, 7 } };

    conf_stream(_i, ends);
    put_four(&ends[1]);
    ck_assert_int_eq(readv(ends[0], parts, 4), 4);
    ck_assert_str_eq(one, "f");
    ck_assert_str_eq(two, "ou");
    ck_assert_str_eq(three, "r");
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    const int each = CONF_STREAMS * SPELLINGS;

    conf_test(tcase, waits_in_the_main_thread_for_another_to_write, each);
    conf_test(tcase, waits_in_a_thread_for_the_main_thread_to_write, each);
    conf_test(tcase, ends_with_zero_when_another_thread_closes_the_last_writer,
              CONF_PTY * SPELLINGS);
    conf_test(tcase, gives_what_is_there_without_waiting_for_more, each);
    conf_test(tcase, of_a_nonblocking_fd_never_waits, each);
    conf_test(tcase, leaves_the_file_flags_alone, each);
    conf_test(tcase, loses_nothing_of_a_large_stream, CONF_STREAMS);
    conf_test(tcase, gives_each_byte_to_one_of_several_waiting_readers,
              CONF_STREAMS);
    conf_test(tcase, of_nothing_is_nothing, CONF_PTY);
    conf_test(tcase, refuses_what_is_no_readable_fd, SPELLINGS);
    conf_test(tcase, to_a_bad_address_loses_no_data, CONF_PTY * SPELLINGS);
    conf_test(tcase, to_a_bad_address_waits_and_then_fails, CONF_PTY);
    conf_test(tcase, readv_refuses_bad_vectors, 1);
    conf_test(tcase, readv_fills_one_part_after_the_other, CONF_STREAMS);
}

int main(void)
{
    return conf_main("read", add, CONF_THREADS);
}
