/* epoll_wait(2), epoll_pwait(2) and epoll_pwait2(2) */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10 };

static int by_pwait(int epoll, struct epoll_event *events, int room, int ms)
{
    return epoll_pwait(epoll, events, room, ms, NULL);
}

/* Where the kernel has no epoll_pwait2(), its elder sister stands in. */
static int by_pwait2(int epoll, struct epoll_event *events, int room, int ms)
{
    struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };
    int before = errno;
    int count = epoll_pwait2(epoll, events, room, ms < 0 ? NULL : &limit, NULL);

    if (count < 0 && errno == ENOSYS) {
        errno = before;
        count = epoll_wait(epoll, events, room, ms);
    }
    return count;
}

static int by_number(int epoll, struct epoll_event *events, int room, int ms)
{
    return (int)syscall(SYS_epoll_pwait, epoll, events, room, ms, NULL, 8);
}

typedef int wait_function(int, struct epoll_event *, int, int);

static wait_function *const spellings[] = { epoll_wait, by_pwait, by_pwait2,
                                            by_number };
enum { SPELLINGS = 4 };

static void watch(int epoll, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };

    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
}

static int new_epoll(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    ck_assert_int_ge(epoll, 0);
    return epoll;
}

static void put_byte(void *fd)
{
    conf_write_all(*(int *)fd, "x", 1);
}

static char take_byte(int fd)
{
    char byte = 0;

    conf_read_all(fd, &byte, 1);
    return byte;
}

START_TEST(waits_for_another_thread_to_write)
{
    int ends[2], epoll = new_epoll();
    struct epoll_event events[4];
    pthread_t writer;

    conf_stream(_i / SPELLINGS, ends);
    watch(epoll, ends[0], EPOLLIN);
    writer = start_later(DELAY_MS, put_byte, &ends[1]);
    errno = SOME_ERRNO;
    ck_assert_int_eq(spellings[_i % SPELLINGS](epoll, events, 4, -1), 1);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_uint_eq(events[0].events, EPOLLIN);
    ck_assert_int_eq(events[0].data.fd, ends[0]);
    join_thread(writer);
    close(epoll);
    conf_close_both(ends);
}
END_TEST

START_TEST(ends_at_its_time_limit)
{
    int epoll = new_epoll();
    struct epoll_event event;
    int64_t began = now_ns();

    ck_assert_int_eq(spellings[_i](epoll, &event, 1, 0), 0);
    ck_assert_int_eq(spellings[_i](epoll, &event, 1, 12), 0);
    ck_assert_int_ge(now_ns() - began, 12 * CONF_MS);
    ck_assert_int_lt(now_ns() - began, 10 * CONF_S);
    close(epoll);
}
END_TEST

START_TEST(level_tells_again_and_edge_does_not)
{
    int ends[2], epoll = new_epoll();
    struct epoll_event event;
    wait_function *function = spellings[_i];
    pthread_t writer;

    conf_pipe(ends);
    watch(epoll, ends[0], EPOLLIN);
    put_byte(&ends[1]);
    ck_assert_int_eq(function(epoll, &event, 1, -1), 1);
    ck_assert_int_eq(function(epoll, &event, 1, -1), 1);

    event.events = EPOLLIN | EPOLLET;
    event.data.fd = 77;
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event), 0);
    ck_assert_int_eq(function(epoll, &event, 1, -1), 1);
    ck_assert_int_eq(event.data.fd, 77);
    ck_assert_int_eq(function(epoll, &event, 1, 0), 0);
    writer = start_later(DELAY_MS, put_byte, &ends[1]);
    ck_assert_int_eq(function(epoll, &event, 1, 10000), 1);
    ck_assert_int_eq(function(epoll, &event, 1, 5), 0);
    join_thread(writer);
    ck_assert_int_eq(take_byte(ends[0]), 'x');
    ck_assert_int_eq(take_byte(ends[0]), 'x');
    close(epoll);
    conf_close_both(ends);
}
END_TEST

