/* poll(2) and ppoll(2), by each of their spellings */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10 };

extern int __poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t room);
extern int __ppoll_chk(struct pollfd *fds, nfds_t count,
                       const struct timespec *limit, const sigset_t *mask,
                       size_t room);

static int by_ppoll(struct pollfd *fds, nfds_t count, int ms)
{
    struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };

    return ppoll(fds, count, ms < 0 ? NULL : &limit, NULL);
}

static int by_chk(struct pollfd *fds, nfds_t count, int ms)
{
    return __poll_chk(fds, count, ms, count * sizeof *fds);
}

static int by_ppoll_chk(struct pollfd *fds, nfds_t count, int ms)
{
    struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };

    return __ppoll_chk(fds, count, ms < 0 ? NULL : &limit, NULL,
                       count * sizeof *fds);
}

static int by_number(struct pollfd *fds, nfds_t count, int ms)
{
    struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };

    return (int)syscall(SYS_ppoll, fds, count, ms < 0 ? NULL : &limit, NULL,
                        8);
}

typedef int poll_function(struct pollfd *fds, nfds_t count, int ms);

static poll_function *const spellings[] = { poll, by_ppoll, by_chk,
                                            by_ppoll_chk, by_number };
enum { SPELLINGS = 5 };

static void put_byte(void *fd)
{
    conf_write_all(*(int *)fd, "x", 1);
}

START_TEST(waits_for_another_thread_to_write)
{
    int ends[2];
    struct pollfd ready = { 0, POLLIN, 0x7fff };
    pthread_t writer;
    char byte;

    conf_stream(_i / SPELLINGS, ends);
    ready.fd = ends[0];
    writer = start_later(DELAY_MS, put_byte, &ends[1]);
    errno = SOME_ERRNO;
    ck_assert_int_eq(spellings[_i % SPELLINGS](&ready, 1, -1), 1);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_int_eq(ready.revents, POLLIN);
    join_thread(writer);
    /* Looking takes nothing. */
    ck_assert_int_eq(spellings[_i % SPELLINGS](&ready, 1, -1), 1);
    conf_read_all(ends[0], &byte, 1);
    ck_assert_int_eq(spellings[_i % SPELLINGS](&ready, 1, 0), 0);
    ck_assert_int_eq(ready.revents, 0);
    conf_close_both(ends);
}
END_TEST

struct wait {
    int fd;
    short events, revents;
    int result;
};

static void *wait_for(void *argument)
{
    struct wait *wait = argument;
    struct pollfd ready = { wait->fd, wait->events, 0 };

    wait->result = poll(&ready, 1, 10000);
    wait->revents = ready.revents;
    return NULL;
}

START_TEST(wakes_every_thread_that_waits_for_the_fd)
{
    enum { THREADS = 10 };
    struct wait waits[THREADS];
    pthread_t threads[THREADS];
    int ends[2];

    conf_stream(_i, ends);
    for (int i = 0; i < THREADS; i++) {
        waits[i] = (struct wait){ ends[0], POLLIN, 0, 0 };
        threads[i] = start_thread(wait_for, &waits[i]);
    }
    sleep_ms(DELAY_MS);
    put_byte(&ends[1]);
    for (int i = 0; i < THREADS; i++) {
        join_thread(threads[i]);
        ck_assert_int_eq(waits[i].result, 1);
        ck_assert_int_eq(waits[i].revents, POLLIN);
    }
    conf_close_both(ends);
}
END_TEST

START_TEST(ends_at_its_time_limit)
{
    int ends[2];
    struct pollfd ready = { 0, POLLIN, 0x7fff };
    int64_t began;

    conf_stream(_i / SPELLINGS, ends);
    ready.fd = ends[0];
    began = now_ns();
    errno = SOME_ERRNO;
    ck_assert_int_eq(spellings[_i % SPELLINGS](&ready, 1, 12), 0);
    ck_assert_int_ge(now_ns() - began, 12 * CONF_MS);
    ck_assert_int_lt(now_ns() - began, 10 * CONF_S);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_int_eq(ready.revents, 0);
    conf_close_both(ends);
}
END_TEST

