/* Groups of greenlets, with a limit and without. */
#include "order.h"

#include <pthread.h>

static struct hub_group *group;

static int sleeps(void *arg, void **result)
{
    *result = arg;
    return hub_sleep(*(int64_t *)arg);
}

static int64_t little = MS, much = 60 * HUB_SECOND;

static int notes(void *arg, void **result)
{
    note(*(const char *)arg);
    *result = arg;
    hub_sleep(MS);
    return 0;
}

START_TEST(a_pool_that_is_full_makes_spawn_wait)
{
    group = hub_pool_new(2);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(hub_group_spawn(group, notes, (void *)&"abcd"[i],
                                         HUB_FOREVER, NULL),
                         0);
    ck_assert_int_eq(strncmp(order, "ab", 2), 0); /* one of them has ended */
    ck_assert_uint_le(hub_group_count(group), 2);
    ck_assert_int_eq(hub_group_join(group, HUB_FOREVER, 0), 0);
    ck_assert_str_eq(order, "abcd");
    ck_assert_uint_eq(hub_group_free_count(group), 2);
    hub_group_free(group);
}
END_TEST

START_TEST(a_full_pool_says_so_at_the_deadline)
{
    struct greenlet *g = hub_greenlet_new(sleeps, &little, 0);

    group = hub_pool_new(1);
    ck_assert_int_eq(hub_group_spawn(group, sleeps, &much, HUB_FOREVER, NULL),
                     0);
    ck_assert_int_eq(hub_group_add(group, g, hub_now()), -EAGAIN);
    ck_assert_int_eq(hub_group_spawn(group, sleeps, &much, hub_now(), NULL),
                     -EAGAIN);
    ck_assert_int_eq(hub_group_wait_available(group, hub_now()), -ETIMEDOUT);
    ck_assert(!hub_group_contains(group, g));
    ck_assert_int_eq(hub_group_kill(group, NULL, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_group_wait_available(group, hub_now()), 0);
    ck_assert_int_eq(hub_group_start(group, g, HUB_FOREVER), 0);
    ck_assert(hub_group_contains(group, g));
    ck_assert_int_eq(hub_group_add(group, g, hub_now()), 0); /* once */
    ck_assert_uint_eq(hub_group_count(group), 1);
    ck_assert_int_eq(hub_group_join(group, HUB_FOREVER, 0), 0);
    ck_assert_int_eq(hub_group_add(group, g, hub_now()), 0); /* it has ended */
    ck_assert_uint_eq(hub_group_count(group), 0);
    hub_group_free(group);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_pool_of_0_is_always_full)
{
    group = hub_pool_new(0);
    ck_assert(hub_group_full(group));
    ck_assert_int_eq(hub_group_spawn(group, sleeps, &much, hub_now(), NULL),
                     -EAGAIN);
    hub_group_free(group);
}
END_TEST

START_TEST(a_group_has_no_limit)
{
    struct greenlet *g;

    group = hub_group_new();
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(hub_group_spawn(group, sleeps, &little, 0, NULL), 0);
    ck_assert(!hub_group_full(group));
    ck_assert_uint_eq(hub_group_free_count(group), SIZE_MAX);
    ck_assert_int_eq(hub_group_spawn(group, sleeps, &much, 0, &g), 0);
    ck_assert_int_eq(hub_group_discard(group, g), 0);
    ck_assert_int_eq(hub_group_discard(group, g), -ENOENT);
    ck_assert_int_eq(hub_group_join(group, HUB_FOREVER, 0), 0);
    ck_assert(!hub_ready(g));
    hub_group_free(group);
    hub_kill_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

static int respawns(void *arg, void **result)
{
    int *left = arg;
    int rc = hub_sleep(much);

    (void)result;
    if (--*left > 0)
        hub_group_spawn(group, respawns, left, HUB_FOREVER, NULL);
    return rc;
}

START_TEST(kill_goes_on_until_it_is_empty)
{
    int left = 5;

    group = hub_group_new();
    hub_group_spawn(group, respawns, &left, 0, NULL);
    hub_group_spawn(group, sleeps, &much, 0, NULL);
    hub_yield();
    ck_assert_int_eq(hub_group_kill(group, NULL, HUB_FOREVER), 0);
    ck_assert_uint_eq(hub_group_count(group), 0);
    ck_assert_int_eq(hub_group_kill(group, NULL, HUB_FOREVER), 0);
    hub_group_free(group);
}
END_TEST

static int ignores(void *arg, void **result)
{
    struct hub_shield shield;

    (void)result;
    hub_shield_begin(&shield);
    while (!*(bool *)arg)
        hub_sleep(MS);
    hub_shield_end(&shield);
    return 0;
}

START_TEST(the_deadline_of_kill_passes_in_silence)
{
    bool released = false;

    group = hub_group_new();
    hub_group_spawn(group, ignores, &released, 0, NULL);
    hub_yield();
    ck_assert_int_eq(hub_group_kill(group, NULL, hub_deadline(MS)), 0);
    ck_assert_uint_eq(hub_group_count(group), 1);
    released = true;
    ck_assert_int_eq(hub_group_join(group, HUB_FOREVER, 0), 0);
    hub_group_free(group);
}
END_TEST

static int fails(void *arg, void **result)
{
    (void)result;
    return *(int *)arg;
}

START_TEST(join_can_return_a_failure)
{
    int error = -ENOENT;
    int64_t some = 50 * MS;

    group = hub_group_new();
    hub_group_spawn(group, fails, &error, 0, NULL);
    hub_group_spawn(group, sleeps, &some, 0, NULL);
    ck_assert_int_eq(hub_group_join(group, hub_now(), HUB_JOIN_RAISE),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_group_join(group, HUB_FOREVER, HUB_JOIN_RAISE),
                     -ENOENT);
    ck_assert_int_eq(hub_group_join(group, HUB_FOREVER, HUB_JOIN_RAISE), 0);
    ck_assert_int_eq(reports, 1);
    hub_group_free(group);
}
END_TEST

static int refills(void *arg, void **result)
{
    (void)result;
    hub_group_spawn(group, sleeps, arg, HUB_FOREVER, NULL);
    return 0;
}

/* Somebody may have added more by the time it returns. */
START_TEST(join_waits_until_it_was_empty_once)
{
    struct greenlet *g, *filler;

    group = hub_group_new();
    hub_group_spawn(group, fails, &(int){ 0 }, 0, &g);
    filler = hub_spawn(refills, &much);
    ck_assert_int_eq(hub_group_join(group, HUB_FOREVER, 0), 0);
    ck_assert_uint_eq(hub_group_count(group), 1);
    hub_group_kill(group, NULL, HUB_FOREVER);
    hub_group_free(group);
    greenlet_unref(g);
    greenlet_unref(filler);
    hub_yield(); /* one never began, and leaves its stack */
}
END_TEST

static int count_one(struct greenlet *g, void *data)
{
    (void)g;
    return ++*(int *)data == 2;
}

START_TEST(its_members_can_be_looked_at)
{
    int count = 0;

    group = hub_group_new();
    for (int i = 0; i < 3; i++)
        hub_group_spawn(group, sleeps, &little, 0, NULL);
    ck_assert_int_eq(hub_group_each(group, count_one, &count), 1);
    ck_assert_int_eq(count, 2);
    hub_group_join(group, HUB_FOREVER, 0);
    hub_group_free(group);
}
END_TEST

static int rcs[2];

static int waits_for_place(void *arg, void **result)
{
    (void)result;
    rcs[0] = hub_group_spawn(group, sleeps, arg, HUB_FOREVER, NULL);
    return 0;
}

START_TEST(freeing_it_ends_waits_and_leaves_members_alone)
{
    struct greenlet *g, *waiter;

    group = hub_pool_new(1);
    hub_group_spawn(group, sleeps, &little, HUB_FOREVER, &g);
    waiter = hub_spawn(waits_for_place, &little);
    hub_yield();
    hub_group_free(group);
    ck_assert_int_eq(hub_join(waiter, HUB_FOREVER), 0);
    ck_assert_int_eq(rcs[0], -ECANCELED);
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, NULL), 0);
    greenlet_unref(g);
    greenlet_unref(waiter);
    hub_group_free(NULL);
}
END_TEST

