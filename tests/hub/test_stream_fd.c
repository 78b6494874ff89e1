/* Streams over all kinds of files: what each of them can. */
#include "../unit.h"
#include "hub/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS HUB_MILLISECOND
#define SOON (hub_now() + 10 * HUB_SECOND) /* does not hang */

static char data[16];

static struct hub_stream *over(int fd)
{
    struct hub_stream *stream = NULL;

    ck_assert_int_eq(hub_stream_of_fd(fd, &stream), 0);
    ck_assert_int_eq(hub_stream_fd(stream), fd);
    return stream;
}

START_TEST(a_directory_is_not_read)
{
    struct hub_stream *stream = over(open("/", O_RDONLY | O_DIRECTORY));

    ck_assert_int_eq(hub_stream_read(stream, data, 10, SOON), -EISDIR);
    ck_assert_int_eq(hub_stream_close(stream, SOON), 0);
}
END_TEST

START_TEST(devices_that_are_always_ready_are_not_waited_for)
{
    struct hub_stream *stream = over(open("/dev/zero", O_RDWR));

    memset(data, 'x', sizeof data);
    ck_assert_int_eq(hub_stream_read_exactly(stream, data, 10, SOON), 0);
    ck_assert_int_eq(data[9], 0);
    ck_assert_int_eq(hub_stream_write(stream, "x", 1, SOON), 0);
    ck_assert_int_eq(hub_stream_close(stream, SOON), 0);
    stream = over(open("/dev/null", O_RDONLY));
    ck_assert_int_eq(hub_stream_read(stream, data, 10, SOON), 0);
    ck_assert_int_eq(hub_stream_close(stream, SOON), 0);
}
END_TEST

START_TEST(a_device_that_is_full_says_so_when_it_is_flushed_or_closed)
{
    struct hub_stream *stream = over(open("/dev/full", O_RDWR));

    ck_assert_int_eq(hub_stream_write(stream, "x", 1, SOON), 0);
    ck_assert_int_eq(hub_stream_flush(stream, SOON), -ENOSPC);
    ck_assert_uint_eq(hub_stream_unsent(stream), 1);
    ck_assert_int_eq(hub_stream_close(stream, SOON), -ENOSPC);
}
END_TEST

START_TEST(a_terminal_is_waited_for)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    struct hub_stream *stream;

    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    stream = over(open(ptsname(master), O_RDWR | O_NOCTTY));
    ck_assert_int_eq(hub_stream_read_line(stream, data, 16, hub_now() + MS),
                     -ETIMEDOUT);
    ck_assert_int_eq(write(master, "line\n", 5), 5);
    ck_assert_int_eq(hub_stream_read_line(stream, data, 16, SOON), 5);
    ck_assert_str_eq(data, "line\n");
    ck_assert_int_eq(hub_stream_end(stream, SOON), -EOPNOTSUPP);
    ck_assert_int_eq(hub_stream_close(stream, SOON), 0);
    close(master);
}
END_TEST

START_TEST(a_fifo_is_waited_for_to_its_end)
{
    char path[] = "/tmp/vireo-fifo.XXXXXX";
    struct hub_stream *in, *out;

    ck_assert_int_eq(close(mkstemp(path)), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    in = over(open(path, O_RDONLY | O_NONBLOCK));
    out = over(open(path, O_WRONLY | O_NONBLOCK));
    unlink(path);
    ck_assert_int_eq(hub_stream_read(in, data, 16, hub_now() + MS),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_stream_write(out, "abc", 3, SOON), 0);
    ck_assert_int_eq(hub_stream_close(out, SOON), 0);
    ck_assert_int_eq(hub_stream_read(in, data, 16, SOON), 3);
    ck_assert_int_eq(hub_stream_read(in, data, 16, SOON), 0);
    ck_assert_int_eq(hub_stream_close(in, SOON), 0);
}
END_TEST

START_TEST(what_is_no_descriptor_is_refused)
{
    struct hub_stream *stream;

    ck_assert_int_eq(hub_stream_of_fd(-1, &stream), -EBADF);
    ck_assert_int_eq(hub_stream_of_fd(999, &stream), -EBADF);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_yield();
    tcase_add_test(tcase, a_directory_is_not_read);
    tcase_add_test(tcase, devices_that_are_always_ready_are_not_waited_for);
    tcase_add_test(tcase,
                   a_device_that_is_full_says_so_when_it_is_flushed_or_closed);
    tcase_add_test(tcase, a_terminal_is_waited_for);
    tcase_add_test(tcase, a_fifo_is_waited_for_to_its_end);
    tcase_add_test(tcase, what_is_no_descriptor_is_refused);
    return unit_run("stream_fd", tcase);
}
