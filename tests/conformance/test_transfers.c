/* preadv2 and pwritev2 at the file's own offset, vmsplice, copy_file_range */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int ends[2];

static void write_word(void *unused)
{
    (void)unused;
    conf_write_all(ends[1], "word", 4);
}

START_TEST(preadv2_waits_at_the_own_offset)
{
    char first[2], second[8] = "";
    struct iovec vec[] = { { first, 2 }, { second, 7 } };
    pthread_t writer;

    conf_stream((enum conf_stream)_i, ends);
    writer = start_later(20, write_word, NULL);
    errno = 35;
    ck_assert_int_eq(preadv2(ends[0], vec, 2, -1, 0), 4);
    if (!conf_emulated()) /* qemu has no such call: libc tries another */
        ck_assert_int_eq(errno, 35);
    ck_assert_mem_eq(first, "wo", 2);
    ck_assert_str_eq(second, "rd");
    join_thread(writer);
    conf_close_both(ends);
}
END_TEST

enum { LARGE = 500000 };

static void *take_all(void *unused)
{
    char *bytes = malloc(LARGE);

    conf_read_all(ends[0], bytes, LARGE);
    CONF_CHECK(conf_filled(bytes, LARGE, 7));
    free(bytes);
    return unused;
}

START_TEST(pwritev2_writes_all_at_the_own_offset)
{
    char *bytes = malloc(LARGE);
    struct iovec vec[] = { { bytes, 1000 }, { bytes + 1000, LARGE - 1000 } };
    pthread_t reader;

    conf_stream(_i ? CONF_TCP : CONF_PIPE, ends);
    conf_fill(bytes, LARGE, 7);
    reader = start_thread(take_all, NULL);
    ck_assert_int_eq(pwritev2(ends[1], vec, 2, -1, 0), LARGE);
    join_thread(reader);
    free(bytes);
    conf_close_both(ends);
}
END_TEST

