/* Files: what is read and written is whole, at the place that was meant,
 * whether it is in memory or not.  CTest runs it with each VIREO_FILES. */
#include "conformance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, LARGE = 3 << 20, PAGE = 4096 };

static char dir[CONF_PATH], path[CONF_PATH + 20];
static char *content, *got;
static volatile int minus_one = -1; /* which the compiler knows is wrong */

static void setup(void)
{
    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    content = malloc(LARGE);
    got = malloc(LARGE + PAGE);
    conf_fill(content, LARGE, 9);
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
    free(content);
    free(got);
}

static int make_file(void)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, LARGE), LARGE);
    ck_assert_int_eq(fsync(fd), 0);
    return fd;
}

/* From `from` on it is no longer in memory, where the file system lets go. */
static void forget_from(int fd, off_t from)
{
    ck_assert_int_eq(fdatasync(fd), 0);
    ck_assert_int_eq(posix_fadvise(fd, from, 0, POSIX_FADV_DONTNEED), 0);
}

static ssize_t by_read(int fd, size_t length)
{
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    return read(fd, got, length);
}

static ssize_t by_readv(int fd, size_t length)
{
    struct iovec parts[3] = { { got, 100 },
                              { got + 100, 0 },
                              { got + 100, length - 100 } };

    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    return readv(fd, parts, 3);
}

static ssize_t by_pread(int fd, size_t length)
{
    return pread(fd, got, length, 0);
}

static ssize_t by_preadv(int fd, size_t length)
{
    struct iovec parts[2] = { { got, 5000 }, { got + 5000, length - 5000 } };

    return preadv(fd, parts, 2, 0);
}

static ssize_t by_preadv2(int fd, size_t length)
{
    struct iovec part = { got, length };

    return preadv2(fd, &part, 1, 0, 0);
}

static ssize_t (*const readers[])(int, size_t) = { by_read, by_readv, by_pread,
                                                   by_preadv, by_preadv2 };
enum { READERS = 5 };

/* Nothing, a part, or all of it in memory. */
static const off_t places[] = { 0, 64 * 1024, LARGE / 2 };

START_TEST(a_read_gives_all_there_is)
{
    int fd = make_file();

    forget_from(fd, places[_i % 3]);
    errno = SOME_ERRNO;
    ck_assert_int_eq(readers[_i / 3](fd, LARGE), LARGE);
    if (readers[_i / 3] != by_preadv2 || !conf_emulated())
        ck_assert_int_eq(errno, SOME_ERRNO); /* qemu has no preadv2() */
    ck_assert_mem_eq(got, content, LARGE);
    close(fd);
}
END_TEST

START_TEST(a_read_ends_with_the_file)
{
    int fd = make_file();

    forget_from(fd, places[_i % 3]);
    ck_assert_int_eq(readers[_i / 3](fd, LARGE + PAGE), LARGE);
    ck_assert_mem_eq(got, content, LARGE);
    ck_assert_int_eq(pread(fd, got, PAGE, LARGE), 0);
    ck_assert_int_eq(pread(fd, got, PAGE, LARGE - 5), 5);
    ck_assert_int_eq(lseek(fd, LARGE + 10, SEEK_SET), LARGE + 10);
    ck_assert_int_eq(read(fd, got, PAGE), 0);
    close(fd);
}
END_TEST

START_TEST(a_write_lands_at_its_place)
{
    int fd = make_file();
    struct iovec parts[2] = { { (char *)"ab", 2 }, { (char *)"cd", 2 } };

    forget_from(fd, 0);
    errno = SOME_ERRNO;
    ck_assert_int_eq(pwrite(fd, "one", 3, 5000), 3);
    ck_assert_int_eq(pwritev(fd, parts, 2, 9000), 4);
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), LARGE);
    ck_assert_int_eq(pwrite(fd, "end", 3, LARGE + 100), 3);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_int_eq(pread(fd, got, 5, 4999), 5);
    ck_assert_int_eq(got[0], content[4999]);
    ck_assert_mem_eq(got + 1, "one", 3);
    ck_assert_int_eq(pread(fd, got, 4, 9000), 4);
    ck_assert_mem_eq(got, "abcd", 4);
    ck_assert_int_eq(pread(fd, got, 200, LARGE), 103);
    ck_assert_int_eq(got[0], 0);
    close(fd);
}
END_TEST

