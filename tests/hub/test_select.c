/* select and poll: many descriptors, those that are none, those that are
 * closed. */
#include "../unit.h"
#include "hub/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS HUB_MILLISECOND
#define SOON (hub_now() + 10 * HUB_SECOND) /* does not hang */
#define MANY 20

static int ends[MANY][2];
static char order[8];

static void open_pipes(void)
{
    hub_yield();
    memset(order, 0, sizeof order);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(hub_pipe(ends[i]), 0);
}

static void close_pipes(void)
{
    for (int i = 0; i < MANY; i++) {
        hub_close(ends[i][0]);
        hub_close(ends[i][1]);
    }
}

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

static void all_readable(struct pollfd *fds)
{
    for (int i = 0; i < MANY; i++)
        fds[i] = (struct pollfd){ ends[i][0], POLLIN, 0x55 };
}

static void *writes_late(void *arg)
{
    usleep(2000);
    ck_assert_int_eq(write(*(int *)arg, "x", 1), 1);
    return NULL;
}

/* By close() and pipe(): the loop is told nothing. */
START_TEST(a_foreign_number_that_is_used_again_is_watched_anew)
{
    struct pollfd fd = { -1, POLLIN, 0 };
    int pair[2], old;
    pthread_t thread;

    ck_assert_int_eq(pipe(pair), 0);
    fd.fd = old = pair[0];
    ck_assert_int_eq(hub_poll(&fd, 1, hub_now() + MS), 0);
    close(pair[0]);
    close(pair[1]);
    ck_assert_int_eq(pipe(pair), 0);
    ck_assert_int_eq(pair[0], old);
    ck_assert_int_eq(pthread_create(&thread, NULL, writes_late, &pair[1]), 0);
    ck_assert_int_eq(hub_poll(&fd, 1, HUB_FOREVER), 1);
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++) {
        hub_fd_closed(pair[i]);
        close(pair[i]);
    }
}
END_TEST

/* Neither has an event that could come: as poll() has it. */
START_TEST(files_that_cannot_be_waited_for_do_not_spoil_the_rest)
{
    int file = open("/proc/self/exe", O_RDONLY), zero = open("/dev/zero", O_RDWR);
    struct pollfd fds[3] = { { file, POLLPRI, 0 }, { zero, 0, 0 },
                             { ends[0][0], POLLIN, 0 } };
    fd_set set;

    ck_assert_int_eq(hub_poll(fds, 3, hub_now() + MS), 0);
    ck_assert_int_eq(write(ends[0][1], "x", 1), 1);
    ck_assert_int_eq(hub_poll(fds, 3, SOON), 1);
    FD_ZERO(&set);
    FD_SET(file, &set);
    ck_assert_int_eq(hub_select(file + 1, NULL, NULL, &set, hub_now() + MS), 0);
    ck_assert(!FD_ISSET(file, &set));
    close(file);
    close(zero);
}
END_TEST

static void writes(void *arg)
{
    hub_sleep(MS);
    ck_assert_int_eq(write(*(int *)arg, "x", 1), 1);
}

START_TEST(one_of_many_is_ready)
{
    struct pollfd fds[MANY];
    struct greenlet *g = hub_spawn_raw(writes, &ends[17][1]);

    all_readable(fds);
    ck_assert_int_eq(hub_poll(fds, MANY, SOON), 1);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(fds[i].revents, i == 17 ? POLLIN : 0);
    finish(g);
    /* at once, now */
    ck_assert_int_eq(hub_poll(fds, MANY, HUB_NOWAIT), 1);
}
END_TEST

START_TEST(a_deadline_is_no_error)
{
    struct pollfd fds[MANY];
    int64_t before = hub_now();

    all_readable(fds);
    ck_assert_int_eq(hub_poll(fds, MANY, before + 3 * MS), 0);
    ck_assert_int_ge(hub_now() - before, 3 * MS);
    ck_assert_int_eq(hub_poll(fds, MANY, 1), 0);
    ck_assert_int_eq(hub_poll(NULL, 0, hub_now() + MS), 0);
    ck_assert_int_eq(hub_poll(fds, MANY, -1), -EINVAL);
}
END_TEST

START_TEST(the_deadline_of_a_scope_is_one)
{
    struct pollfd fds[MANY];
    struct hub_timeout timeout;

    all_readable(fds);
    ck_assert_int_eq(hub_timeout_begin(&timeout, hub_now() + MS), 0);
    ck_assert_int_eq(hub_poll(fds, MANY, HUB_FOREVER), -ETIMEDOUT);
    ck_assert_int_eq(hub_poll(fds, MANY, HUB_NOWAIT), -ETIMEDOUT);
    ck_assert_int_eq(hub_timeout_end(&timeout), -ETIMEDOUT);
}
END_TEST

static void notes(void *arg)
{
    strcat(order, arg);
}