START_TEST(they_refuse)
{
    volatile int negative = -1;
    char byte;
    struct iovec vec = { &byte, 1 };

    conf_pipe(ends);
    errno = 0;
    ck_assert_int_eq(preadv2(-1, &vec, 1, -1, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(preadv2(ends[0], &vec, 1, 0, 0), -1);
    ck_assert_int_eq(errno, ESPIPE);
    ck_assert_int_eq(pwritev2(ends[1], &vec, 1, 0, 0), -1);
    ck_assert_int_eq(errno, ESPIPE);
    ck_assert_int_eq(pwritev2(ends[0], &vec, 1, -1, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(preadv2(ends[0], &vec, negative, -1, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    conf_close_both(ends);
}
END_TEST

/* Which flags there are the kernel knows, and it may know more of them. */
START_TEST(flags_of_streams_are_known_or_refused)
{
    char bytes[4];
    struct iovec vec = { bytes, 4 };
    pthread_t writer;

    if (conf_emulated()) {
        conf_skip("qemu has no such call");
        return;
    }
    conf_stream((enum conf_stream)_i, ends);
    ck_assert_int_eq(preadv2(ends[0], &vec, 1, -1, 0x40000000), -1);
    ck_assert_int_eq(errno, EOPNOTSUPP);
    ck_assert_int_eq(pwritev2(ends[1], &vec, 1, -1, 0x40000000), -1);
    ck_assert_int_eq(errno, EOPNOTSUPP);
    writer = start_later(20, write_word, NULL);
    ck_assert_int_eq(preadv2(ends[0], &vec, 1, -1, RWF_DSYNC), 4);
    ck_assert_mem_eq(bytes, "word", 4);
    join_thread(writer);
    conf_close_both(ends);
}
END_TEST

START_TEST(a_stream_is_written_whole_with_flags)
{
    char *bytes = malloc(LARGE);
    struct iovec vec[] = { { bytes, 1000 }, { bytes + 1000, LARGE - 1000 } };
    pthread_t reader;

    if (conf_emulated()) {
        conf_skip("qemu has no such call");
        free(bytes);
        return;
    }
    conf_stream(_i ? CONF_TCP : CONF_PIPE, ends);
    conf_fill(bytes, LARGE, 7);
    reader = start_thread(take_all, NULL);
    ck_assert_int_eq(pwritev2(ends[1], vec, 2, -1, RWF_DSYNC), LARGE);
    join_thread(reader);
    free(bytes);
    conf_close_both(ends);
}
END_TEST

static char dir[CONF_PATH], path[CONF_PATH + 8];

static int make_file(void)
{
    int file;

    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(file, 0);
    return file;
}

static void remove_file(int file)
{
    close(file);
    unlink(path);
    rmdir(dir);
}

START_TEST(files_have_both_offsets)
{
    char text[5] = "";
    struct iovec out = { (void *)"abcd", 4 }, in = { text, 4 };
    int file = make_file();

    ck_assert_int_eq(pwritev2(file, &out, 1, -1,
                              conf_emulated() ? 0 : RWF_DSYNC), 4);
    ck_assert_int_eq(lseek(file, 0, SEEK_CUR), 4);
    ck_assert_int_eq(pwritev2(file, &out, 1, 2, 0), 4);
    ck_assert_int_eq(lseek(file, 1, SEEK_SET), 1);
    ck_assert_int_eq(preadv2(file, &in, 1, -1, 0), 4);
    ck_assert_str_eq(text, "babc");
    ck_assert_int_eq(preadv2(file, &in, 1, 0, 0), 4);
    ck_assert_str_eq(text, "abab");
    if (!conf_emulated()) {
        ck_assert_int_eq(lseek(file, 1, SEEK_SET), 1);
        ck_assert_int_eq(preadv2(file, &in, 1, -1, RWF_HIPRI), 4);
        ck_assert_str_eq(text, "babc");
        ck_assert_int_eq(lseek(file, 0, SEEK_CUR), 5);
        ck_assert_int_eq(preadv2(file, &in, 1, 4, RWF_NOWAIT), 2);
        ck_assert_int_eq(preadv2(file, &in, 1, -2, 0), -1);
        ck_assert_int_eq(errno, EINVAL);
        ck_assert_int_eq(preadv2(file, &in, 1, 0, 0x40000000), -1);
        ck_assert_int_eq(errno, EOPNOTSUPP);
        ck_assert_int_eq(pwritev2(file, &out, 1, 0, RWF_APPEND), 4);
        ck_assert_int_eq(lseek(file, 0, SEEK_END), 10);
    }
    remove_file(file);
}
END_TEST

START_TEST(copy_file_range_copies_between_files)
{
    char text[5] = "";
    off_t at = 0, to = 4;
    int file = make_file();

    conf_write_all(file, "wxyz", 4);
    errno = 36;
    ck_assert_int_eq(copy_file_range(file, &at, file, &to, 4, 0), 4);
    ck_assert_int_eq(errno, 36);
    ck_assert_int_eq(at, 4);
    ck_assert_int_eq(to, 8);
    ck_assert_int_eq(pread(file, text, 4, 4), 4);
    ck_assert_str_eq(text, "wxyz");
    conf_pipe(ends);
    ck_assert_int_eq(copy_file_range(ends[0], NULL, file, NULL, 4, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    conf_close_both(ends);
    remove_file(file);
}
END_TEST

static size_t fill_pipe(void)
{
    size_t filled = 0;
    ssize_t n;

    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while ((n = write(ends[1], "pppp", 4)) > 0)
        filled += (size_t)n;
    fcntl(ends[1], F_SETFL, 0);
    return filled;
}

static void drain(void *size)
{
    size_t left = (size_t)(intptr_t)size;
    char bytes[4096];

    while (left > 0) {
        size_t n = left < sizeof bytes ? left : sizeof bytes;

        conf_read_all(ends[0], bytes, n);
        left -= n;
    }
}

START_TEST(vmsplice_waits_for_room)
{
    struct iovec vec = { (void *)"gift", 4 };
    pthread_t reader;
    size_t filled;
    char text[4];

    conf_pipe(ends);
    filled = fill_pipe();
    errno = 0;
    ck_assert_int_eq(vmsplice(ends[1], &vec, 1, SPLICE_F_NONBLOCK), -1);
    ck_assert_int_eq(errno, EAGAIN);
    reader = start_later(20, drain, (void *)(intptr_t)filled);
    ck_assert_int_eq(vmsplice(ends[1], &vec, 1, 0), 4);
    join_thread(reader);
    conf_read_all(ends[0], text, 4);
    ck_assert_mem_eq(text, "gift", 4);
    conf_close_both(ends);
}
END_TEST

START_TEST(vmsplice_waits_for_bytes)
{
    char text[5] = "";
    struct iovec vec = { text, 4 };
    pthread_t writer;

    conf_pipe(ends);
    writer = start_later(20, write_word, NULL);
    ck_assert_int_eq(vmsplice(ends[0], &vec, 1, 0), 4);
    ck_assert_str_eq(text, "word");
    join_thread(writer);
    errno = 0;
    ck_assert_int_eq(vmsplice(-1, &vec, 1, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, preadv2_waits_at_the_own_offset, CONF_STREAMS);
    conf_test(tcase, flags_of_streams_are_known_or_refused, CONF_STREAMS);
    conf_test(tcase, a_stream_is_written_whole_with_flags, 2);
    conf_test(tcase, pwritev2_writes_all_at_the_own_offset, 2);
    conf_test(tcase, they_refuse, 1);
    conf_test(tcase, files_have_both_offsets, 1);
    conf_test(tcase, copy_file_range_copies_between_files, 1);
    conf_test(tcase, vmsplice_waits_for_room, 1);
    conf_test(tcase, vmsplice_waits_for_bytes, 1);
}

int main(void)
{
    return conf_main("transfers", add, CONF_THREADS);
}
