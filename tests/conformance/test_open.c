/* open, openat, creat, fopen: fifos wait for their other end */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int __open_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);

static char dir[CONF_PATH], path[CONF_PATH + 8];

static void setup(void)
{
    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/name", dir);
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
}

static int open_by(int way, int flags)
{
    switch (way) {
    case 0: return open(path, flags);
    case 1: return openat(AT_FDCWD, path, flags);
    case 2: return __open_2(path, flags);
    case 3: return __openat_2(AT_FDCWD, path, flags);
    case 4: return open64(path, flags);
    default: return openat64(AT_FDCWD, path, flags);
    }
}

static void *read_word(void *way)
{
    char word[4];
    int fd = open_by((int)(intptr_t)way, O_RDONLY | O_CLOEXEC);

    CONF_CHECK(fd >= 0);
    conf_read_all(fd, word, 4);
    CONF_CHECK(close(fd) == 0);
    return NULL;
}

/* Both ends in one program: neither may keep the other from running. */
START_TEST(the_ends_of_a_fifo_wait_for_each_other)
{
    pthread_t reader;
    int fd;

    ck_assert_int_eq(mkfifo(path, 0600), 0);
    reader = start_thread(read_word, (void *)(intptr_t)_i);
    sleep_ms(10);
    errno = 66;
    fd = open_by(_i, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(errno, 66);
    conf_write_all(fd, "word", 4);
    close(fd);
    join_thread(reader);
}
END_TEST

static void *write_by_file(void *unused)
{
    FILE *file = fopen(path, "we");

    CONF_CHECK(file != NULL);
    CONF_CHECK(fputs("line\n", file) >= 0);
    CONF_CHECK(fclose(file) == 0);
    return unused;
}

START_TEST(so_do_files_of_stdio)
{
    pthread_t writer;
    char line[20];
    FILE *file;

    ck_assert_int_eq(mkfifo(path, 0600), 0);
    writer = start_thread(write_by_file, NULL);
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    ck_assert_str_eq(line, "line\n");
    fclose(file);
    join_thread(writer);
}
END_TEST

START_TEST(a_fifo_need_not_wait)
{
    int fd;

    ck_assert_int_eq(mkfifo(path, 0600), 0);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    close(fd);
    errno = 0;
    ck_assert_int_eq(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
    ck_assert_int_eq(errno, ENXIO);
    fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    close(fd);
}
END_TEST

START_TEST(files_get_the_mode_asked_for)
{
    mode_t mask = umask(0);
    struct stat st;
    int fd;

    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0640);
    close(fd);
    errno = 0;
    ck_assert_int_eq(open(path, O_WRONLY | O_CREAT | O_EXCL, 0640), -1);
    ck_assert_int_eq(errno, EEXIST);
    unlink(path);
    fd = creat(path, 0604);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0604);
    close(fd);
    unlink(path);
    fd = openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    umask(mask);
}
END_TEST

START_TEST(refuses)
{
    errno = 0;
    ck_assert_int_eq(open(path, O_RDONLY), -1);
    ck_assert_int_eq(errno, ENOENT);
    errno = 0;
    ck_assert_int_eq(open(conf_bad_address(), O_RDONLY), -1);
    ck_assert_int_eq(errno, EFAULT);
    errno = 0;
    ck_assert_int_eq(openat(-5, "name", O_RDONLY), -1);
    ck_assert_int_eq(errno, EBADF);
    errno = 0;
    ck_assert_ptr_null(fopen(path, "r"));
    ck_assert_int_eq(errno, ENOENT);
    errno = 0;
    ck_assert_ptr_null(fopen(path, "x"));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, the_ends_of_a_fifo_wait_for_each_other, 6);
    conf_test(tcase, so_do_files_of_stdio, 1);
    conf_test(tcase, a_fifo_need_not_wait, 1);
    conf_test(tcase, files_get_the_mode_asked_for, 1);
    conf_test(tcase, refuses, 1);
}

int main(void)
{
    return conf_main("open", add, CONF_THREADS);
}