START_TEST(with_no_time_the_others_run_once_all_the_same)
{
    struct greenlet *g = hub_spawn_raw(notes, "g");
    struct pollfd fds[MANY];

    all_readable(fds);
    ck_assert_int_eq(hub_poll(fds, MANY, HUB_NOWAIT), 0);
    ck_assert_str_eq(order, "g");
    finish(g);
}
END_TEST

START_TEST(what_is_not_open_is_not_valid)
{
    struct pollfd fds[3] = { { ends[0][0], POLLIN, 0 },
                             { 999, POLLIN, 0 },
                             { -1, POLLIN, 0x55 } };
    fd_set set;

    ck_assert_int_eq(hub_poll(fds, 3, SOON), 1);
    ck_assert_int_eq(fds[1].revents, POLLNVAL);
    ck_assert_int_eq(fds[2].revents, 0);
    FD_ZERO(&set);
    FD_SET(999, &set);
    ck_assert_int_eq(hub_select(1000, &set, NULL, NULL, SOON), -EBADF);
    ck_assert(FD_ISSET(999, &set));
    ck_assert_int_eq(hub_select(-1, NULL, NULL, NULL, SOON), -EINVAL);
    ck_assert_int_eq(hub_select(FD_SETSIZE + 1, NULL, NULL, NULL, SOON),
                     -EINVAL);
    ck_assert_int_eq(hub_select(0, NULL, NULL, NULL, -1), -EINVAL);
    ck_assert_int_eq(hub_select(0, NULL, NULL, NULL, hub_now() + MS), 0);
}
END_TEST

START_TEST(a_regular_file_is_always_ready)
{
    int file = open("/proc/self/exe", O_RDONLY);
    struct pollfd fd = { file, POLLIN | POLLOUT, 0 };

    ck_assert_int_eq(hub_poll(&fd, 1, SOON), 1);
    ck_assert_int_eq(fd.revents, POLLIN | POLLOUT);
    close(file);
}
END_TEST

static void polls(void *arg)
{
    struct pollfd *fds = arg;

    fds[2].revents = (short)hub_poll(fds, 2, HUB_FOREVER);
}

/* The number is used again before the one who waited runs. */
START_TEST(one_that_is_closed_meanwhile_is_reported)
{
    struct pollfd fds[3] = { { ends[0][0], POLLIN, 0 },
                             { ends[1][0], POLLIN, 0 } };
    struct greenlet *g = hub_spawn_raw(polls, fds);
    int other[2];

    hub_yield();
    hub_close(ends[1][0]);
    ck_assert_int_eq(hub_pipe(other), 0);
    ck_assert_int_eq(other[0], ends[1][0]);
    finish(g);
    ck_assert_int_eq(fds[2].revents, 1);
    ck_assert_int_eq(fds[0].revents, 0);
    ck_assert_int_eq(fds[1].revents, POLLNVAL);
    hub_close(other[1]);
}
END_TEST

static void sends_urgent(void *arg)
{
    hub_sleep(MS);
    ck_assert_int_eq(send(*(int *)arg, "!", 1, MSG_OOB), 1);
}

static int connected_pair(int fds[2])
{
    int listener = hub_listen_on("127.0.0.1:0", 0, 0);
    struct hub_address to;
    char text[64];

    ck_assert_int_eq(hub_local_address(listener, &to), 0);
    ck_assert_int_gt(hub_address_format(&to, text, sizeof text), 0);
    fds[0] = hub_connect_to(text, SOON);
    fds[1] = hub_accept(listener, NULL, NULL, SOON);
    return hub_close(listener);
}

static struct pollfd two[2];

static void polls_two(void *arg)
{
    *(int *)arg = hub_poll(two, 2, SOON);
}

START_TEST(one_that_is_shut_down_is_not_taken_for_the_closed_one)
{
    int a[2], b[2], rc = 9;
    struct greenlet *g;

    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
    two[0] = (struct pollfd){ a[0], POLLIN, 0 };
    two[1] = (struct pollfd){ b[0], POLLIN, 0 };
    g = hub_spawn_raw(polls_two, &rc);
    hub_yield();
    hub_close(b[0]);
    hub_shutdown(a[0], SHUT_RD);
    finish(g);
    ck_assert_int_eq(rc, 2);
    ck_assert_int_eq(two[0].revents & POLLNVAL, 0);
    ck_assert_int_eq(two[1].revents, POLLNVAL);
    hub_close(a[0]);
    hub_close(a[1]);
    hub_close(b[1]);
}
END_TEST

