/* Files through the pool, pipes, eventfds, timerfds. */
#include "../unit.h"
#include "hub/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define MS HUB_MILLISECOND
#define SOON (hub_now() + 10 * HUB_SECOND) /* does not hang */

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

START_TEST(a_file_is_written_and_read)
{
    char path[64], data[16] = "";
    struct stat status;
    int fd;

    snprintf(path, sizeof path, "/tmp/vireo-file-%d", (int)getpid());
    fd = hub_file_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(hub_file_write(fd, "hello world", 11), 11);
    ck_assert_int_eq(hub_file_pwrite(fd, "W", 1, 6), 1);
    ck_assert_int_eq(hub_file_sync(fd), 0);
    ck_assert_int_eq(hub_file_stat(fd, &status), 0);
    ck_assert_int_eq(status.st_size, 11);
    ck_assert_int_eq(hub_file_pread(fd, data, 5, 6), 5);
    ck_assert_str_eq(data, "World");
    ck_assert_int_eq(hub_file_read(fd, data, 5), 0); /* at the end */
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    ck_assert_int_eq(hub_file_read(fd, data, 5), 5);
    ck_assert_int_eq(hub_file_read(fd, data, sizeof data), 6);
    ck_assert_int_eq(hub_file_truncate(fd, 3), 0);
    ck_assert_int_eq(hub_file_pread(fd, data, 5, 0), 3);
    ck_assert_int_eq(hub_file_pread(fd, data, 5, 99), 0);
    ck_assert_int_eq(hub_file_close(fd), 0);
    unlink(path);
}
END_TEST

START_TEST(bad_calls_on_files_are_refused)
{
    char data[4];
    struct stat status;
    int fd = hub_file_open("/proc/self/exe", O_RDONLY, 0);

    ck_assert_int_eq(hub_file_open("/no/such/file", O_RDONLY, 0), -ENOENT);
    ck_assert_int_eq(hub_file_read(-1, data, 4), -EBADF);
    ck_assert_int_eq(hub_file_write(999, data, 4), -EBADF);
    ck_assert_int_eq(hub_file_write(fd, data, 4), -EBADF);
    ck_assert_int_eq(hub_file_pread(fd, data, 4, -1), -EINVAL);
    ck_assert_int_eq(hub_file_pwrite(fd, data, 4, -2), -EINVAL);
    ck_assert_int_eq(hub_file_read(fd, data, 0), 0);
    ck_assert_int_eq(hub_file_stat(-1, &status), -EBADF);
    ck_assert_int_eq(hub_file_sync(-1), -EBADF);
    ck_assert_int_eq(hub_file_truncate(fd, 0), -EINVAL);
    ck_assert_int_eq(hub_file_close(-1), -EBADF);
    ck_assert_int_eq(hub_file_close(fd), 0);
    ck_assert_int_eq(hub_wait_fd(fd, HUB_READ, SOON), -EBADF);
}
END_TEST

static int loop_rc;

static void opens_in_the_loop(void *arg)
{
    (void)arg;
    loop_rc = hub_file_open("/proc/self/exe", O_RDONLY, 0);
}

START_TEST(a_callback_of_the_loop_cannot_wait_for_a_file)
{
    ck_assert_ptr_nonnull(hub_call_soon(opens_in_the_loop, NULL));
    hub_yield();
    ck_assert_int_eq(loop_rc, -EDEADLK);
}
END_TEST

/* ---- pipes ---- */

static void writes_later(void *arg)
{
    hub_sleep(MS);
    ck_assert_int_eq(hub_nb_write(*(int *)arg, "p", 1, SOON), 1);
}

START_TEST(a_pipe_is_waited_for)
{
    int ends[2];
    struct greenlet *g;
    char byte;

    ck_assert_int_eq(hub_pipe(ends), 0);
    ck_assert_int_eq(hub_nb_read(ends[0], &byte, 1, HUB_NOWAIT), -EAGAIN);
    ck_assert_int_eq(hub_nb_read(ends[0], &byte, 1, hub_now() + MS),
                     -ETIMEDOUT);
    g = hub_spawn_raw(writes_later, &ends[1]);
    ck_assert_int_eq(hub_nb_read(ends[0], &byte, 1, SOON), 1);
    finish(g);
    hub_close(ends[1]);
    ck_assert_int_eq(hub_nb_read(ends[0], &byte, 1, SOON), 0);
    hub_close(ends[0]);
}
END_TEST

START_TEST(an_fd_that_would_block_is_refused)
{
    int ends[2];
    char byte;

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(hub_nb_read(ends[0], &byte, 1, SOON), -EINVAL);
    ck_assert_int_eq(hub_nb_write(ends[1], "x", 1, SOON), -EINVAL);
    ck_assert_int_eq(hub_fd_wrap(ends[0]), 0);
    ck_assert_int_eq(hub_fd_wrap(ends[1]), 0);
    ck_assert_int_eq(hub_nb_write(ends[1], "x", 1, SOON), 1);
    ck_assert_int_eq(hub_nb_read(ends[0], &byte, 1, SOON), 1);
    ck_assert_int_eq(hub_nb_read(-1, &byte, 1, SOON), -EBADF);
    ck_assert_int_eq(hub_nb_read(ends[1], &byte, 1, SOON), -EBADF);
    hub_close(ends[0]);
    hub_close(ends[1]);
}
END_TEST

