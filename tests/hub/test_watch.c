/* Waits for descriptors: readiness, deadlines, close, one registration a fd. */
#include "../unit.h"
#include "hub/watch_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MS INT64_C(1000000)

static int ends[2];

static void writes_later(void *arg)
{
    (void)arg;
    hub_sleep(2 * MS);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
}

START_TEST(a_wait_ends_when_there_is_something_to_read)
{
    struct greenlet *g = hub_spawn_raw(writes_later, NULL);
    char byte;

    ck_assert_int_eq(hub_wait_fd(ends[0], HUB_READ, HUB_FOREVER), 0);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_wait_may_time_out)
{
    int64_t before = hub_now();

    ck_assert_int_eq(hub_wait_fd(ends[0], HUB_READ, before + 5 * MS),
                     -ETIMEDOUT);
    ck_assert(hub_now() - before >= 5 * MS);
}
END_TEST

START_TEST(what_cannot_be_waited_for_is_refused)
{
    int file = open("/proc/self/exe", O_RDONLY);

    ck_assert_int_eq(hub_wait_fd(-1, HUB_READ, HUB_FOREVER), -EBADF);
    ck_assert_int_eq(hub_wait_fd(999, HUB_READ, HUB_FOREVER), -EBADF);
    ck_assert_int_eq(hub_wait_fd(file, HUB_READ, HUB_FOREVER), -EPERM);
    close(file);
}
END_TEST

static void waits(void *arg)
{
    *(int *)arg = hub_wait_fd(ends[0], HUB_READ, HUB_FOREVER);
}

START_TEST(a_closed_fd_ends_its_waits)
{
    int rc = 1;
    struct greenlet *g = hub_spawn_raw(waits, &rc);

    hub_yield();
    hub_fd_closed(ends[0]);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, -EBADF);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_killed_wait_ends)
{
    int rc = 1;
    struct greenlet *g = hub_spawn_raw(waits, &rc);

    hub_yield();
    ck_assert_int_eq(hub_kill(g), 0);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, -ECANCELED);
    greenlet_unref(g);
}
END_TEST

/* The number is used for another pipe, without data: the wait must see that. */
START_TEST(a_reused_number_is_registered_again)
{
    struct greenlet *g;
    int other[2], fd = ends[0];
    char byte;

    ck_assert_int_eq(hub_wait_fd(fd, HUB_READ, hub_now() + MS), -ETIMEDOUT);
    hub_fd_closed(fd);
    ck_assert_int_eq(pipe(other), 0);
    ck_assert_int_eq(dup2(other[0], fd), fd);
    ck_assert_int_eq(hub_wait_fd(fd, HUB_READ, hub_now() + MS), -ETIMEDOUT);
    close(other[0]);
    close(ends[1]);
    ends[1] = other[1];
    g = hub_spawn_raw(writes_later, NULL);
    ck_assert_int_eq(hub_wait_fd(fd, HUB_READ, hub_now() + 1000 * MS), 0);
    ck_assert_int_eq(read(fd, &byte, 1), 1);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

static void answers(void *arg)
{
    int *pair = arg;
    char byte;

    for (;;) {
        if (hub_wait_fd(pair[0], HUB_READ, HUB_FOREVER) != 0 ||
            read(pair[0], &byte, 1) != 1)
            return;
        if (write(ends[1], &byte, 1) != 1)
            return;
    }
}

static long epoll_ctls(void);

static int find_copy(void)
{
    for (int fd = (int)hub__fd_lowest(); fd < (int)hub__fd_lowest() + 256; fd++)
        if (hub__fd_whose(fd) != 0 && hub__fd_is_ours(fd))
            return fd;
    return -1;
}

/* Else the program's close() of a file that gets it asks the hub once more. */
START_TEST(the_number_that_a_wait_went_on_with_is_nobodys_afterwards)
{
    int rc = 1, copy;
    struct greenlet *g = hub_spawn_raw(waits, &rc);

    hub_sleep(0);
    hub__fd_closing(ends[0]);
    copy = find_copy();
    ck_assert_int_ge(copy, 0);
    hub__fd_registered(hub_current(), copy);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    ck_assert_int_eq(rc, -EBADF);
    ck_assert(!hub__fd_is_ours(copy));
    ck_assert_int_eq(fcntl(copy, F_GETFD), -1);
    ck_assert_uint_eq(hub__fd_whose(copy), 0);
}
END_TEST

/* design: 1,000 parks = at most 2 epoll_ctl a descriptor. */
START_TEST(a_thousand_waits_take_few_registrations)
{
    int back[2];
    long before;
    char byte = 'x';
    struct greenlet *g;

    ck_assert_int_eq(pipe(back), 0);
    g = hub_spawn_raw(answers, back);
    before = epoll_ctls();
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(write(back[1], &byte, 1), 1);
        ck_assert_int_eq(hub_wait_fd(ends[0], HUB_READ, HUB_FOREVER), 0);
        ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    }
    ck_assert_int_le(epoll_ctls() - before, 4);
    close(back[1]);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    hub_fd_closed(back[0]);
    close(back[0]);
}
END_TEST

