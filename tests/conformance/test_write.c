/* write(2) and writev(2) on streams: a blocking write writes everything */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10, LARGE = 400 * 1024 };

static ssize_t by_writev(int fd, const void *buf, size_t len)
{
    char *bytes = (char *)(uintptr_t)buf;
    size_t third = len / 3;
    struct iovec parts[4] = { { bytes, third },
                              { NULL, 0 },
                              { bytes + third, third },
                              { bytes + 2 * third, len - 2 * third } };

    return writev(fd, parts, 4);
}

static ssize_t by_number(int fd, const void *buf, size_t len)
{
    return syscall(SYS_write, fd, buf, len);
}

typedef ssize_t write_function(int fd, const void *buf, size_t len);

static write_function *const spellings[] = { write, by_writev, by_number };
enum { SPELLINGS = 3 };

struct transfer {
    int fd;
    write_function *function;
    const void *bytes;
    size_t length;
    ssize_t result;
    int error;
};

static void *send_out(void *argument)
{
    struct transfer *transfer = argument;

    errno = SOME_ERRNO;
    transfer->result =
        transfer->function(transfer->fd, transfer->bytes, transfer->length);
    transfer->error = errno;
    return NULL;
}

/* Reads LARGE bytes of pattern 1 in small pieces. */
static void *take_large(void *fd)
{
    char *bytes = malloc(LARGE);

    CONF_CHECK(bytes != NULL);
    sleep_ms(DELAY_MS);
    for (size_t at = 0; at < LARGE;) {
        size_t step = LARGE - at < 5000 ? LARGE - at : 5000;
        ssize_t n = read(*(int *)fd, bytes + at, step);

        CONF_CHECK(n > 0);
        at += (size_t)n;
    }
    CONF_CHECK(conf_filled(bytes, LARGE, 1));
    free(bytes);
    return NULL;
}

START_TEST(writes_all_while_another_thread_reads)
{
    int ends[2];
    char *bytes = malloc(LARGE);
    struct transfer transfer = { .function = spellings[_i % SPELLINGS],
                                 .bytes = bytes, .length = LARGE };
    pthread_t reader;

    conf_stream(_i / SPELLINGS, ends);
    conf_fill(bytes, LARGE, 1);
    transfer.fd = ends[1];
    reader = start_thread(take_large, &ends[0]);
    send_out(&transfer);
    join_thread(reader);
    ck_assert_int_eq(transfer.result, LARGE);
    ck_assert_int_eq(transfer.error, SOME_ERRNO);
    free(bytes);
    conf_close_both(ends);
}
END_TEST

START_TEST(writes_all_from_a_thread_while_the_main_thread_reads)
{
    int ends[2];
    char *bytes = malloc(LARGE);
    struct transfer transfer = { .function = spellings[_i % SPELLINGS],
                                 .bytes = bytes, .length = LARGE };
    pthread_t writer;

    conf_stream(_i / SPELLINGS, ends);
    conf_fill(bytes, LARGE, 1);
    transfer.fd = ends[1];
    writer = start_thread(send_out, &transfer);
    take_large(&ends[0]);
    join_thread(writer);
    ck_assert_int_eq(transfer.result, LARGE);
    ck_assert_int_eq(transfer.error, SOME_ERRNO);
    free(bytes);
    conf_close_both(ends);
}
END_TEST

START_TEST(of_a_nonblocking_fd_writes_a_part_and_then_nothing)
{
    int ends[2];
    char *bytes = calloc(1, 32 * LARGE);
    write_function *function = spellings[_i % SPELLINGS];
    ssize_t n = 0, total = 0;

    conf_stream(_i / SPELLINGS, ends);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    n = function(ends[1], bytes, 32 * LARGE);
    ck_assert_int_gt(n, 0);
    ck_assert_int_lt(n, 32 * LARGE);
    while (n > 0 && total < 64 * LARGE) {
        total += n;
        n = function(ends[1], bytes, 32 * LARGE);
    }
    ck_assert_int_eq(n, -1);
    ck_assert_int_eq(errno, EAGAIN);
    free(bytes);
    conf_close_both(ends);
}
END_TEST

/* Fills a stream until no byte goes in, and leaves it blocking. */
static void fill_up(int fd)
{
    static const char block[4096];
    int flags = fcntl(fd, F_GETFL);

    ck_assert_int_eq(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
    while (write(fd, block, sizeof block) > 0)
        ;
    while (write(fd, block, 1) > 0)
        ;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fcntl(fd, F_SETFL, flags), 0);
}

static void close_it(void *fd)
{
    CONF_CHECK(close(*(int *)fd) == 0);
}

static volatile sig_atomic_t broken;

static void count_broken(int signal_number)
{
    (void)signal_number;
    broken++;
}