static int waits_and_is_killed(void *arg, void **result)
{
    (void)result;
    return hub_group_spawn(group, sleeps, arg, HUB_FOREVER, NULL);
}

START_TEST(a_kill_of_who_waits_loses_no_place)
{
    struct greenlet *g;

    group = hub_pool_new(1);
    hub_group_spawn(group, sleeps, &little, HUB_FOREVER, NULL);
    g = hub_spawn(waits_and_is_killed, &little);
    hub_yield();
    ck_assert_int_eq(hub_kill_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_group_join(group, HUB_FOREVER, 0), 0);
    ck_assert_uint_eq(hub_group_free_count(group), 1);
    hub_group_free(group);
    greenlet_unref(g);
}
END_TEST

static void *of_another_thread(void *arg)
{
    hub_yield();
    ck_assert_int_eq(hub_group_join(arg, HUB_FOREVER, 0), -EXDEV);
    ck_assert_int_eq(hub_group_spawn(arg, sleeps, &little, 0, NULL), -EXDEV);
    ck_assert_int_eq(hub_group_kill(arg, NULL, 0), -EXDEV);
    return NULL;
}

START_TEST(it_is_for_its_thread)
{
    pthread_t thread;

    group = hub_group_new();
    pthread_create(&thread, NULL, of_another_thread, group);
    pthread_join(thread, NULL);
    hub_group_free(group);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, a_pool_that_is_full_makes_spawn_wait);
    tcase_add_test(tcase, a_full_pool_says_so_at_the_deadline);
    tcase_add_test(tcase, a_pool_of_0_is_always_full);
    tcase_add_test(tcase, a_group_has_no_limit);
    tcase_add_test(tcase, kill_goes_on_until_it_is_empty);
    tcase_add_test(tcase, the_deadline_of_kill_passes_in_silence);
    tcase_add_test(tcase, join_can_return_a_failure);
    tcase_add_test(tcase, join_waits_until_it_was_empty_once);
    tcase_add_test(tcase, its_members_can_be_looked_at);
    tcase_add_test(tcase, freeing_it_ends_waits_and_leaves_members_alone);
    tcase_add_test(tcase, a_kill_of_who_waits_loses_no_place);
    tcase_add_test(tcase, it_is_for_its_thread);
    return unit_run("group", tcase);
}
