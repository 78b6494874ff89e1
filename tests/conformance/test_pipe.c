/* Pipes: records, packets, sizes, the end of a reader */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DELAY_MS = 15 };

static volatile sig_atomic_t broken;

static void on_broken(int number)
{
    (void)number;
    broken++;
}

static void close_it(void *fd)
{
    CONF_CHECK(close(*(int *)fd) == 0);
}

static void fill(int fd)
{
    static char bytes[PIPE_BUF];

    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (write(fd, bytes, sizeof bytes) > 0)
        ;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
}

/* The signal goes to the thread that wrote, then comes the error. */
START_TEST(nobody_reads_any_more)
{
    struct sigaction action = { .sa_handler = on_broken }, before;
    int ends[2];
    pthread_t closer;

    conf_pipe(ends);
    broken = 0;
    ck_assert_int_eq(sigaction(SIGPIPE, &action, &before), 0);
    fill(ends[1]);
    closer = start_later(DELAY_MS, close_it, &ends[0]);
    ck_assert_int_eq(write(ends[1], "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(broken, 1);
    join_thread(closer);
    ck_assert_int_eq(write(ends[1], "x", 1), -1);
    ck_assert_int_eq(broken, 2);
    sigaction(SIGPIPE, &before, NULL);
    close(ends[1]);
}
END_TEST

struct reading {
    int fd, ms;
    size_t length;
};

static void take(void *argument)
{
    const struct reading *reading = argument;
    static char bytes[65536];

    conf_read_all(reading->fd, bytes, reading->length);
}

/* Up to PIPE_BUF goes whole or not at all: while less is free it waits. */
START_TEST(a_record_waits_for_room_for_all_of_it)
{
    char record[PIPE_BUF];
    int ends[2], there;
    struct reading one = { 0 };
    pthread_t reader;

    conf_pipe(ends);
    fill(ends[1]);
    memset(record, 'r', sizeof record);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(write(ends[1], record, sizeof record), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, 0), 0);
    one = (struct reading){ ends[0], 0, PIPE_BUF };
    reader = start_later(DELAY_MS, take, &one);
    ck_assert_int_eq(write(ends[1], record, sizeof record), PIPE_BUF);
    join_thread(reader);
    ck_assert_int_eq(ioctl(ends[0], FIONREAD, &there), 0);
    ck_assert_int_eq(there, fcntl(ends[0], F_GETPIPE_SZ));
    conf_close_both(ends);
}
END_TEST

static void put_packets(void *fd)
{
    conf_write_all(*(int *)fd, "first", 5);
    conf_write_all(*(int *)fd, "second", 6);
}

START_TEST(packets_stay_apart)
{
    int ends[2];
    char bytes[16];
    static char large[2 * PIPE_BUF + 10];
    pthread_t writer;

    ck_assert_int_eq(pipe2(ends, O_DIRECT), 0);
    writer = start_later(DELAY_MS, put_packets, &ends[1]);
    ck_assert_int_eq(read(ends[0], bytes, sizeof bytes), 5);
    ck_assert_int_eq(read(ends[0], bytes, 3), 3); /* the rest is dropped */
    join_thread(writer);
    ck_assert_int_eq(write(ends[1], large, sizeof large), sizeof large);
    ck_assert_int_eq(read(ends[0], large, sizeof large), PIPE_BUF);
    ck_assert_int_eq(read(ends[0], large, sizeof large), PIPE_BUF);
    ck_assert_int_eq(read(ends[0], large, sizeof large), 10);
    conf_close_both(ends);
}
END_TEST

START_TEST(a_size_can_be_set_while_a_writer_waits)
{
    int ends[2];
    struct reading some = { 0 };
    pthread_t reader;

    conf_pipe(ends);
    ck_assert_int_eq(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BUF), PIPE_BUF);
    fill(ends[1]);
    some = (struct reading){ ends[0], 0, 2 * PIPE_BUF };
    reader = start_later(DELAY_MS, take, &some);
    static char bytes[PIPE_BUF];
    ck_assert_int_eq(write(ends[1], bytes, sizeof bytes), sizeof bytes);
    join_thread(reader);
    ck_assert_int_eq(fcntl(ends[1], F_SETPIPE_SZ, 1 << 16), 1 << 16);
    ck_assert_int_eq(write(ends[1], bytes, sizeof bytes), sizeof bytes);
    ck_assert_int_eq(fcntl(ends[1], F_SETPIPE_SZ, 100), PIPE_BUF);
    conf_close_both(ends);
}
END_TEST

START_TEST(poll_leaves_negative_numbers_out)
{
    int ends[2];
    struct pollfd set[3];

    conf_pipe(ends);
    conf_write_all(ends[1], "x", 1);
    set[0] = (struct pollfd){ -1, POLLIN, 77 };
    set[1] = (struct pollfd){ ends[0], POLLIN, 0 };
    set[2] = (struct pollfd){ ~ends[0], POLLIN, 77 };
    ck_assert_int_eq(poll(set, 3, -1), 1);
    ck_assert_int_eq(set[0].revents, 0);
    ck_assert_int_eq(set[2].revents, 0);
    set[1].fd = -5;
    ck_assert_int_eq(poll(set, 3, DELAY_MS), 0);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, nobody_reads_any_more, 1);
    conf_test(tcase, a_record_waits_for_room_for_all_of_it, 1);
    conf_test(tcase, packets_stay_apart, 1);
    conf_test(tcase, a_size_can_be_set_while_a_writer_waits, 1);
    conf_test(tcase, poll_leaves_negative_numbers_out, 1);
}

int main(void)
{
    return conf_main("pipe", add, CONF_THREADS);
}