START_TEST(refuses)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600), ends[2];
    struct iovec part = { got, 8 };

    conf_pipe(ends);
    ck_assert_int_eq(pread(ends[0], got, 8, 0), -1);
    ck_assert_int_eq(errno, ESPIPE);
    ck_assert_int_eq(pwrite(ends[1], got, 8, 0), -1);
    ck_assert_int_eq(errno, ESPIPE);
    ck_assert_int_eq(pread(fd, got, 8, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(pread(fd, got, 8, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(preadv(-1, &part, 1, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(pwritev(fd, &part, minus_one, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(pwrite(fd, conf_bad_address(), 8, 0), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(pwrite(fd, NULL, 0, 0), 0);
    close(fd);
    fd = open(dir, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(read(fd, got, 8), -1);
    ck_assert_int_eq(errno, EISDIR);
    ck_assert_int_eq(pread(fd, got, 8, 0), -1);
    ck_assert_int_eq(errno, EISDIR);
    close(fd);
    conf_close_both(ends);
}
END_TEST

/* ---- several threads, and processes ---- */

enum { THREADS = 4, ROUNDS = 150, RECORD = 3000 };

static void *read_everywhere(void *argument)
{
    int fd = *(int *)argument;
    char bytes[PAGE];

    for (int i = 0; i < ROUNDS; i++) {
        off_t at = (off_t)(i * 7919 % (LARGE / PAGE)) * PAGE;

        if (i % 16 == 0)
            posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        CONF_CHECK(pread(fd, bytes, PAGE, at) == PAGE);
        CONF_CHECK(memcmp(bytes, content + at, PAGE) == 0);
    }
    return NULL;
}

START_TEST(threads_read_at_their_own_places)
{
    int fd = make_file();
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(read_everywhere, &fd);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    close(fd);
}
END_TEST

static void append(int fd, int who)
{
    char record[RECORD];

    memset(record, 'a' + who, sizeof record);
    for (int i = 0; i < ROUNDS; i++)
        CONF_CHECK(write(fd, record, RECORD) == RECORD);
}

struct appender {
    int fd, who;
};

static void *run_append(void *argument)
{
    const struct appender *appender = argument;

    append(appender->fd, appender->who);
    return NULL;
}

/* O_APPEND: nobody's record comes between the bytes of another. */
START_TEST(appended_records_stay_whole)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    struct appender appenders[3] = { { fd, 0 }, { fd, 1 }, { fd, 2 } };
    pthread_t threads[3];
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        conf_child_begin();
        append(fd, 3);
        _exit(0);
    }
    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(run_append, &appenders[i]);
    for (int i = 0; i < 3; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(conf_child_status(child), 0);
    for (int i = 0; i < 4 * ROUNDS; i++) {
        ck_assert_int_eq(pread(fd, got, RECORD, (off_t)i * RECORD), RECORD);
        ck_assert_mem_eq(got, got + 1, RECORD - 1); /* all bytes are the first */
    }
    close(fd);
}
END_TEST

/* ---- names ---- */

START_TEST(files_and_folders_by_name)
{
    char other[CONF_PATH + 20];
    struct stat st;
    struct dirent *entry;
    int fd = make_file(), seen = 0;
    DIR *folder;

    snprintf(other, sizeof other, "%s/other", dir);
    close(fd);
    errno = SOME_ERRNO;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, LARGE);
    ck_assert_int_eq(rename(path, other), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    folder = opendir(dir);
    while ((entry = readdir(folder)) != NULL)
        seen += entry->d_name[0] != '.';
    ck_assert_int_eq(seen, 2);
    closedir(folder);
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_int_eq(stat(path, &st), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(open(path, O_RDONLY), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(open(other, O_RDONLY | O_DIRECTORY), -1);
    ck_assert_int_eq(errno, ENOTDIR);
    ck_assert_int_eq(open(other, O_RDWR | O_CREAT | O_EXCL, 0600), -1);
    ck_assert_int_eq(errno, EEXIST);
    ck_assert_int_eq(truncate(other, 10), 0);
    ck_assert_int_eq(stat(other, &st), 0);
    ck_assert_int_eq(st.st_size, 10);
    ck_assert_int_eq(unlink(other), 0);
}
END_TEST

START_TEST(new_files_have_the_lowest_number_and_the_mode)
{
    struct stat st;
    mode_t mask = umask(027);
    int first = open("/dev/null", O_RDONLY), fd;

    close(first);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    ck_assert_int_eq(fd, first);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0640);
    umask(mask);
    close(fd);
}
END_TEST

START_TEST(a_file_without_a_name)
{
    FILE *file = _i == 0 ? tmpfile() : tmpfile64();
    char byte;

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(pwrite64(fileno(file), "x", 1, 7), 1);
    ck_assert_int_eq(pread64(fileno(file), &byte, 1, 7), 1);
    ck_assert_int_eq(byte, 'x');
    ck_assert_int_eq(fclose(file), 0);
}
END_TEST

static void *rest(void *unused)
{
    sleep_ms(300);
    return unused;
}

/* Another thread lives all the while, so that there is somebody to run. */
static pthread_t company;

static void begin(void)
{
    setup();
    company = start_thread(rest, NULL);
}

static void end(void)
{
    join_thread(company);
    teardown();
}

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, begin, end);
    conf_test(tcase, a_read_gives_all_there_is, READERS * 3);
    conf_test(tcase, a_read_ends_with_the_file, READERS * 3);
    conf_test(tcase, a_write_lands_at_its_place, 1);
    conf_test(tcase, refuses, 1);
    conf_test(tcase, threads_read_at_their_own_places, 1);
    conf_test(tcase, appended_records_stay_whole, 1);
    conf_test(tcase, files_and_folders_by_name, 1);
    conf_test(tcase, a_file_without_a_name, 2);
    conf_test(tcase, new_files_have_the_lowest_number_and_the_mode, 1);
}

int main(void)
{
    return conf_main("files", add, CONF_THREADS);
}