START_TEST(a_full_pipe_holds_its_writer_back)
{
    static char data[1 << 20];
    int ends[2];
    ssize_t put = 0, more;

    ck_assert_int_eq(hub_pipe(ends), 0);
    while ((more = hub_nb_write(ends[1], data, sizeof data, HUB_NOWAIT)) > 0)
        put += more;
    ck_assert_int_eq(more, -EAGAIN);
    ck_assert_int_eq(hub_nb_write(ends[1], data, 1, hub_now() + MS),
                     -ETIMEDOUT);
    while (put > 0)
        put -= hub_nb_read(ends[0], data, sizeof data, SOON);
    ck_assert_int_eq(hub_nb_write(ends[1], data, 1, SOON), 1);
    hub_close(ends[0]);
    hub_close(ends[1]);
}
END_TEST

static void answers(void *arg)
{
    int *ends = arg;

    hub_sleep(2 * MS);
    ck_assert_int_eq(hub_tp_write(ends[1], "t", 1), 1);
}

/* A blocking pipe: the thread of the pool waits, not this one. */
START_TEST(a_thread_of_the_pool_reads_what_blocks)
{
    int ends[2];
    struct greenlet *g;
    char byte;

    ck_assert_int_eq(pipe(ends), 0);
    g = hub_spawn_raw(answers, ends);
    ck_assert_int_eq(hub_tp_read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 't');
    finish(g);
    ck_assert_int_eq(hub_tp_read(-1, &byte, 1), -EBADF);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* More than a pipe takes: once it is full the thread is in write() for certain. */
enum { MORE = 300000 };

struct writing {
    int ends[2];
    ssize_t rc;
    char *data;
};

static void writes_by_thread(void *arg)
{
    struct writing *w = arg;

    w->rc = hub_tp_write(w->ends[1], w->data, MORE);
}

static struct greenlet *begin_writing(struct writing *w)
{
    struct greenlet *g;
    int filled = 0;

    ck_assert_int_eq(pipe(w->ends), 0);
    w->rc = 1;
    w->data = malloc(MORE);
    memset(w->data, 'w', MORE);
    g = hub_spawn_raw(writes_by_thread, w);
    while (filled < fcntl(w->ends[1], F_GETPIPE_SZ)) {
        hub_sleep(MS);
        ck_assert_int_eq(ioctl(w->ends[0], FIONREAD, &filled), 0);
    }
    return g;
}

/* All that was to be written, whatever became of the memory that it was in. */
static void read_it_all(const struct writing *w)
{
    static char piece[4096];

    for (size_t got = 0; got < MORE;) {
        ssize_t n = read(w->ends[0], piece, sizeof piece);

        ck_assert_int_gt(n, 0);
        got += (size_t)n;
        for (ssize_t i = 0; i < n; i++)
            ck_assert_int_eq(piece[i], 'w');
    }
}

START_TEST(a_kill_ends_the_wait_for_a_thread_at_once)
{
    struct writing w;
    struct greenlet *g = begin_writing(&w);

    hub_kill(g);
    finish(g);
    ck_assert_int_eq(w.rc, -ECANCELED);
    memset(w.data, 'x', MORE);
    free(w.data);
    read_it_all(&w);
    hub_close(w.ends[1]); /* by the thread, if that has not come back yet */
    while (fcntl(w.ends[1], F_GETFD) >= 0)
        hub_sleep(MS);
    hub_close(w.ends[0]);
}
END_TEST

START_TEST(a_number_is_not_used_again_while_a_thread_writes_by_it)
{
    struct writing w;
    struct greenlet *g = begin_writing(&w);
    int other[2];

    ck_assert_int_eq(hub_close(w.ends[1]), 0);
    finish(g);
    free(w.data);
    ck_assert_int_eq(w.rc, -EBADF);
    ck_assert_int_eq(pipe(other), 0);
    ck_assert_int_ne(other[0], w.ends[1]);
    ck_assert_int_ne(other[1], w.ends[1]);
    read_it_all(&w);
    while (fcntl(w.ends[1], F_GETFD) >= 0)
        hub_sleep(MS);
    hub_close(w.ends[0]);
    close(other[0]);
    close(other[1]);
}
END_TEST

static void writes_when_killed(void *arg)
{
    int *fd_and_rc = arg;

    hub_sleep(HUB_FOREVER);
    fd_and_rc[1] = (int)hub_file_write(fd_and_rc[0], "x", 1);
    fd_and_rc[2] = hub_file_close(fd_and_rc[0]);
}

START_TEST(one_who_was_killed_writes_no_file_but_closes_it)
{
    char path[] = "/tmp/vireo-test-XXXXXX";
    int fd_and_rc[3] = {mkstemp(path), 1, 1};
    struct stat status;
    struct greenlet *g;

    ck_assert_int_ge(fd_and_rc[0], 0);
    g = hub_spawn_raw(writes_when_killed, fd_and_rc);
    hub_yield();
    hub_kill(g);
    finish(g);
    ck_assert_int_eq(fd_and_rc[1], -ECANCELED);
    while (fcntl(fd_and_rc[0], F_GETFD) >= 0)
        hub_sleep(MS);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_size, 0);
    unlink(path);
}
END_TEST

