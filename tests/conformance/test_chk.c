/* The fortified and the large-file spellings
 *
 * Programs built with _FORTIFY_SOURCE call __read_chk for read; programs built
 * with _FILE_OFFSET_BITS=64 call fcntl64 for fcntl.  The spellings of read,
 * recv and poll are also in the tables of their own programs. */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10 };

extern ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
extern ssize_t __pread_chk(int fd, void *buf, size_t len, off_t at,
                           size_t room);
extern ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t at,
                             size_t room);
extern ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room,
                          int flags);
extern long __fdelt_chk(long fd);
extern int __printf_chk(int flag, const char *format, ...);
extern int __fprintf_chk(FILE *file, int flag, const char *format, ...);
extern int __vfprintf_chk(FILE *file, int flag, const char *format,
                          va_list list);
extern int __dprintf_chk(int fd, int flag, const char *format, ...);
extern char *__fgets_chk(char *line, size_t room, int size, FILE *file);
extern size_t __fread_chk(void *buf, size_t room, size_t size, size_t count,
                          FILE *file);
extern int __open_2(const char *path, int flags);
extern int __open64_2(const char *path, int flags);

static void put_line(void *fd)
{
    conf_write_all(*(int *)fd, "line\n", 5);
}

START_TEST(read_chk_waits_like_read)
{
    int ends[2];
    char bytes[10] = "";
    pthread_t writer;

    conf_stream(_i, ends);
    writer = start_later(DELAY_MS, put_line, &ends[1]);
    errno = SOME_ERRNO;
    ck_assert_int_eq(__read_chk(ends[0], bytes, 9, 10), 5);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_str_eq(bytes, "line\n");
    join_thread(writer);
    conf_close_both(ends);
}
END_TEST

START_TEST(pread_in_all_spellings_reads_at_its_place)
{
    FILE *file = tmpfile();
    char bytes[4][4] = { "" };
    struct iovec part = { bytes[3], 3 };
    int fd = fileno(file);

    ck_assert_int_eq(pwrite64(fd, "0123456789", 10, 0), 10);
    ck_assert_int_eq(__pread_chk(fd, bytes[0], 3, 4, 4), 3);
    ck_assert_int_eq(__pread64_chk(fd, bytes[1], 3, 4, 4), 3);
    ck_assert_int_eq(pread64(fd, bytes[2], 3, 4), 3);
    ck_assert_int_eq(preadv64(fd, &part, 1, 4), 3);
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(bytes[i], "456");
    ck_assert_int_eq(lseek64(fd, 0, SEEK_CUR), 0);
    fclose(file);
}
END_TEST

START_TEST(fcntl64_is_fcntl)
{
    int ends[2];
    char byte;
    int twin;

    conf_pipe(ends);
    ck_assert_int_eq(fcntl64(ends[0], F_GETFL), O_RDONLY);
    ck_assert_int_eq(fcntl64(ends[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(fcntl(ends[0], F_GETFL), O_RDONLY | O_NONBLOCK);
    ck_assert_int_eq(read(ends[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fcntl64(ends[0], F_SETFD, FD_CLOEXEC), 0);
    ck_assert_int_eq(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
    twin = fcntl64(ends[0], F_DUPFD, 200);
    ck_assert_int_eq(twin, 200);
    ck_assert_int_eq(close(twin), 0);
    ck_assert_int_eq(fcntl64(-1, F_GETFL), -1);
    ck_assert_int_eq(errno, EBADF);
    conf_close_both(ends);
}
END_TEST

START_TEST(open_2_is_open)
{
    int one = __open_2("/dev/zero", O_RDONLY);
    int two = __open64_2("/dev/zero", O_RDONLY);
    char byte = 'x';

    ck_assert_int_ge(one, 0);
    ck_assert_int_eq(two, one + 1);
    ck_assert_int_eq(read(two, &byte, 1), 1);
    ck_assert_int_eq(byte, 0);
    close(one);
    close(two);
}
END_TEST

START_TEST(fgets_chk_and_fread_chk_wait_for_another_thread)
{
    int ends[2];
    char line[20] = "";
    FILE *file;
    pthread_t writer;

    conf_stream(_i, ends);
    file = fdopen(ends[0], "r");
    writer = start_later(DELAY_MS, put_line, &ends[1]);
    ck_assert_ptr_eq(__fgets_chk(line, sizeof line, 19, file), line);
    ck_assert_str_eq(line, "line\n");
    join_thread(writer);
    writer = start_later(DELAY_MS, put_line, &ends[1]);
    ck_assert_uint_eq(__fread_chk(line, sizeof line, 1, 4, file), 4);
    join_thread(writer);
    close(ends[1]);
    fclose(file);
}
END_TEST

static int by_list(FILE *file, const char *format, ...)
{
    va_list list;
    int length;

    va_start(list, format);
    length = __vfprintf_chk(file, 1, format, list);
    va_end(list);
    return length;
}

START_TEST(fprintf_chk_prints)
{
    int ends[2];
    char text[30] = "";
    FILE *file;

    conf_pipe(ends);
    file = fdopen(ends[1], "w");
    ck_assert_int_eq(__fprintf_chk(file, 1, "%d ", 12), 3);
    ck_assert_int_eq(by_list(file, "%s ", "ab"), 3);
    ck_assert_int_eq(fflush(file), 0);
    ck_assert_int_eq(__dprintf_chk(ends[1], 1, "%c", '!'), 1);
    ck_assert_int_eq(__printf_chk(1, "%s", ""), 0);
    ck_assert_int_eq(read(ends[0], text, 29), 7);
    ck_assert_str_eq(text, "12 ab !");
    fclose(file);
    close(ends[0]);
}
END_TEST

/* What is asked for does not fit: the program is stopped before it waits. */
static void overrun(int which)
{
    char bytes[4];
    int ends[2];
    volatile size_t much = 5;

    CONF_CHECK(pipe(ends) == 0);
    signal(SIGABRT, SIG_DFL);
    CONF_CHECK(dup2(open("/dev/null", O_WRONLY), 2) == 2);
    if (which == 0)
        _exit(__read_chk(ends[0], bytes, much, sizeof bytes) == 0);
    else if (which == 1)
        _exit(__recv_chk(ends[0], bytes, much, sizeof bytes, 0) == 0);
    _exit(__fdelt_chk(FD_SETSIZE) == 0);
}

START_TEST(stops_a_program_that_overruns)
{
    pid_t child = fork();

    if (child == 0) {
        conf_child_begin();
        overrun(_i);
    }
    ck_assert_int_eq(conf_child_status(child), 128 + SIGABRT);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, read_chk_waits_like_read, CONF_STREAMS);
    conf_test(tcase, pread_in_all_spellings_reads_at_its_place, 1);
    conf_test(tcase, fcntl64_is_fcntl, 1);
    conf_test(tcase, open_2_is_open, 1);
    conf_test(tcase, fgets_chk_and_fread_chk_wait_for_another_thread,
              CONF_STREAMS);
    conf_test(tcase, fprintf_chk_prints, 1);
    conf_test(tcase, stops_a_program_that_overruns, 3);
}

int main(void)
{
    return conf_main("chk", add, CONF_THREADS);
}
