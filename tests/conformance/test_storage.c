/* Calls that wait for storage, or that an administrator makes */
#include "conformance.h"

#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/swap.h>
#include <unistd.h>

START_TEST(what_is_written_is_kept)
{
    char dir[CONF_PATH], path[CONF_PATH + 8], *map;
    int file;

    conf_assert_mapped();
    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    conf_write_all(file, "text", 4);
    map = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    map[0] = 'n';
    errno = 38;
    ck_assert_int_eq(msync(map, 4, MS_SYNC), 0);
    ck_assert_int_eq(syncfs(file), 0);
    ck_assert_int_eq(readahead(file, 0, 4), 0);
    sync();
    ck_assert_int_eq(errno, 38);
    ck_assert_int_eq(munmap(map, 4), 0);
    close(file);
    unlink(path);
    rmdir(dir);
    ck_assert_int_eq(msync((void *)1, 4, MS_SYNC), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(syncfs(-1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(readahead(-1, 0, 4), -1);
    ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(an_administrator_is_told_what_is_wrong)
{
    conf_assert_mapped();
    ck_assert_int_eq(mount("none", "/no/such/folder", "tmpfs", 0, NULL), -1);
    ck_assert(errno == ENOENT || errno == EPERM);
    ck_assert_int_eq(umount("/no/such/folder"), -1);
    ck_assert(errno == ENOENT || errno == EPERM);
    ck_assert_int_eq(umount2("/no/such/folder", MNT_DETACH), -1);
    ck_assert(errno == ENOENT || errno == EPERM);
    ck_assert_int_eq(swapoff("/no/such/file"), -1);
    ck_assert(errno == ENOENT || errno == EPERM);
    ck_assert_int_eq(klogctl(77, NULL, 0), -1);
    ck_assert(errno == EINVAL || errno == EPERM);
    ck_assert_int_ge(personality(0xffffffff), 0);
}
END_TEST

static int ends[2];

static void write_bytes(void *unused)
{
    (void)unused;
    conf_write_all(ends[1], "bytes", 5);
}

START_TEST(the_other_spellings_of_aio_wait)
{
    char text[16];
    struct aiocb64 request = { .aio_buf = text, .aio_nbytes = sizeof text,
                               .aio_lio_opcode = LIO_READ };
    const struct aiocb64 *list[] = { &request };
    struct aiocb64 *same[] = { &request };
    pthread_t writer;

    conf_assert_mapped();
    conf_pipe(ends);
    request.aio_fildes = ends[0];
    request.aio_sigevent.sigev_notify = SIGEV_NONE;
    ck_assert_int_eq(aio_read64(&request), 0);
    writer = start_later(20, write_bytes, NULL);
    ck_assert_int_eq(aio_suspend64(list, 1, NULL), 0);
    ck_assert_int_eq(aio_return64(&request), 5);
    join_thread(writer);
    writer = start_later(20, write_bytes, NULL);
    ck_assert_int_eq(lio_listio64(LIO_WAIT, same, 1, NULL), 0);
    ck_assert_int_eq(aio_return64(&request), 5);
    join_thread(writer);
    conf_close_both(ends);
}
END_TEST

static void *ask_interval(void *unused)
{
    struct timespec interval = { -1, -1 };

    CONF_CHECK(sched_rr_get_interval(0, &interval) == 0);
    CONF_CHECK(interval.tv_sec >= 0 && interval.tv_nsec >= 0);
    CONF_CHECK(sched_rr_get_interval(gettid(), &interval) == 0);
    return unused;
}

START_TEST(a_thread_has_an_interval)
{
    struct timespec interval;

    join_thread(start_thread(ask_interval, NULL));
    errno = 0;
    ck_assert_int_eq(sched_rr_get_interval(-1, &interval), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, what_is_written_is_kept, 1);
    conf_test(tcase, an_administrator_is_told_what_is_wrong, 1);
    conf_test(tcase, the_other_spellings_of_aio_wait, 1);
    conf_test(tcase, a_thread_has_an_interval, 1);
}

int main(void)
{
    return conf_main("storage", add, CONF_THREADS);
}