START_TEST(of_nothing_only_waits)
{
    int64_t began = now_ns();
    struct pollfd ignored = { -1, POLLIN, 0x7fff };

    ck_assert_int_eq(spellings[_i](NULL, 0, 10), 0);
    ck_assert_int_eq(spellings[_i](&ignored, 1, 10), 0);
    ck_assert_int_eq(ignored.revents, 0);
    ck_assert_int_ge(now_ns() - began, 20 * CONF_MS);
}
END_TEST

static void drain(void *fd)
{
    char block[65536];

    CONF_CHECK(read(*(int *)fd, block, sizeof block) > 0);
}

START_TEST(waits_until_there_is_room)
{
    static const char block[4096];
    int ends[2];
    struct pollfd ready = { 0, POLLOUT, 0 };
    pthread_t drainer;

    conf_stream(_i, ends);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], block, sizeof block) > 0)
        ;
    ready.fd = ends[1];
    ck_assert_int_eq(poll(&ready, 1, 0), 0);
    drainer = start_later(DELAY_MS, drain, &ends[0]);
    ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    ck_assert_int_eq(ready.revents, POLLOUT);
    join_thread(drainer);
    conf_close_both(ends);
}
END_TEST

static void close_it(void *fd)
{
    CONF_CHECK(close(*(int *)fd) == 0);
}

START_TEST(tells_when_another_thread_hangs_up)
{
    static const short told[] = { POLLHUP, POLLHUP,
                                  POLLIN | POLLHUP | POLLRDHUP,
                                  POLLIN | POLLRDHUP };
    int ends[2];
    struct pollfd ready = { 0, POLLIN | POLLRDHUP, 0 };
    pthread_t closer;

    conf_stream(_i, ends);
    ready.fd = ends[0];
    closer = start_later(DELAY_MS, close_it, &ends[1]);
    ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    ck_assert_int_eq(ready.revents, told[_i]);
    join_thread(closer);
    ck_assert_int_eq(close(ends[0]), 0);
}
END_TEST

