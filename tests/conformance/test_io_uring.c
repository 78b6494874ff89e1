/* Rings, and the kernel's AIO: whoever waits for what is complete keeps nobody
 * from going on, and requests live on when the wait is over */
#include "conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#if defined(HAVE_LIBURING)
#include <liburing.h>

static struct io_uring ring;
static int ends[2], more[2];
static char bytes[2][8];

static bool have_rings(void)
{
    int rc = io_uring_queue_init(8, &ring, 0);

    if (rc < 0)
        conf_skip(rc == -ENOSYS ? "this kernel has no io_uring"
                                : "io_uring is forbidden here");
    return rc == 0;
}

static void begin(void)
{
    conf_pipe(ends);
    conf_pipe(more);
    memset(bytes, 0, sizeof bytes);
}

static void end(void)
{
    io_uring_queue_exit(&ring);
    conf_close_both(ends);
    conf_close_both(more);
}

/* Read from a pipe that another thread will write to. */
static void ask(int fd, int which)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    ck_assert_ptr_nonnull(sqe);
    io_uring_prep_read(sqe, fd, bytes[which], sizeof bytes[which], 0);
    io_uring_sqe_set_data(sqe, bytes[which]);
}

static void write_one(void *fd)
{
    conf_write_all(*(int *)fd, "abc", 3);
}

static void write_both(void *unused)
{
    write_one(&ends[1]);
    sleep_ms(10);
    write_one(&more[1]);
    (void)unused;
}

static void seen(struct io_uring_cqe *cqe, int which)
{
    ck_assert_ptr_nonnull(cqe);
    ck_assert_int_eq(cqe->res, 3);
    ck_assert_ptr_eq(io_uring_cqe_get_data(cqe), bytes[which]);
    ck_assert_mem_eq(bytes[which], "abc", 3);
    io_uring_cqe_seen(&ring, cqe);
}

/* The ways to wait for one: each is to end when another thread has written. */
static int by_wait_cqe(struct io_uring_cqe **cqe)
{
    ck_assert_int_eq(io_uring_submit(&ring), 1);
    return io_uring_wait_cqe(&ring, cqe);
}

static int by_wait_cqes(struct io_uring_cqe **cqe)
{
    ck_assert_int_eq(io_uring_submit(&ring), 1);
    return io_uring_wait_cqes(&ring, cqe, 1, NULL, NULL);
}

static int by_timeout(struct io_uring_cqe **cqe)
{
    struct __kernel_timespec long_time = { 50, 0 };

    ck_assert_int_eq(io_uring_submit(&ring), 1);
    return io_uring_wait_cqe_timeout(&ring, cqe, &long_time);
}

static int by_submit_and_wait(struct io_uring_cqe **cqe)
{
    ck_assert_int_eq(io_uring_submit_and_wait(&ring, 1), 1);
    return io_uring_peek_cqe(&ring, cqe);
}

static int by_submit_and_wait_timeout(struct io_uring_cqe **cqe)
{
    struct __kernel_timespec long_time = { 50, 0 };
    int rc = io_uring_submit_and_wait_timeout(&ring, cqe, 1, &long_time, NULL);

    ck_assert_int_eq(rc, 1);
    return 0;
}

static int by_enter(struct io_uring_cqe **cqe)
{
    ck_assert_int_eq(io_uring_submit(&ring), 1);
    ck_assert_int_eq(io_uring_enter(ring.ring_fd, 0, 1, IORING_ENTER_GETEVENTS,
                                    NULL),
                     0);
    return io_uring_peek_cqe(&ring, cqe);
}

static int by_enter2(struct io_uring_cqe **cqe)
{
    ck_assert_int_eq(io_uring_submit(&ring), 1);
    ck_assert_int_eq(io_uring_enter2(ring.ring_fd, 0, 1,
                                     IORING_ENTER_GETEVENTS, NULL, 0),
                     0);
    return io_uring_peek_cqe(&ring, cqe);
}

