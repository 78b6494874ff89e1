/* Calls on descriptors: fairness, callbacks of the loop, system calls. */
#include "pair.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static void answers_once(void *arg)
{
    char byte;

    ck_assert_int_eq(hub_recv(*(int *)arg, &byte, 1, 0, HUB_FOREVER), 1);
    strcat(order, "w");
}

/* Neither those who are ready nor those who wait for the loop are starved. */
START_TEST(a_peer_that_is_always_ready_does_not_starve_the_others)
{
    int ends[2];
    struct greenlet *g, *waits;
    char byte = 'b';

    stop = false;
    turns = 0;
    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    waits = hub_spawn_raw(answers_once, &ends[0]);
    g = hub_spawn_raw(counts, NULL);
    hub_yield();
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    for (int i = 0; i < 2000; i++) {
        ck_assert_int_eq(hub_send(theirs, &byte, 1, 0, HUB_FOREVER), 1);
        ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, HUB_NOWAIT), 1);
    }
    ck_assert_int_gt(turns, 20);
    ck_assert_str_eq(order, "w");
    stop = true;
    finish(g);
    finish(waits);
    hub_close(ends[0]);
    hub_close(ends[1]);
}
END_TEST

static ssize_t in_callback;

static void receives_in_the_loop(void *arg)
{
    char byte;

    (void)arg;
    in_callback = hub_recv(ours, &byte, 1, 0, HUB_FOREVER);
}

START_TEST(a_callback_of_the_loop_receives_what_is_there_and_cannot_wait)
{
    ck_assert_int_eq(hub_send(theirs, "x", 1, 0, SOON), 1);
    ck_assert_ptr_nonnull(hub_call_soon(receives_in_the_loop, NULL));
    hub_yield();
    ck_assert_int_eq(in_callback, 1);
    ck_assert_ptr_nonnull(hub_call_soon(receives_in_the_loop, NULL));
    hub_yield();
    ck_assert_int_eq(in_callback, -EDEADLK);
}
END_TEST

/* ---- system calls ---- */

static long ctls;

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    ctls++;
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

static long receives_made;

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    receives_made++;
    return (ssize_t)syscall(SYS_recvfrom, fd, buffer, size, flags, NULL, NULL);
}

static void echoes(void *arg)
{
    char buffer[64];
    ssize_t got;

    (void)arg;
    while ((got = hub_recv(theirs, buffer, sizeof buffer, 0, HUB_FOREVER)) > 0)
        hub_send(theirs, buffer, (size_t)got, 0, HUB_FOREVER);
}

START_TEST(a_request_takes_one_receive_and_no_registration)
{
    struct greenlet *g = hub_spawn_raw(echoes, NULL);
    char buffer[64];

    ck_assert_int_eq(hub_send(ours, "hello", 5, 0, SOON), 5);
    ck_assert_int_eq(hub_recv(ours, buffer, sizeof buffer, 0, SOON), 5);
    ctls = receives_made = 0;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(hub_send(ours, "hello", 5, 0, SOON), 5);
        ck_assert_int_eq(hub_recv(ours, buffer, sizeof buffer, 0, SOON), 5);
    }
    ck_assert_int_le(ctls, 2);
    ck_assert_int_le(receives_made, 204);
    hub_shutdown(ours, SHUT_WR);
    finish(g);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, open_pair, close_pair);
    tcase_add_test(tcase,
                   a_peer_that_is_always_ready_does_not_starve_the_others);
    tcase_add_test(
        tcase, a_callback_of_the_loop_receives_what_is_there_and_cannot_wait);
    tcase_add_test(tcase, a_request_takes_one_receive_and_no_registration);
    return unit_run("io", tcase);
}