START_TEST(tells_a_writer_that_the_readers_are_gone)
{
    int ends[2];
    struct pollfd ready = { 0, 0, 0 }; /* POLLERR needs no asking */
    pthread_t closer;

    conf_stream(_i, ends);
    ready.fd = ends[1];
    closer = start_later(DELAY_MS, close_it, &ends[0]);
    ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    ck_assert_int_eq(ready.revents, POLLERR);
    join_thread(closer);
    ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

static void shut_writing(void *fd)
{
    CONF_CHECK(shutdown(*(int *)fd, SHUT_WR) == 0);
}

START_TEST(tells_half_a_hang_up)
{
    int ends[2];
    struct pollfd ready = { 0, POLLRDHUP, 0 };
    pthread_t closer;

    conf_stream(_i == 0 ? CONF_UNIX : CONF_TCP, ends);
    ready.fd = ends[0];
    closer = start_later(DELAY_MS, shut_writing, &ends[1]);
    ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    ck_assert_int_eq(ready.revents, POLLRDHUP);
    join_thread(closer);
    conf_close_both(ends);
}
END_TEST

static void put_urgent(void *fd)
{
    CONF_CHECK(send(*(int *)fd, "!", 1, MSG_OOB) == 1);
}

START_TEST(tells_urgent_data)
{
    int ends[2];
    struct pollfd ready = { 0, POLLPRI, 0 };
    pthread_t sender;

    conf_tcp_pair(ends);
    ready.fd = ends[0];
    sender = start_later(DELAY_MS, put_urgent, &ends[1]);
    ck_assert_int_eq(spellings[_i](&ready, 1, 10000), 1);
    ck_assert_int_eq(ready.revents, POLLPRI);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(a_bad_fd_is_a_result_and_no_error)
{
    int ends[2];
    struct pollfd ready[3] = { { 9999, POLLIN, 0 }, { -1, POLLIN, 7 },
                               { 0, POLLIN, 0 } };

    conf_pipe(ends);
    ready[2].fd = ends[0];
    errno = SOME_ERRNO;
    ck_assert_int_eq(spellings[_i](ready, 3, -1), 1);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_int_eq(ready[0].revents, POLLNVAL);
    ck_assert_int_eq(ready[1].revents, 0);
    ck_assert_int_eq(ready[2].revents, 0);
    conf_close_both(ends);
}
END_TEST

START_TEST(refuses)
{
    struct pollfd none;
    struct timespec odd = { 0, 1000000000 }, past = { -1, 0 };

    ck_assert_int_eq(poll(conf_bad_address(), 1, 0), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(ppoll(&none, 0, &odd, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(ppoll(&none, 0, &past, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(ppoll_leaves_its_time_limit_alone)
{
    struct timespec limit = { 0, 3000000 };

    ck_assert_int_eq(ppoll(NULL, 0, &limit, NULL), 0);
    ck_assert_int_eq(limit.tv_sec, 0);
    ck_assert_int_eq(limit.tv_nsec, 3000000);
}
END_TEST

/* Files are always ready, and a device may be. */
START_TEST(files_are_ready)
{
    struct pollfd ready[2] = { { open("/proc/self/exe", O_RDONLY),
                                 POLLIN | POLLOUT, 0 },
                               { open("/dev/null", O_RDWR), POLLIN, 0 } };

    ck_assert_int_eq(spellings[_i](ready, 2, -1), 2);
    ck_assert_int_eq(ready[0].revents, POLLIN | POLLOUT);
    ck_assert_int_eq(ready[1].revents, POLLIN);
    close(ready[0].fd);
    close(ready[1].fd);
}
END_TEST

static void add_one(void *fd)
{
    CONF_CHECK(eventfd_write(*(int *)fd, 1) == 0);
}

START_TEST(finds_one_of_many)
{
    enum { MANY = 500 };
    struct pollfd ready[MANY];
    uint64_t one = 1;
    int twice;
    pthread_t writer;

    for (int i = 0; i < MANY; i++) {
        ready[i].fd = eventfd(0, 0);
        ready[i].events = POLLIN;
        ck_assert_int_ge(ready[i].fd, 0);
    }
    twice = ready[0].fd;
    ready[0].fd = ready[MANY - 1].fd; /* the same fd may be there twice */
    ck_assert_int_eq(write(ready[123].fd, &one, 8), 8);
    ck_assert_int_eq(spellings[_i](ready, MANY, -1), 1);
    ck_assert_int_eq(ready[123].revents, POLLIN);
    ck_assert_int_eq(read(ready[123].fd, &one, 8), 8);
    writer = start_later(DELAY_MS, add_one, &ready[MANY - 1].fd);
    ck_assert_int_eq(spellings[_i](ready, MANY, 10000), 2);
    ck_assert_int_eq(ready[0].revents, POLLIN);
    ck_assert_int_eq(ready[MANY - 1].revents, POLLIN);
    join_thread(writer);
    close(twice);
    for (int i = 1; i < MANY; i++)
        close(ready[i].fd);
}
END_TEST

static void add(TCase *tcase)
{
    const int each = CONF_STREAMS * SPELLINGS;

    conf_test(tcase, waits_for_another_thread_to_write, each);
    conf_test(tcase, wakes_every_thread_that_waits_for_the_fd, CONF_STREAMS);
    conf_test(tcase, ends_at_its_time_limit, each);
    conf_test(tcase, of_nothing_only_waits, SPELLINGS);
    conf_test(tcase, waits_until_there_is_room, 2);
    conf_test(tcase, tells_when_another_thread_hangs_up, CONF_PTY);
    conf_test(tcase, tells_a_writer_that_the_readers_are_gone, 2);
    conf_test(tcase, tells_half_a_hang_up, 2);
    conf_test(tcase, tells_urgent_data, SPELLINGS);
    conf_test(tcase, a_bad_fd_is_a_result_and_no_error, SPELLINGS);
    conf_test(tcase, refuses, 1);
    conf_test(tcase, ppoll_leaves_its_time_limit_alone, 1);
    conf_test(tcase, files_are_ready, SPELLINGS);
    conf_test(tcase, finds_one_of_many, SPELLINGS);
}

int main(void)
{
    return conf_main("poll", add, CONF_THREADS);
}
