/* Servers whose address is a name: while it is looked up others run. */
#include "../unit.h"
#include "hub/hub.h"

#include <errno.h>

#define SOON (hub_now() + 10 * HUB_SECOND) /* does not hang */

static struct hub_server *server;

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

static void handles(int fd, const struct hub_address *peer, void *arg)
{
    (void)fd;
    (void)peer;
    (void)arg;
}

static void starts(void *arg)
{
    *(int *)arg = hub_server_start(server);
}

START_TEST(two_who_start_a_server_start_one)
{
    int rc[2] = { 9, 9 };
    struct greenlet *g[2];

    ck_assert_int_eq(
        hub_server_new("localhost:0", handles, NULL, NULL, &server), 0);
    for (int i = 0; i < 2; i++)
        g[i] = hub_spawn_raw(starts, &rc[i]);
    for (int i = 0; i < 2; i++) {
        finish(g[i]);
        ck_assert_int_eq(rc[i], 0);
    }
    ck_assert_uint_eq(unit_count_fds(), unit_fds + 1);
    hub_server_free(server);
    hub_yield();
}
END_TEST

START_TEST(one_that_is_killed_leaves_the_start_to_the_other)
{
    int rc[2] = { 9, 9 };
    struct greenlet *g[2];

    ck_assert_int_eq(
        hub_server_new("localhost:0", handles, NULL, NULL, &server), 0);
    for (int i = 0; i < 2; i++)
        g[i] = hub_spawn_raw(starts, &rc[i]);
    hub_yield();
    hub_kill(g[_i]);
    for (int i = 0; i < 2; i++)
        finish(g[i]);
    ck_assert_int_eq(rc[_i], -ECANCELED);
    ck_assert_int_eq(rc[1 - _i], 0);
    hub_server_free(server);
    hub_yield();
}
END_TEST

START_TEST(one_that_is_closed_while_it_starts_does_not_listen)
{
    int rc = 9;
    struct greenlet *g;

    ck_assert_int_eq(
        hub_server_new("localhost:0", handles, NULL, NULL, &server), 0);
    g = hub_spawn_raw(starts, &rc);
    hub_yield();
    if (_i == 0)
        hub_server_close(server);
    else
        hub_server_free(server);
    finish(g);
    ck_assert_int_eq(rc, -EBADF);
    ck_assert_uint_eq(unit_count_fds(), unit_fds);
    if (_i == 0)
        hub_server_free(server);
}
END_TEST

/* The threads of the pool, and what libc opens once, are there before we count. */
static void look_up_once(void)
{
    hub_close(hub_listen_on("localhost:0", 0, 0));
}

int main(void)
{
    TCase *tcase = unit_case();

    look_up_once();
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, two_who_start_a_server_start_one);
    tcase_add_loop_test(tcase, one_that_is_killed_leaves_the_start_to_the_other,
                        0, 2);
    tcase_add_loop_test(tcase,
                        one_that_is_closed_while_it_starts_does_not_listen, 0,
                        2);
    return unit_run("service", tcase);
}