START_TEST(oneshot_tells_once_until_armed_again)
{
    int ends[2], epoll = new_epoll();
    struct epoll_event event;

    conf_pipe(ends);
    watch(epoll, ends[0], EPOLLIN | EPOLLONESHOT);
    put_byte(&ends[1]);
    ck_assert_int_eq(spellings[_i](epoll, &event, 1, -1), 1);
    put_byte(&ends[1]);
    ck_assert_int_eq(spellings[_i](epoll, &event, 1, 5), 0);
    event.events = EPOLLIN | EPOLLONESHOT;
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event), 0);
    ck_assert_int_eq(spellings[_i](epoll, &event, 1, -1), 1);
    close(epoll);
    conf_close_both(ends);
}
END_TEST

static void close_it(void *fd)
{
    CONF_CHECK(close(*(int *)fd) == 0);
}

START_TEST(tells_when_another_thread_hangs_up)
{
    static const uint32_t told[] = { EPOLLHUP, EPOLLHUP,
                                     EPOLLIN | EPOLLHUP | EPOLLRDHUP,
                                     EPOLLIN | EPOLLRDHUP };
    int ends[2], epoll = new_epoll();
    struct epoll_event event;
    pthread_t closer;

    conf_stream(_i, ends);
    watch(epoll, ends[0], EPOLLIN | EPOLLRDHUP);
    closer = start_later(DELAY_MS, close_it, &ends[1]);
    ck_assert_int_eq(epoll_wait(epoll, &event, 1, 10000), 1);
    ck_assert_uint_eq(event.events, told[_i]);
    join_thread(closer);
    close(ends[0]);
    close(epoll);
}
END_TEST

struct addition {
    int epoll, fd;
};

static void add_fd(void *argument)
{
    struct addition *addition = argument;
    struct epoll_event event = { .events = EPOLLIN,
                                 .data.fd = addition->fd };

    CONF_CHECK(epoll_ctl(addition->epoll, EPOLL_CTL_ADD, addition->fd,
                         &event) == 0);
}

START_TEST(sees_what_another_thread_adds_while_it_waits)
{
    int ends[2], epoll = new_epoll();
    struct addition addition;
    struct epoll_event event;
    pthread_t adder;

    conf_pipe(ends);
    put_byte(&ends[1]);
    addition = (struct addition){ epoll, ends[0] };
    adder = start_later(DELAY_MS, add_fd, &addition);
    ck_assert_int_eq(spellings[_i](epoll, &event, 1, 10000), 1);
    ck_assert_int_eq(event.data.fd, ends[0]);
    join_thread(adder);
    close(epoll);
    conf_close_both(ends);
}
END_TEST

START_TEST(nested_sets_tell_outwards)
{
    int ends[2], inner = new_epoll(), outer = new_epoll();
    struct epoll_event event;
    struct pollfd ready = { outer, POLLIN, 0 };
    pthread_t writer;

    conf_pipe(ends);
    watch(inner, ends[0], EPOLLIN);
    watch(outer, inner, EPOLLIN);
    ck_assert_int_eq(poll(&ready, 1, 0), 0);
    writer = start_later(DELAY_MS, put_byte, &ends[1]);
    ck_assert_int_eq(spellings[_i](outer, &event, 1, 10000), 1);
    ck_assert_int_eq(event.data.fd, inner);
    ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    ck_assert_int_eq(spellings[_i](inner, &event, 1, 0), 1);
    ck_assert_int_eq(event.data.fd, ends[0]);
    join_thread(writer);
    close(inner);
    close(outer);
    conf_close_both(ends);
}
END_TEST

START_TEST(finds_the_ready_ones_of_many)
{
    enum { MANY = 500 };
    int fds[MANY], epoll = new_epoll(), seen = 0;
    struct epoll_event events[8];
    uint64_t value;

    for (int i = 0; i < MANY; i++) {
        fds[i] = eventfd(0, 0);
        watch(epoll, fds[i], EPOLLIN | EPOLLET);
    }
    for (int i = 0; i < MANY; i += 20)
        ck_assert_int_eq(eventfd_write(fds[i], 1), 0);
    for (;;) {
        int count = spellings[_i](epoll, events, 8, 0);

        ck_assert_int_ge(count, 0);
        if (count == 0)
            break;
        for (int i = 0; i < count; i++)
            ck_assert_int_eq(read(events[i].data.fd, &value, 8), 8);
        seen += count;
    }
    ck_assert_int_eq(seen, MANY / 20);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    close(epoll);
}
END_TEST

struct wait {
    int epoll, result;
};