START_TEST(urgent_data_is_waited_for)
{
    int pair[2];
    struct pollfd fd;
    struct greenlet *g;
    fd_set set;

    connected_pair(pair);
    fd = (struct pollfd){ pair[0], POLLPRI, 0 };
    ck_assert_int_eq(hub_poll(&fd, 1, hub_now() + MS), 0);
    g = hub_spawn_raw(sends_urgent, &pair[1]);
    ck_assert_int_eq(hub_poll(&fd, 1, SOON), 1);
    ck_assert_int_eq(fd.revents & POLLPRI, POLLPRI);
    finish(g);
    FD_ZERO(&set);
    FD_SET(pair[0], &set);
    ck_assert_int_eq(hub_select(pair[0] + 1, NULL, NULL, &set, SOON), 1);
    ck_assert(FD_ISSET(pair[0], &set));
    hub_close(pair[0]);
    hub_close(pair[1]);
}
END_TEST

static void hangs_up(void *arg)
{
    hub_sleep(MS);
    hub_close(*(int *)arg);
}

START_TEST(a_hang_up_is_told_also_to_who_asks_for_nothing)
{
    int pair[2];
    struct pollfd fds[2];
    struct greenlet *g;

    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    fds[0] = (struct pollfd){ pair[0], 0, 0 };
    fds[1] = (struct pollfd){ pair[0], POLLRDHUP, 0 };
    g = hub_spawn_raw(hangs_up, &pair[1]);
    ck_assert_int_eq(hub_poll(fds, 2, SOON), 2);
    ck_assert_int_eq(fds[0].revents, POLLHUP);
    finish(g);
    hub_close(pair[0]);
}
END_TEST

START_TEST(select_tells_the_sets_apart)
{
    fd_set readable, writable;
    struct greenlet *g = hub_spawn_raw(writes, &ends[3][1]);
    int most = 0;

    FD_ZERO(&readable);
    FD_ZERO(&writable);
    for (int i = 0; i < MANY; i++) {
        FD_SET(ends[i][0], &readable);
        most = ends[i][0] > most ? ends[i][0] : most;
    }
    ck_assert_int_eq(hub_select(most + 1, &readable, NULL, NULL, SOON), 1);
    ck_assert(FD_ISSET(ends[3][0], &readable));
    ck_assert(!FD_ISSET(ends[4][0], &readable));
    finish(g);
    FD_SET(ends[4][0], &readable);
    FD_SET(ends[4][1], &writable);
    most = ends[4][1];
    ck_assert_int_eq(hub_select(most + 1, &readable, &writable, NULL, SOON), 2);
    ck_assert(!FD_ISSET(ends[4][0], &readable));
    ck_assert(FD_ISSET(ends[4][1], &writable));
    FD_ZERO(&readable);
    FD_SET(ends[5][0], &readable);
    ck_assert_int_eq(
        hub_select(ends[5][0] + 1, &readable, NULL, NULL, HUB_NOWAIT), 0);
    ck_assert(!FD_ISSET(ends[5][0], &readable));
}
END_TEST

static void polls_once(void *arg)
{
    struct pollfd fd = { ends[0][0], POLLIN, 0 };

    *(int *)arg = hub_poll(&fd, 1, HUB_FOREVER);
}

START_TEST(all_who_poll_are_told_and_a_kill_ends_it)
{
    int rc[3] = { 9, 9, 9 };
    struct greenlet *g[3];

    for (int i = 0; i < 3; i++)
        g[i] = hub_spawn_raw(polls_once, &rc[i]);
    hub_yield();
    hub_kill(g[2]);
    hub_yield();
    ck_assert_int_eq(write(ends[0][1], "x", 1), 1);
    for (int i = 0; i < 3; i++)
        finish(g[i]);
    ck_assert_int_eq(rc[0], 1);
    ck_assert_int_eq(rc[1], 1);
    ck_assert_int_eq(rc[2], -ECANCELED);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, open_pipes, close_pipes);
    tcase_add_test(tcase, one_of_many_is_ready);
    tcase_add_test(tcase, a_deadline_is_no_error);
    tcase_add_test(tcase, the_deadline_of_a_scope_is_one);
    tcase_add_test(tcase, with_no_time_the_others_run_once_all_the_same);
    tcase_add_test(tcase, what_is_not_open_is_not_valid);
    tcase_add_test(tcase, a_regular_file_is_always_ready);
    tcase_add_test(tcase, one_that_is_closed_meanwhile_is_reported);
    tcase_add_test(tcase,
                   one_that_is_shut_down_is_not_taken_for_the_closed_one);
    tcase_add_test(tcase, a_foreign_number_that_is_used_again_is_watched_anew);
    tcase_add_test(tcase,
                   files_that_cannot_be_waited_for_do_not_spoil_the_rest);
    tcase_add_test(tcase, urgent_data_is_waited_for);
    tcase_add_test(tcase, a_hang_up_is_told_also_to_who_asks_for_nothing);
    tcase_add_test(tcase, select_tells_the_sets_apart);
    tcase_add_test(tcase, all_who_poll_are_told_and_a_kill_ends_it);
    return unit_run("select", tcase);
}
