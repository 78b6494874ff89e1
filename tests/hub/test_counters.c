/* counters.c: how much a hub has done. */
#include "../unit.h"
#include "hub/hub.h"

static int nothing(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

static int yields(void *arg, void **result)
{
    (void)result;
    for (long i = 0; i < (long)arg; i++)
        hub_yield();
    return 0;
}

START_TEST(what_is_spawned_and_switched_is_counted)
{
    struct hub_counters before, now;
    struct greenlet *g;

    hub_counters(hub_current(), &before);
    g = hub_spawn(yields, (void *)10L);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    hub_counters(hub_current(), &now);
    ck_assert_uint_eq(now.spawned - before.spawned, 1);
    ck_assert_uint_ge(now.switches - before.switches, 10);
    ck_assert_uint_eq(now.hubs, 1);
    ck_assert_uint_eq(now.stacks, before.stacks);
}
END_TEST

START_TEST(turns_of_the_loop_and_wakeups_are_counted)
{
    struct hub_counters before, now;

    hub_counters(hub_current(), &before);
    ck_assert_int_eq(hub_sleep(HUB_MILLISECOND), 0);
    hub_counters(hub_current(), &now);
    ck_assert_uint_ge(now.polls - before.polls, 1);
    ck_assert_uint_eq(now.wakeups - before.wakeups, 1);
}
END_TEST

START_TEST(the_peak_of_stacks_stays)
{
    enum { N = 500 };
    struct greenlet *all[N];
    struct hub_counters now;
    uint64_t stacks;

    hub_counters(hub_current(), &now);
    stacks = now.stacks;
    for (int i = 0; i < N; i++)
        all[i] = hub_spawn(nothing, NULL);
    hub_counters(hub_current(), &now);
    ck_assert_uint_eq(now.stacks, stacks + N);
    for (int i = 0; i < N; i++) {
        hub_join(all[i], HUB_FOREVER);
        greenlet_unref(all[i]);
    }
    hub_counters(hub_current(), &now);
    ck_assert_uint_eq(now.stacks, stacks);
    ck_assert_uint_ge(now.peak_stacks, stacks + N);
}
END_TEST

static void *other_thread(void *unused)
{
    struct greenlet *g = hub_spawn(yields, (void *)100L);

    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    return unused;
}

START_TEST(the_sum_keeps_what_hubs_did_that_are_gone)
{
    struct hub_counters before, now;
    pthread_t thread;

    hub_counters(NULL, &before);
    ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, NULL), 0);
    pthread_join(thread, NULL);
    hub_counters(NULL, &now);
    ck_assert_uint_eq(now.hubs, before.hubs);
    ck_assert_uint_ge(now.spawned - before.spawned, 1);
    ck_assert_uint_ge(now.switches - before.switches, 100);
}
END_TEST

/* Under ThreadSanitizer this is the test that looking is allowed. */
static void *looks(void *hub)
{
    struct hub_counters now;
    uint64_t last = 0;

    for (int i = 0; i < 10000; i++) {
        hub_counters(hub, &now);
        ck_assert_uint_ge(now.switches, last);
        last = now.switches;
    }
    return NULL;
}

START_TEST(another_thread_may_look_meanwhile)
{
    struct hub *hub = hub_current();
    pthread_t thread;
    struct greenlet *g;

    ck_assert_int_eq(pthread_create(&thread, NULL, looks, hub), 0);
    g = hub_spawn(yields, (void *)10000L);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, what_is_spawned_and_switched_is_counted);
    tcase_add_test(tcase, turns_of_the_loop_and_wakeups_are_counted);
    tcase_add_test(tcase, the_peak_of_stacks_stays);
    tcase_add_test(tcase, the_sum_keeps_what_hubs_did_that_are_gone);
    tcase_add_test(tcase, another_thread_may_look_meanwhile);
    return unit_run("counters", tcase);
}