/* ---- counters ---- */

static void adds(void *arg)
{
    hub_sleep(MS);
    ck_assert_int_eq(hub_eventfd_write(*(int *)arg, 3, SOON), 0);
}

START_TEST(an_eventfd_counts)
{
    int fd = hub_eventfd(2, false);
    uint64_t value = 0;
    struct greenlet *g;

    ck_assert_int_eq(hub_eventfd_read(fd, &value, SOON), 0);
    ck_assert_uint_eq(value, 2);
    ck_assert_int_eq(hub_eventfd_read(fd, &value, HUB_NOWAIT), -EAGAIN);
    g = hub_spawn_raw(adds, &fd);
    ck_assert_int_eq(hub_eventfd_read(fd, &value, SOON), 0);
    ck_assert_uint_eq(value, 3);
    finish(g);
    ck_assert_int_eq(hub_eventfd_write(fd, UINT64_MAX, SOON), -EINVAL);
    ck_assert_int_eq(hub_eventfd_write(fd, UINT64_MAX - 1, SOON), 0);
    ck_assert_int_eq(hub_eventfd_write(fd, 1, hub_now() + MS), -ETIMEDOUT);
    hub_close(fd);
    fd = hub_eventfd(2, true);
    ck_assert_int_eq(hub_eventfd_read(fd, &value, SOON), 0);
    ck_assert_uint_eq(value, 1);
    hub_close(fd);
}
END_TEST

START_TEST(a_timerfd_expires)
{
    int fd = hub_timerfd(CLOCK_MONOTONIC);
    int64_t first = hub_now() + 2 * MS;
    uint64_t count = 0;

    ck_assert_int_eq(hub_timerfd_set(fd, -1, 0), -EINVAL);
    ck_assert_int_eq(hub_timerfd_set(fd, 0, -1), -EINVAL);
    ck_assert_int_eq(hub_timerfd_set(-1, 1, 0), -EBADF);
    ck_assert_int_eq(hub_timerfd_set(fd, first, MS), 0);
    ck_assert_int_eq(hub_timerfd_wait(fd, &count, SOON), 0);
    ck_assert_uint_ge(count, 1);
    ck_assert_int_ge(hub_now(), first);
    ck_assert_int_eq(hub_timerfd_wait(fd, NULL, SOON), 0);
    ck_assert_int_eq(hub_timerfd_set(fd, 0, 0), 0);
    ck_assert_int_eq(hub_timerfd_wait(fd, NULL, hub_now() + 2 * MS),
                     -ETIMEDOUT);
    hub_close(fd);
    ck_assert_int_eq(hub_timerfd(99), -EINVAL);
}
END_TEST

static bool stop;
static long turns;

static void counts(void *arg)
{
    (void)arg;
    while (!stop) {
        turns++;
        hub_yield();
    }
}

START_TEST(a_file_in_memory_does_not_starve_the_others)
{
    int fd = hub_file_open("/proc/self/exe", O_RDONLY, 0);
    struct greenlet *g;
    char data[64];

    ck_assert_int_eq(hub_file_pread(fd, data, sizeof data, 0), 64);
    stop = false;
    g = hub_spawn_raw(counts, NULL);
    hub_yield();
    turns = 0;
    for (int i = 0; i < 2000; i++)
        ck_assert_int_eq(hub_file_pread(fd, data, sizeof data, 0), 64);
    ck_assert_int_gt(turns, 20);
    stop = true;
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    hub_file_close(fd);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_yield();
    signal(SIGPIPE, SIG_IGN);
    tcase_add_test(tcase, a_file_is_written_and_read);
    tcase_add_test(tcase, bad_calls_on_files_are_refused);
    tcase_add_test(tcase, a_callback_of_the_loop_cannot_wait_for_a_file);
    tcase_add_test(tcase, a_pipe_is_waited_for);
    tcase_add_test(tcase, an_fd_that_would_block_is_refused);
    tcase_add_test(tcase, a_full_pipe_holds_its_writer_back);
    tcase_add_test(tcase, a_thread_of_the_pool_reads_what_blocks);
    tcase_add_test(tcase, a_kill_ends_the_wait_for_a_thread_at_once);
    tcase_add_test(tcase,
                   a_number_is_not_used_again_while_a_thread_writes_by_it);
    tcase_add_test(tcase, one_who_was_killed_writes_no_file_but_closes_it);
    tcase_add_test(tcase, an_eventfd_counts);
    tcase_add_test(tcase, a_timerfd_expires);
    tcase_add_test(tcase, a_file_in_memory_does_not_starve_the_others);
    return unit_run("file", tcase);
}