/* libev calls epoll_ctl through the dynamic linker: counted on the way. */
#include <sys/epoll.h>
#include <sys/syscall.h>

static long ctls;

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    ctls++;
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

static long epoll_ctls(void)
{
    return ctls;
}

static void *counts_later(void *arg)
{
    const uint64_t one = 1;

    usleep(2000);
    ck_assert_int_eq(write(*(int *)arg, &one, sizeof one), sizeof one);
    return NULL;
}

static struct hub__fd *entry_of(int fd)
{
    return hub__fd_peek(hub__peek(), fd);
}

START_TEST(the_loop_looks_at_an_fd_no_more_until_it_is_waited_for)
{
    int rc = 1;
    struct greenlet *g = hub_spawn_raw(waits, &rc);
    char byte;

    ck_assert_int_eq(hub_fd_unwatch(999), 0);
    hub_sleep(MS);
    ck_assert_int_eq(hub_fd_unwatch(ends[0]), -EBUSY);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, 0);
    greenlet_unref(g);
    ck_assert_uint_eq(entry_of(ends[0])->watched, HUB_READ);
    ck_assert_int_eq(hub_fd_unwatch(ends[0]), 0);
    ck_assert_int_eq(hub_fd_unwatch(ends[0]), 0);
    ck_assert_uint_eq(entry_of(ends[0])->watched, 0);
    ck_assert_int_eq(hub_wait_fd(ends[0], HUB_READ, hub_deadline(HUB_SECOND)),
                     0);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(hub_wait_fd(ends[0], HUB_READ, hub_deadline(MS)),
                     -ETIMEDOUT);
}
END_TEST

/* All eventfds have one inode: closed behind the hub's back, and another one with
 * the number. */
START_TEST(an_eventfd_that_replaces_another_is_registered_again)
{
    int old = eventfd(0, EFD_NONBLOCK), fd;
    pthread_t thread;

    ck_assert_int_eq(hub_wait_fd(old, HUB_READ, hub_now() + MS), -ETIMEDOUT);
    close(old);
    fd = eventfd(0, EFD_NONBLOCK);
    ck_assert_int_eq(fd, old);
    ck_assert_int_eq(pthread_create(&thread, NULL, counts_later, &fd), 0);
    ck_assert_int_eq(hub_wait_fd(fd, HUB_READ, HUB_FOREVER), 0);
    pthread_join(thread, NULL);
    hub_fd_closed(fd);
    close(fd);
}
END_TEST

static void open_pipe(void)
{
    hub_yield(); /* the hub's own descriptors are there before we count */
    ck_assert_int_eq(pipe(ends), 0);
}

static void close_pipe(void)
{
    hub_fd_closed(ends[0]);
    hub_fd_closed(ends[1]);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, open_pipe, close_pipe);
    tcase_add_test(tcase, a_wait_ends_when_there_is_something_to_read);
    tcase_add_test(tcase, a_wait_may_time_out);
    tcase_add_test(tcase, what_cannot_be_waited_for_is_refused);
    tcase_add_test(tcase, a_closed_fd_ends_its_waits);
    tcase_add_test(tcase, a_killed_wait_ends);
    tcase_add_test(tcase, a_reused_number_is_registered_again);
    tcase_add_test(tcase,
                   the_loop_looks_at_an_fd_no_more_until_it_is_waited_for);
    tcase_add_test(tcase,
                   an_eventfd_that_replaces_another_is_registered_again);
    tcase_add_test(tcase,
                   the_number_that_a_wait_went_on_with_is_nobodys_afterwards);
    tcase_add_test(tcase, a_thousand_waits_take_few_registrations);
    return unit_run("watch", tcase);
}