static void *wait_for(void *argument)
{
    struct wait *wait = argument;
    struct epoll_event event;

    wait->result = epoll_wait(wait->epoll, &event, 1, 10000);
    if (wait->result == 1)
        take_byte(event.data.fd);
    return NULL;
}

START_TEST(edge_wakes_one_of_several_threads_for_each_event)
{
    enum { THREADS = 6 };
    struct wait waits[THREADS];
    pthread_t threads[THREADS];
    int ends[THREADS][2], epoll = new_epoll();

    for (int i = 0; i < THREADS; i++) {
        conf_pipe(ends[i]);
        watch(epoll, ends[i][0], EPOLLIN | EPOLLET);
        waits[i].epoll = epoll;
        threads[i] = start_thread(wait_for, &waits[i]);
    }
    sleep_ms(DELAY_MS);
    for (int i = 0; i < THREADS; i++)
        put_byte(&ends[i][1]);
    for (int i = 0; i < THREADS; i++) {
        join_thread(threads[i]);
        ck_assert_int_eq(waits[i].result, 1);
    }
    for (int i = 0; i < THREADS; i++)
        conf_close_both(ends[i]);
    close(epoll);
}
END_TEST

/* The set holds the open file, not its number: what is closed leaves it. */
START_TEST(a_closed_fd_leaves_the_set)
{
    int ends[2], reused[2], epoll = new_epoll();
    struct epoll_event event;

    conf_pipe(ends);
    watch(epoll, ends[0], EPOLLIN);
    put_byte(&ends[1]);
    conf_close_both(ends);
    conf_pipe(reused);
    ck_assert_int_eq(reused[0], ends[0]);
    put_byte(&reused[1]);
    ck_assert_int_eq(spellings[_i](epoll, &event, 1, 5), 0);
    watch(epoll, reused[0], EPOLLIN);
    ck_assert_int_eq(spellings[_i](epoll, &event, 1, -1), 1);
    close(epoll);
    conf_close_both(reused);
}
END_TEST

START_TEST(pwait2_counts_nanoseconds)
{
    int epoll = new_epoll();
    struct epoll_event event;
    struct timespec limit = { 0, 300000 };
    int64_t began = now_ns();
    int count = epoll_pwait2(epoll, &event, 1, &limit, NULL);

    if (count < 0 && errno == ENOSYS) {
        conf_skip("this kernel has no epoll_pwait2");
    } else {
        ck_assert_int_eq(count, 0);
        ck_assert_int_ge(now_ns() - began, 300000);
        limit.tv_nsec = 1000000000;
        ck_assert_int_eq(epoll_pwait2(epoll, &event, 1, &limit, NULL), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
    close(epoll);
}
END_TEST

START_TEST(refuses)
{
    wait_function *function = spellings[_i];
    int ends[2], epoll = new_epoll();
    struct epoll_event event;

    conf_pipe(ends);
    ck_assert_int_eq(function(-1, &event, 1, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(function(ends[0], &event, 1, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(function(epoll, &event, 0, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(function(epoll, &event, -1, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
    watch(epoll, ends[0], EPOLLIN);
    put_byte(&ends[1]);
    ck_assert_int_eq(function(epoll, conf_bad_address(), 1, -1), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(function(epoll, &event, 1, -1), 1);
    close(epoll);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, waits_for_another_thread_to_write,
              CONF_STREAMS * SPELLINGS);
    conf_test(tcase, ends_at_its_time_limit, SPELLINGS);
    conf_test(tcase, level_tells_again_and_edge_does_not, SPELLINGS);
    conf_test(tcase, oneshot_tells_once_until_armed_again, SPELLINGS);
    conf_test(tcase, tells_when_another_thread_hangs_up, CONF_PTY);
    conf_test(tcase, sees_what_another_thread_adds_while_it_waits, SPELLINGS);
    conf_test(tcase, nested_sets_tell_outwards, SPELLINGS);
    conf_test(tcase, finds_the_ready_ones_of_many, SPELLINGS);
    conf_test(tcase, edge_wakes_one_of_several_threads_for_each_event, 1);
    conf_test(tcase, a_closed_fd_leaves_the_set, SPELLINGS);
    conf_test(tcase, pwait2_counts_nanoseconds, 1);
    conf_test(tcase, refuses, SPELLINGS);
}

int main(void)
{
    return conf_main("epoll", add, CONF_THREADS);
}
