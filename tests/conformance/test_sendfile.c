/* sendfile, splice, tee, and the calls of eventfds */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 3000000 };

static char path[CONF_PATH + 8], dir[CONF_PATH];
static unsigned char bytes[SIZE], got[SIZE];
static int file, ends[2];

static void setup(void)
{
    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    conf_fill(bytes, SIZE, 3);
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    conf_write_all(file, bytes, SIZE);
    conf_tcp_pair(ends);
}

static void teardown(void)
{
    conf_close_both(ends);
    close(file);
    unlink(path);
    rmdir(dir);
}

static void *read_all(void *argument)
{
    sleep_ms(20); /* the socket is full by then */
    conf_read_all(ends[1], got, SIZE);
    return argument;
}

START_TEST(sendfile_ends_when_all_is_sent)
{
    pthread_t reader = start_thread(read_all, NULL);
    off_t at = 0;

    errno = 44;
    ck_assert_int_eq(sendfile(ends[0], file, &at, SIZE), SIZE);
    ck_assert_int_eq(errno, 44);
    ck_assert_int_eq(at, SIZE);
    join_thread(reader);
    ck_assert(conf_filled(got, SIZE, 3));
    ck_assert_int_eq(sendfile(ends[0], file, &at, 10), 0);
}
END_TEST

START_TEST(sendfile_does_not_wait_on_a_socket_that_must_not)
{
    off_t at = 0;
    ssize_t sent;

    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    do {
        sent = sendfile(ends[0], file, &at, SIZE);
        at = 0;
    } while (sent > 0);
    ck_assert_int_eq(sent, -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(sendfile_refuses)
{
    off_t at = -1;

    errno = 0;
    ck_assert_int_eq(sendfile(-1, file, NULL, 1), -1);
    ck_assert_int_eq(errno, EBADF);
    errno = 0;
    ck_assert_int_eq(sendfile(ends[0], -1, NULL, 1), -1);
    ck_assert_int_eq(errno, EBADF);
    errno = 0;
    ck_assert_int_eq(sendfile(ends[0], file, &at, 1), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(sendfile_copies_between_files)
{
    char copy[CONF_PATH + 8];
    int to;

    snprintf(copy, sizeof copy, "%s/copy", dir);
    to = open(copy, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(lseek(file, 0, SEEK_SET), 0);
    ck_assert_int_eq(sendfile(to, file, NULL, SIZE), SIZE);
    ck_assert_int_eq(lseek(file, 0, SEEK_CUR), SIZE);
    ck_assert_int_eq(lseek(to, 0, SEEK_SET), 0);
    conf_read_all(to, got, SIZE);
    ck_assert(conf_filled(got, SIZE, 3));
    close(to);
    unlink(copy);
}
END_TEST

static void say_late(void *fd)
{
    conf_write_all((int)(intptr_t)fd, "hello", 5);
}

START_TEST(splice_waits_for_what_is_to_come)
{
    int pipe_ends[2];
    pthread_t sender = start_later(20, say_late, (void *)(intptr_t)ends[1]);

    conf_pipe(pipe_ends);
    ck_assert_int_eq(splice(ends[0], NULL, pipe_ends[1], NULL, 100, 0), 5);
    conf_read_all(pipe_ends[0], got, 5);
    ck_assert_mem_eq(got, "hello", 5);
    join_thread(sender);
    errno = 0;
    ck_assert_int_eq(splice(pipe_ends[0], NULL, ends[0], NULL, 100,
                            SPLICE_F_NONBLOCK), -1);
    ck_assert_int_eq(errno, EAGAIN);
    conf_close_both(pipe_ends);
}
END_TEST

/* The kernel sees this before it waits for the bytes that do not come. */
START_TEST(splice_refuses_before_it_waits)
{
    int from[2], to[2];
    off_t at = 0;

    conf_pipe(from);
    conf_pipe(to);
    errno = 0;
    ck_assert_int_eq(splice(from[0], &at, to[1], NULL, 10, 0), -1);
    ck_assert_int_eq(errno, ESPIPE);
    errno = 0;
    ck_assert_int_eq(splice(ends[0], NULL, file, NULL, 10, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(tee(ends[0], to[1], 10, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(splice(from[0], NULL, to[1], NULL, 0, 0), 0);
    conf_close_both(from);
    conf_close_both(to);
}
END_TEST

START_TEST(tee_waits_and_takes_nothing_away)
{
    int from[2], to[2];
    pthread_t sender;

    conf_pipe(from);
    conf_pipe(to);
    sender = start_later(20, say_late, (void *)(intptr_t)from[1]);
    ck_assert_int_eq(tee(from[0], to[1], 100, 0), 5);
    conf_read_all(to[0], got, 5);
    conf_read_all(from[0], got + 5, 5);
    ck_assert_mem_eq(got, "hellohello", 10);
    join_thread(sender);
    conf_close_both(from);
    conf_close_both(to);
}
END_TEST

static int event;

static void post(void *unused)
{
    (void)unused;
    CONF_CHECK(eventfd_write(event, 3) == 0);
}

START_TEST(eventfd_read_waits_for_a_count)
{
    eventfd_t value = 0;
    pthread_t thread;

    event = eventfd(0, EFD_CLOEXEC);
    thread = start_later(20, post, NULL);
    ck_assert_int_eq(eventfd_read(event, &value), 0);
    ck_assert_uint_eq(value, 3);
    join_thread(thread);
    close(event);
}
END_TEST

static void drain(void *unused)
{
    eventfd_t value;

    (void)unused;
    CONF_CHECK(eventfd_read(event, &value) == 0 && value == 0xfffffffffffffffe);
}

START_TEST(eventfd_write_waits_for_room)
{
    eventfd_t value = 0;
    pthread_t thread;

    event = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_eq(eventfd_write(event, 0xfffffffffffffffe), 0);
    thread = start_later(20, drain, NULL);
    ck_assert_int_eq(eventfd_write(event, 9), 0);
    join_thread(thread);
    ck_assert_int_eq(eventfd_read(event, &value), 0);
    ck_assert_uint_eq(value, 9);
    close(event);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, sendfile_ends_when_all_is_sent, 1);
    conf_test(tcase, sendfile_does_not_wait_on_a_socket_that_must_not, 1);
    conf_test(tcase, sendfile_refuses, 1);
    conf_test(tcase, sendfile_copies_between_files, 1);
    conf_test(tcase, splice_waits_for_what_is_to_come, 1);
    conf_test(tcase, splice_refuses_before_it_waits, 1);
    conf_test(tcase, tee_waits_and_takes_nothing_away, 1);
    conf_test(tcase, eventfd_read_waits_for_a_count, 1);
    conf_test(tcase, eventfd_write_waits_for_room, 1);
}

int main(void)
{
    return conf_main("sendfile", add, CONF_THREADS);
}