static int by_get_cqe(struct io_uring_cqe **cqe)
{
    ck_assert_int_eq(io_uring_submit(&ring), 1);
    return __io_uring_get_cqe(&ring, cqe, 0, 1, NULL);
}

static int by_syscall(struct io_uring_cqe **cqe)
{
    ck_assert_int_eq(io_uring_submit(&ring), 1);
    ck_assert_int_eq(syscall(SYS_io_uring_enter, ring.ring_fd, 0, 1,
                             IORING_ENTER_GETEVENTS, NULL, 0),
                     0);
    return io_uring_peek_cqe(&ring, cqe);
}

typedef int wait_for_one(struct io_uring_cqe **cqe);
static wait_for_one *const ways[] = {
    by_wait_cqe, by_wait_cqes, by_timeout, by_submit_and_wait,
    by_submit_and_wait_timeout, by_enter, by_enter2, by_get_cqe, by_syscall,
};
enum { WAYS = sizeof ways / sizeof *ways };

START_TEST(another_thread_completes_what_is_waited_for)
{
    struct io_uring_cqe *cqe = NULL;
    pthread_t writer;

    if (!have_rings())
        return;
    begin();
    for (int i = 0; i < 3; i++) {
        ask(ends[0], 0);
        writer = start_later(20, write_one, &ends[1]);
        ck_assert_int_eq(ways[_i](&cqe), 0);
        seen(cqe, 0);
        join_thread(writer);
    }
    end();
}
END_TEST

START_TEST(what_is_not_complete_yet_lives_on)
{
    struct io_uring_cqe *cqe = NULL;
    pthread_t writer;

    if (!have_rings())
        return;
    begin();
    ask(ends[0], 0);
    ask(more[0], 1);
    writer = start_later(20, write_one, &ends[1]);
    if (_i == 0)
        ck_assert_int_eq(io_uring_submit_and_wait(&ring, 1), 2);
    else
        ck_assert_int_eq(syscall(SYS_io_uring_enter, ring.ring_fd,
                                 io_uring_submit(&ring) - 2, 1,
                                 IORING_ENTER_GETEVENTS, NULL, 0),
                         0);
    ck_assert_int_eq(io_uring_peek_cqe(&ring, &cqe), 0);
    seen(cqe, 0);
    join_thread(writer);
    sleep_ms(20);
    ck_assert_int_eq(io_uring_peek_cqe(&ring, &cqe), -EAGAIN);
    write_one(&more[1]);
    ck_assert_int_eq(io_uring_wait_cqe(&ring, &cqe), 0);
    seen(cqe, 1);
    end();
}
END_TEST

START_TEST(several_are_waited_for)
{
    struct io_uring_cqe *cqe = NULL;
    pthread_t writer;
    int first;

    if (!have_rings())
        return;
    begin();
    ask(ends[0], 0);
    ask(more[0], 1);
    writer = start_later(20, write_both, NULL);
    if (_i == 0) {
        ck_assert_int_eq(io_uring_submit_and_wait(&ring, 2), 2);
        ck_assert_int_eq(io_uring_peek_cqe(&ring, &cqe), 0);
    } else {
        ck_assert_int_eq(io_uring_submit(&ring), 2);
        ck_assert_int_eq(io_uring_wait_cqe_nr(&ring, &cqe, 2), 0);
    }
    ck_assert_int_eq(io_uring_cq_ready(&ring), 2);
    first = io_uring_cqe_get_data(cqe) == bytes[0] ? 0 : 1;
    seen(cqe, first);
    ck_assert_int_eq(io_uring_peek_cqe(&ring, &cqe), 0);
    seen(cqe, 1 - first);
    join_thread(writer);
    end();
}
END_TEST

START_TEST(a_time_out_says_so)
{
    struct __kernel_timespec span = { 0, 30 * CONF_MS };
    struct io_uring_cqe *cqe = NULL;
    int64_t before = now_ns();

    if (!have_rings())
        return;
    begin();
    if (_i == 0)
        ck_assert_int_eq(io_uring_wait_cqe_timeout(&ring, &cqe, &span), -ETIME);
    else
        ck_assert_int_eq(io_uring_wait_cqes(&ring, &cqe, 2, &span, NULL),
                         -ETIME);
    ck_assert_int_ge(now_ns() - before, 30 * CONF_MS);
    end();
}
END_TEST

