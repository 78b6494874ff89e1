/* No space on the device, and files that may not grow: ENOSPC, EFBIG with
 * SIGXFSZ to the thread that wrote, what fitted is written, others go on */
#include "conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define LIMIT 10000

static volatile int ticks, stop_ticking;

/* Another thread, which must go on whatever the first one does. */
static void *tick(void *argument)
{
    while (!stop_ticking) {
        ticks++;
        sleep_ms(1);
    }
    return argument;
}

static pthread_t others;

static void begin(void)
{
    ticks = stop_ticking = 0;
    others = start_thread(tick, NULL);
}

static void end(void)
{
    int then = ticks;

    while (ticks < then + 2)
        sleep_ms(1);
    stop_ticking = 1;
    join_thread(others);
}

START_TEST(a_full_device)
{
    char block[8192] = {0};
    struct iovec two[2] = {{block, 4096}, {block, 4096}};
    int full = open("/dev/full", O_WRONLY);
    FILE *stream = fopen("/dev/full", "w");

    ck_assert_int_ge(full, 0);
    ck_assert_ptr_nonnull(stream);
    begin();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(write(full, block, sizeof block), -1);
        ck_assert_int_eq(errno, ENOSPC);
        ck_assert_int_eq(writev(full, two, 2), -1);
        ck_assert_int_eq(errno, ENOSPC);
        ck_assert_int_eq(pwrite(full, block, 10, 0), -1);
        ck_assert_int_eq(errno, ENOSPC);
        ck_assert_int_eq(dprintf(full, "x"), -1);
        ck_assert_int_eq(errno, ENOSPC);
    }
    ck_assert_int_eq(fputs("kept in the buffer", stream), 1);
    ck_assert_int_eq(fflush(stream), EOF);
    ck_assert_int_eq(errno, ENOSPC);
    ck_assert(ferror(stream) != 0);
    ck_assert_uint_lt(fwrite(block, 1, sizeof block, stream), sizeof block);
    fclose(stream); /* nothing is left to be written, or it fails again */
    end();
    close(full);
}
END_TEST

/* ---- RLIMIT_FSIZE ---- */

static char folder[CONF_PATH], name[CONF_PATH + 8];
static volatile int signals;
static pthread_t signalled;
static struct rlimit before;

static void on_signal(int number)
{
    CONF_CHECK(number == SIGXFSZ);
    signals++;
    signalled = pthread_self();
}

static int open_limited(void)
{
    struct rlimit low;
    int fd;

    conf_make_dir(folder);
    snprintf(name, sizeof name, "%s/file", folder);
    fd = open(name, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = LIMIT;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &low), 0);
    signals = 0;
    return fd;
}

static void close_limited(int fd)
{
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    close(fd);
    unlink(name);
    rmdir(folder);
}

static void *write_beyond(void *argument)
{
    char block[4000] = {1};
    int fd = *(int *)argument;

    CONF_CHECK(write(fd, block, sizeof block) == sizeof block);
    CONF_CHECK(write(fd, block, sizeof block) == sizeof block);
    CONF_CHECK(write(fd, block, sizeof block) == LIMIT - 8000); /* a part */
    CONF_CHECK(signals == 0);
    errno = 0;
    CONF_CHECK(write(fd, block, sizeof block) == -1 && errno == EFBIG);
    CONF_CHECK(signals == 1 && pthread_equal(signalled, pthread_self()));
    errno = 0;
    CONF_CHECK(pwrite(fd, block, 1, LIMIT) == -1 && errno == EFBIG);
    CONF_CHECK(signals == 2);
    errno = 0;
    CONF_CHECK(ftruncate(fd, LIMIT + 1) == -1 && errno == EFBIG);
    CONF_CHECK(signals == 3 && pthread_equal(signalled, pthread_self()));
    return NULL;
}

START_TEST(a_file_that_may_not_grow)
{
    struct sigaction handler = {.sa_handler = on_signal}, old;
    int fd = open_limited();

    ck_assert_int_eq(sigaction(SIGXFSZ, &handler, &old), 0);
    begin();
    join_thread(start_thread(write_beyond, &fd));
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), LIMIT);
    end();
    ck_assert_int_eq(sigaction(SIGXFSZ, &old, NULL), 0);
    close_limited(fd);
}
END_TEST

static void *write_ignored(void *argument)
{
    char block[LIMIT + 1] = {1};
    int fd = *(int *)argument;

    CONF_CHECK(pwrite(fd, block, sizeof block, 0) == LIMIT);
    errno = 0;
    CONF_CHECK(pwrite(fd, block, 1, LIMIT) == -1 && errno == EFBIG);
    return NULL;
}

START_TEST(the_signal_may_be_ignored)
{
    struct sigaction ignored = {.sa_handler = SIG_IGN}, old;
    int fd = open_limited();

    ck_assert_int_eq(sigaction(SIGXFSZ, &ignored, &old), 0);
    join_thread(start_thread(write_ignored, &fd));
    ck_assert_int_eq(sigaction(SIGXFSZ, &old, NULL), 0);
    close_limited(fd);
}
END_TEST

static void write_until_killed(void)
{
    struct rlimit low = {LIMIT, LIMIT}, no_core = {0, 0};
    char path[] = "/tmp/conf-XXXXXX";
    int fd = mkstemp(path);

    CONF_CHECK(fd >= 0 && unlink(path) == 0);
    setrlimit(RLIMIT_CORE, &no_core);
    CONF_CHECK(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
    CONF_CHECK(setrlimit(RLIMIT_FSIZE, &low) == 0);
    join_thread(start_thread(write_ignored, &fd));
}

START_TEST(else_it_ends_the_process)
{
    ck_assert_int_eq(run_child(write_until_killed), 128 + SIGXFSZ);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_full_device, 1);
    conf_test(tcase, a_file_that_may_not_grow, 1);
    conf_test(tcase, the_signal_may_be_ignored, 1);
    conf_test(tcase, else_it_ends_the_process, 1);
}

int main(void)
{
    return conf_main("no_space", add, CONF_THREADS);
}
