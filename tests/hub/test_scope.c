/* What ends waits from outside: kill, throw, switch, shields. */
#include "order.h"

#include <unistd.h>

static int rcs[8];

static int sleeps_twice(void *arg, void **result)
{
    (void)arg;
    (void)result;
    rcs[0] = hub_sleep(HUB_SECOND * 60);
    rcs[1] = hub_sleep(HUB_SECOND * 60);
    rcs[2] = hub_sleep(0);
    return 0;
}

START_TEST(a_kill_ends_every_wait_that_follows)
{
    struct greenlet *g = hub_spawn(sleeps_twice, NULL);

    hub_yield();
    ck_assert_int_eq(hub_kill(g), 0);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(rcs[i], -ECANCELED);
    ck_assert(hub_successful(g));
    greenlet_unref(g);
}
END_TEST

static int shielded(void *arg, void **result)
{
    struct hub_shield shield, inner;

    (void)arg;
    (void)result;
    rcs[0] = hub_sleep(HUB_SECOND * 60);
    hub_shield_begin(&shield);
    rcs[1] = hub_sleep(MS);
    hub_shield_begin(&inner);
    rcs[2] = hub_sleep(MS);
    hub_shield_end(&inner);
    rcs[3] = hub_canceled();
    hub_shield_end(&shield);
    rcs[4] = hub_canceled();
    rcs[5] = hub_sleep(MS);
    return 0;
}

START_TEST(a_shield_lets_cleanups_wait)
{
    static const int expected[] = { -ECANCELED, 0, 0, 0, -ECANCELED,
                                    -ECANCELED };
    struct greenlet *g = hub_spawn(shielded, NULL);

    hub_yield();
    hub_kill(g);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(rcs[i], expected[i]);
    greenlet_unref(g);
}
END_TEST

static int shield_first(void *arg, void **result)
{
    struct hub_shield shield;

    (void)arg;
    (void)result;
    hub_shield_begin(&shield);
    rcs[0] = hub_sleep(5 * MS);
    hub_shield_end(&shield);
    rcs[1] = hub_sleep(5 * MS);
    return 0;
}

START_TEST(a_kill_during_a_shield_waits_until_it_is_left)
{
    struct greenlet *g = hub_spawn(shield_first, NULL);

    hub_yield();
    hub_kill(g);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rcs[0], 0);
    ck_assert_int_eq(rcs[1], -ECANCELED);
    greenlet_unref(g);
}
END_TEST

static const struct greenlet_class odd_class = { "Odd",
                                                 &greenlet_exception_class,
                                                 -EDOM };

static const struct greenlet_exception odd = { .cls = &odd_class,
                                               .text = "thrown" };

/* The loop does it, since a raw switch does not come back by itself. */
static void throws(void *g)
{
    greenlet_throw(g, &odd, NULL);
}

static void switches(void *g)
{
    greenlet_switch(g, "value", NULL);
}

START_TEST(a_throw_ends_one_wait)
{
    struct greenlet *g = hub_spawn(sleeps_twice, NULL);

    hub_yield();
    hub_call_soon(throws, g);
    hub_sleep(0);
    ck_assert_int_eq(rcs[0], -EDOM);
    hub_kill(g);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rcs[1], -ECANCELED);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_record_thrown_into_a_wait_can_be_caught)
{
    struct greenlet_exception caught = { 0 };

    hub_call_soon(throws, greenlet_current());
    ck_assert_int_eq(hub_sleep(60 * HUB_SECOND), -EDOM);
    ck_assert(greenlet_caught(&caught));
    ck_assert_str_eq(caught.text, "thrown");
    ck_assert_ptr_eq(caught.cls, &odd_class);
}
END_TEST

START_TEST(a_switch_into_a_wait_is_refused_by_it)
{
    struct greenlet_exception caught = { 0 };

    hub_call_soon(switches, greenlet_current());
    ck_assert_int_eq(hub_sleep(60 * HUB_SECOND), -EPROTO);
    ck_assert(greenlet_caught(&caught));
    ck_assert_ptr_eq(caught.cls, &hub_invalid_switch_class);
    ck_assert_int_eq(hub_sleep(MS), 0);
}
END_TEST

static int waits_for_pipe(void *arg, void **result)
{
    (void)result;
    rcs[0] = hub_wait_fd(*(int *)arg, HUB_READ, HUB_FOREVER);
    return rcs[0];
}

START_TEST(a_wait_for_an_fd_is_killed)
{
    int ends[2];
    struct greenlet *g;

    ck_assert_int_eq(pipe(ends), 0);
    g = hub_spawn(waits_for_pipe, &ends[0]);
    hub_yield();
    hub_kill(g);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rcs[0], -ECANCELED);
    greenlet_unref(g);
    hub_fd_closed(ends[0]); /* before it is closed */
    close(ends[0]);
    close(ends[1]);
}
END_TEST

static void kills_and_throws(void *g)
{
    hub_kill(g); /* woken, on the ready list */
    greenlet_throw(g, &odd, NULL);
}

/* A wake and a throw in the same turn: the wait ends once, by the throw. */
START_TEST(who_was_woken_already_can_be_thrown_into)
{
    struct greenlet *g = hub_spawn(sleeps_twice, NULL);

    hub_yield();
    hub_call_soon(kills_and_throws, g);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rcs[0], -EDOM);
    ck_assert_int_eq(rcs[1], -ECANCELED);
    greenlet_unref(g);
}
END_TEST

static int ended_by_frame(void *arg, void **result)
{
    struct hub_timeout outer, inner;

    (void)arg;
    (void)result;
    hub_timeout_begin(&outer, hub_deadline(5 * MS));
    hub_timeout_begin(&inner, hub_deadline(60 * HUB_SECOND));
    rcs[0] = hub_sleep(60 * HUB_SECOND);
    rcs[1] = hub_timeout_fired(&outer);
    rcs[2] = hub_timeout_fired(&inner);
    rcs[3] = hub_timeout_end(&inner);
    rcs[4] = hub_canceled();
    rcs[5] = hub_timeout_end(&outer);
    rcs[6] = hub_canceled();
    return 0;
}

START_TEST(an_outer_timeout_ends_waits_inside_until_it_is_left)
{
    static const int expected[] = { -ETIMEDOUT, 1, 0, 0, -ETIMEDOUT,
                                    -ETIMEDOUT, 0 };
    struct greenlet *g = hub_spawn(ended_by_frame, NULL);

    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(rcs[i], expected[i]);
    greenlet_unref(g);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, a_kill_ends_every_wait_that_follows);
    tcase_add_test(tcase, a_shield_lets_cleanups_wait);
    tcase_add_test(tcase, a_kill_during_a_shield_waits_until_it_is_left);
    tcase_add_test(tcase, a_throw_ends_one_wait);
    tcase_add_test(tcase, a_record_thrown_into_a_wait_can_be_caught);
    tcase_add_test(tcase, a_switch_into_a_wait_is_refused_by_it);
    tcase_add_test(tcase, a_wait_for_an_fd_is_killed);
    tcase_add_test(tcase, who_was_woken_already_can_be_thrown_into);
    tcase_add_test(tcase, an_outer_timeout_ends_waits_inside_until_it_is_left);
    return unit_run("scope", tcase);
}