static void on_signal(int number)
{
    (void)number;
}

static volatile int enough;

/* Again and again: the other may not have begun to wait. */
static void interrupt(void *thread)
{
    for (; !enough; sleep_ms(30))
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
}

START_TEST(a_handler_ends_the_wait)
{
    struct sigaction action = { .sa_handler = on_signal,
                                .sa_flags = SA_RESTART };
    struct io_uring_cqe *cqe = NULL;
    pthread_t self = pthread_self(), other;

    if (!have_rings())
        return;
    begin();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    enough = 0;
    other = start_later(50, interrupt, &self);
    ck_assert_int_eq(io_uring_wait_cqe(&ring, &cqe), -EINTR);
    enough = 1;
    join_thread(other);
    signal(SIGUSR1, SIG_DFL);
    end();
}
END_TEST

static void add_rings(TCase *tcase)
{
    conf_test(tcase, another_thread_completes_what_is_waited_for, WAYS);
    conf_test(tcase, what_is_not_complete_yet_lives_on, 2);
    conf_test(tcase, several_are_waited_for, 2);
    conf_test(tcase, a_time_out_says_so, 2);
    conf_test(tcase, a_handler_ends_the_wait, 1);
}
#else
START_TEST(no_rings)
{
    conf_skip("liburing was not there when this was built");
}
END_TEST

static void add_rings(TCase *tcase)
{
    conf_test(tcase, no_rings, 1);
}
#endif

/* ---- the kernel's AIO, as libaio calls it ---- */

static aio_context_t context;
static int file;
static char block[4096] __attribute__((aligned(4096)));

static void submit(int count_of)
{
    struct iocb request = { .aio_lio_opcode = IOCB_CMD_PREAD,
                            .aio_fildes = (uint32_t)file,
                            .aio_buf = (uintptr_t)block,
                            .aio_nbytes = sizeof block };
    struct iocb *requests[] = { &request };

    for (int i = 0; i < count_of; i++)
        ck_assert_int_eq(syscall(SYS_io_submit, context, 1, requests), 1);
}

static bool have_aio(void)
{
    char path[CONF_PATH], name[CONF_PATH + 8];

    context = 0;
    if (syscall(SYS_io_setup, 8, &context) < 0) {
        conf_skip("this kernel has no AIO");
        return false;
    }
    conf_make_dir(path);
    snprintf(name, sizeof name, "%s/file", path);
    file = open(name, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, block, sizeof block), sizeof block);
    unlink(name);
    rmdir(path);
    return true;
}

static void end_aio(void)
{
    close(file);
    ck_assert_int_eq(syscall(SYS_io_destroy, context), 0);
}

START_TEST(what_came_until_the_time_out_is_given)
{
    struct io_event events[4];
    struct timespec span = { 0, 100 * CONF_MS };

    if (!have_aio())
        return;
    submit(1);
    ck_assert_int_eq(syscall(SYS_io_getevents, context, 2, 4, events, &span),
                     1);
    ck_assert_int_eq(events[0].res, sizeof block);
    end_aio();
}
END_TEST

static void submit_later(void *unused)
{
    submit(2);
    (void)unused;
}

START_TEST(another_thread_submits)
{
    struct io_event events[4];
    pthread_t other;

    if (!have_aio())
        return;
    submit(1);
    other = start_later(20, submit_later, NULL);
    ck_assert_int_eq(syscall(SYS_io_getevents, context, 3, 4, events, NULL), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(events[i].res, sizeof block);
    join_thread(other);
    end_aio();
}
END_TEST

static void add(TCase *tcase)
{
    add_rings(tcase);
    conf_test(tcase, what_came_until_the_time_out_is_given, 1);
    conf_test(tcase, another_thread_submits, 1);
}

int main(void)
{
    return conf_main("io_uring", add, CONF_THREADS);
}
