/* spawn, join, yield, sleep, kill: greenlets that the hub runs. */
#include "../unit.h"
#include "hub/hub.h"

#include <errno.h>

#define MS INT64_C(1000000)

static char order[32];

static void note(char what)
{
    size_t length = strlen(order);

    if (length + 1 < sizeof order)
        order[length] = what;
}

static void note_a(void *arg)
{
    note(*(const char *)arg);
    hub_yield();
    note(*(const char *)arg);
}

START_TEST(ready_greenlets_take_turns_in_the_order_of_spawning)
{
    struct greenlet *a = hub_spawn_raw(note_a, "a");
    struct greenlet *b = hub_spawn_raw(note_a, "b");

    ck_assert_str_eq(order, "");
    ck_assert_int_eq(hub_join(a, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_join(b, HUB_FOREVER), 0);
    ck_assert_str_eq(order, "abab");
    ck_assert(greenlet_dead(a));
    greenlet_unref(a);
    greenlet_unref(b);
}
END_TEST

START_TEST(it_runs_without_a_reference)
{
    greenlet_unref(hub_spawn_raw(note_a, "x"));
    hub_yield();
    hub_yield();
    hub_yield();
    ck_assert_str_eq(order, "xx");
}
END_TEST

static void sleeps(void *arg)
{
    int64_t before = hub_now();

    *(int *)arg = hub_sleep(20 * MS);
    ck_assert(*(int *)arg != 0 || hub_now() - before >= 20 * MS);
    note('s');
}

START_TEST(a_join_may_time_out)
{
    int rc = 1;
    struct greenlet *g = hub_spawn_raw(sleeps, &rc);

    ck_assert_int_eq(hub_join(g, hub_now() + 2 * MS), -ETIMEDOUT);
    ck_assert(!greenlet_dead(g));
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0); /* at once */
    ck_assert_int_eq(rc, 0);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_killed_sleep_ends_at_once)
{
    int rc = 1;
    struct greenlet *g = hub_spawn_raw(sleeps, &rc);

    hub_yield();
    ck_assert_int_eq(hub_kill(g), 0);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, -ECANCELED);
    ck_assert_int_eq(hub_kill(g), 0); /* it has ended: nothing to do */
    greenlet_unref(g);
}
END_TEST

START_TEST(killed_before_it_begins_it_never_runs)
{
    int rc = 1;
    struct greenlet *g = hub_spawn_raw(sleeps, &rc);

    ck_assert_int_eq(hub_kill(g), 0);
    ck_assert(hub_ready(g));
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    hub_yield();
    ck_assert_int_eq(rc, 1);
    ck_assert(greenlet_dead(g));
    greenlet_unref(g);
}
END_TEST

static void joins(void *arg)
{
    ck_assert_int_eq(hub_join(arg, HUB_FOREVER), 0);
    note('j');
}

START_TEST(several_may_join_one)
{
    int rc;
    struct greenlet *g = hub_spawn_raw(sleeps, &rc);
    struct greenlet *a = hub_spawn_raw(joins, g), *b = hub_spawn_raw(joins, g);

    ck_assert_int_eq(hub_join(a, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_join(b, HUB_FOREVER), 0);
    ck_assert_str_eq(order, "sjj");
    greenlet_unref(a);
    greenlet_unref(b);
    greenlet_unref(g);
}
END_TEST

static void joins_itself(void *arg)
{
    *(int *)arg = hub_join(greenlet_current(), HUB_FOREVER);
}

START_TEST(joining_oneself_is_refused)
{
    int rc = 0;
    struct greenlet *g = hub_spawn_raw(joins_itself, &rc);

    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, -EDEADLK);
    greenlet_unref(g);
}
END_TEST

static void counts(void *arg)
{
    ++*(long *)arg;
}

START_TEST(ten_thousand_alive_at_once)
{
    enum { N = 10000 };
    struct greenlet **all = calloc(N, sizeof(struct greenlet *));
    long count = 0;

    for (int i = 0; i < N; i++) {
        all[i] = hub_spawn_raw(counts, &count);
        ck_assert_ptr_nonnull(all[i]);
    }
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(hub_join(all[i], HUB_FOREVER), 0);
        greenlet_unref(all[i]);
    }
    ck_assert_int_eq(count, N);
    free(all);
}
END_TEST

static void clear_order(void)
{
    hub_yield(); /* the hub exists before anything is counted */
    memset(order, 0, sizeof order);
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_checked_fixture(tcase, clear_order, NULL);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase,
                   ready_greenlets_take_turns_in_the_order_of_spawning);
    tcase_add_test(tcase, it_runs_without_a_reference);
    tcase_add_test(tcase, a_join_may_time_out);
    tcase_add_test(tcase, a_killed_sleep_ends_at_once);
    tcase_add_test(tcase, killed_before_it_begins_it_never_runs);
    tcase_add_test(tcase, several_may_join_one);
    tcase_add_test(tcase, joining_oneself_is_refused);
    tcase_add_test(tcase, ten_thousand_alive_at_once);
    return unit_run("spawn", tcase);
}