START_TEST(to_a_full_stream_ends_in_error_when_another_thread_closes_it)
{
    /* A unix socket tells that data was lost, and does not signal. */
    bool reset = _i / SPELLINGS == CONF_UNIX;
    int ends[2];
    struct transfer transfer = { .function = spellings[_i % SPELLINGS],
                                 .bytes = "x", .length = 1 };
    pthread_t closer;

    conf_stream(_i / SPELLINGS, ends);
    fill_up(ends[1]);
    transfer.fd = ends[1];
    broken = 0;
    signal(SIGPIPE, count_broken);
    closer = start_later(DELAY_MS, close_it, &ends[0]);
    send_out(&transfer);
    join_thread(closer);
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(transfer.result, -1);
    ck_assert_int_eq(transfer.error, reset ? ECONNRESET : EPIPE);
    ck_assert_int_eq(broken, reset ? 0 : 1);
    ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

static void take_some_and_close(void *fd)
{
    char bytes[1000];

    conf_read_all(*(int *)fd, bytes, sizeof bytes);
    sleep_ms(DELAY_MS);
    close_it(fd);
}

START_TEST(tells_how_much_it_wrote_before_the_reader_went)
{
    int ends[2];
    char *bytes = calloc(1, LARGE);
    struct transfer transfer = { .function = spellings[_i % SPELLINGS],
                                 .bytes = bytes, .length = LARGE };
    pthread_t closer;

    conf_stream(_i / SPELLINGS, ends);
    transfer.fd = ends[1];
    closer = start_later(DELAY_MS, take_some_and_close, &ends[0]);
    send_out(&transfer);
    join_thread(closer);
    ck_assert_int_ge(transfer.result, 1000);
    ck_assert_int_lt(transfer.result, LARGE);
    ck_assert_int_eq(write(ends[1], "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    free(bytes);
    ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

enum { WRITERS = 4, RECORDS = 40 };

static void *send_records(void *fd)
{
    static int next;
    char record[PIPE_BUF];

    memset(record, 'a' + __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % 26,
           sizeof record);
    for (int i = 0; i < RECORDS; i++)
        CONF_CHECK(write(*(int *)fd, record, sizeof record) ==
                   (ssize_t)sizeof record);
    return NULL;
}

START_TEST(of_a_record_to_a_pipe_is_not_cut_by_other_writers)
{
    int ends[2];
    char record[PIPE_BUF];
    pthread_t writers[WRITERS];

    conf_stream(_i, ends);
    for (int i = 0; i < WRITERS; i++)
        writers[i] = start_thread(send_records, &ends[1]);
    sleep_ms(DELAY_MS);
    for (int i = 0; i < WRITERS * RECORDS; i++) {
        conf_read_all(ends[0], record, sizeof record);
        ck_assert_mem_eq(record, record + 1, sizeof record - 1);
    }
    for (int i = 0; i < WRITERS; i++)
        join_thread(writers[i]);
    conf_close_both(ends);
}
END_TEST

START_TEST(of_nothing_is_nothing_even_when_full_or_broken)
{
    int ends[2];

    conf_stream(_i, ends);
    fill_up(ends[1]);
    ck_assert_int_eq(write(ends[1], "", 0), 0);
    ck_assert_int_eq(writev(ends[1], NULL, 0), 0);
    ck_assert_int_eq(close(ends[0]), 0);
    ck_assert_int_eq(write(ends[1], "", 0), 0);
    ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

START_TEST(refuses)
{
    int ends[2];
    write_function *function = spellings[_i];
    char byte = 'x', seen = 0;

    conf_pipe(ends);
    ck_assert_int_eq(function(-1, &byte, 1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(function(-1, &byte, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(function(ends[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(function(ends[1], conf_bad_address(), 100), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(function(ends[1], &byte, 1), 1);
    ck_assert_int_eq(read(ends[0], &seen, 1), 1);
    ck_assert_int_eq(seen, 'x');
    conf_close_both(ends);
}
END_TEST

START_TEST(from_a_bad_address_writes_nothing)
{
    int ends[2];
    char byte;

    conf_stream(_i / SPELLINGS, ends);
    ck_assert_int_eq(
        spellings[_i % SPELLINGS](ends[1], conf_bad_address(), 100), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(read(ends[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    conf_close_both(ends);
}
END_TEST

START_TEST(writev_refuses_bad_vectors)
{
    int ends[2];
    char bytes[4] = "abc";
    struct iovec vector = { bytes, 4 };
    struct iovec huge = { bytes, (size_t)SSIZE_MAX + 1 };
    volatile int negative = -1, many = IOV_MAX + 1; /* gcc would object */

    conf_pipe(ends);
    ck_assert_int_eq(writev(ends[1], &vector, negative), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(writev(ends[1], &vector, many), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(writev(ends[1], &huge, 1), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(writev(ends[1], conf_bad_address(), 1), -1);
    ck_assert_int_eq(errno, EFAULT);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    const int each = CONF_STREAMS * SPELLINGS;
    const int sockets_too = CONF_TCP * SPELLINGS;

    conf_test(tcase, writes_all_while_another_thread_reads, each);
    conf_test(tcase, writes_all_from_a_thread_while_the_main_thread_reads,
              each);
    conf_test(tcase, of_a_nonblocking_fd_writes_a_part_and_then_nothing, each);
    conf_test(tcase,
              to_a_full_stream_ends_in_error_when_another_thread_closes_it,
              sockets_too);
    conf_test(tcase, tells_how_much_it_wrote_before_the_reader_went,
              sockets_too);
    conf_test(tcase, of_a_record_to_a_pipe_is_not_cut_by_other_writers, 2);
    conf_test(tcase, of_nothing_is_nothing_even_when_full_or_broken, 2);
    conf_test(tcase, refuses, SPELLINGS);
    conf_test(tcase, from_a_bad_address_writes_nothing,
              CONF_PTY * SPELLINGS);
    conf_test(tcase, writev_refuses_bad_vectors, 1);
}

int main(void)
{
    return conf_main("write", add, CONF_THREADS);
}
