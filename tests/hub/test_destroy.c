/* The end of a hub: by call, and with its thread. */
#include "order.h"

#include "context/testhook.h"

#include <pthread.h>

static int cleaned, rcs[4];

static void cleanup(void *arg)
{
    struct hub_shield shield;

    (void)arg;
    hub_shield_begin(&shield);
    rcs[1] = hub_sleep(MS);
    hub_shield_end(&shield);
    cleaned++;
}

static int waits_for_ever(void *arg, void **result)
{
    (void)arg;
    (void)result;
    greenlet_defer(cleanup, NULL);
    rcs[0] = hub_sleep(3600 * HUB_SECOND);
    return rcs[0];
}

START_TEST(destroy_ends_all_and_their_cleanups_run)
{
    struct greenlet *g = hub_spawn(waits_for_ever, NULL);
    struct greenlet *unbegun;
    unsigned id = hub_id(hub_current());

    hub_yield();
    cleaned = 0;
    unbegun = hub_spawn(waits_for_ever, NULL);
    ck_assert_int_eq(hub_destroy(), 0);
    ck_assert_int_eq(cleaned, 1);
    ck_assert_int_eq(rcs[0], -ECANCELED);
    ck_assert_int_eq(rcs[1], 0);
    ck_assert(hub_ready(g) && greenlet_dead(g));
    ck_assert_ptr_eq(hub_exception(g)->cls, &hub_destroyed_class);
    ck_assert(hub_ready(unbegun) && hub_successful(unbegun));
    greenlet_unref(g);
    greenlet_unref(unbegun);
    ck_assert_int_eq(hub_destroy(), 0); /* there is none */
    ck_assert_int_eq(hub_sleep(MS), 0); /* the next use makes one */
    ck_assert_uint_ne(hub_id(hub_current()), id);
}
END_TEST

static int destroys(void *arg, void **result)
{
    (void)result;
    *(int *)arg = hub_destroy();
    return 0;
}

START_TEST(only_the_main_greenlet_destroys)
{
    int rc = 0;
    struct greenlet *g = hub_spawn(destroys, &rc);

    hub_join(g, HUB_FOREVER);
    ck_assert_int_eq(rc, -EPERM);
    greenlet_unref(g);
}
END_TEST

static void *leaves_work(void *unused)
{
    struct greenlet *g = hub_spawn(waits_for_ever, NULL);

    hub_yield();
    greenlet_unref(g);
    return unused;
}

START_TEST(the_end_of_a_thread_ends_what_its_hub_spawned)
{
    pthread_t thread;

    cleaned = 0;
    pthread_create(&thread, NULL, leaves_work, NULL);
    pthread_join(thread, NULL);
    ck_assert_int_eq(cleaned, 1);
    ck_assert_int_eq(rcs[0], -ECANCELED);
}
END_TEST

/* Spawns its successor when it is killed. */
static int respawns(void *arg, void **result)
{
    int *left = arg;
    int rc = hub_sleep(3600 * HUB_SECOND);

    (void)result;
    if (--*left > 0)
        greenlet_unref(hub_spawn(respawns, left));
    return rc;
}

START_TEST(those_that_are_spawned_meanwhile_end_too)
{
    int left = 5;

    greenlet_unref(hub_spawn(respawns, &left));
    hub_yield();
    ck_assert_int_eq(hub_destroy(), 0);
    ck_assert_int_le(left, 4);
    hub_yield(); /* a hub again, as when the counting began */
}
END_TEST

static int stuck(void *arg, void **result)
{
    struct hub_shield shield;

    (void)result;
    hub_shield_begin(&shield);
    hub_join(arg, HUB_FOREVER);
    hub_shield_end(&shield);
    return 0;
}

/* An orphan stays: this test is the last, and counts nothing. */
static void *destroys_in_vain(void *rc)
{
    struct greenlet *g = hub_spawn(stuck, greenlet_current());

    hub_yield();
    *(int *)rc = hub_destroy();
    ck_assert(!hub_ready(g));
    greenlet_unref(g);
    return NULL;
}

START_TEST(who_will_not_end_is_left_behind)
{
    pthread_t thread;
    int rc = 0;

    pthread_create(&thread, NULL, destroys_in_vain, &rc);
    pthread_join(thread, NULL);
    ck_assert_int_eq(rc, -EBUSY);
    unit_setup();
}
END_TEST

static void counts(void *arg)
{
    ++*(int *)arg;
}

static int called;

static void *calls(void *hub)
{
    ck_assert_int_eq(hub_call_soon_threadsafe(hub, counts, &called), 0);
    return NULL;
}

START_TEST(calls_of_other_threads_are_made_before_it_goes)
{
    pthread_t thread;

    called = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, calls, hub_current()), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(hub_destroy(), 0);
    ck_assert_int_eq(called, 1);
    ck_assert_int_eq(hub_sleep(0), 0); /* the fixture counts a hub */
}
END_TEST

START_TEST(without_memory_for_a_list_all_end_the_same)
{
    enum { MANY = 40 };
    struct greenlet *all[MANY];

    for (int i = 0; i < MANY; i++)
        all[i] = hub_spawn(waits_for_ever, NULL);
    hub_yield();
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, 1);
    ck_assert_int_eq(hub_destroy(), 0);
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
    for (int i = 0; i < MANY; i++) {
        ck_assert(hub_ready(all[i]));
        greenlet_unref(all[i]);
    }
    ck_assert_int_eq(hub_sleep(0), 0);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, destroy_ends_all_and_their_cleanups_run);
    tcase_add_test(tcase, only_the_main_greenlet_destroys);
    tcase_add_test(tcase, the_end_of_a_thread_ends_what_its_hub_spawned);
    tcase_add_test(tcase, those_that_are_spawned_meanwhile_end_too);
    tcase_add_test(tcase, who_will_not_end_is_left_behind);
    tcase_add_test(tcase, calls_of_other_threads_are_made_before_it_goes);
    tcase_add_test(tcase, without_memory_for_a_list_all_end_the_same);
    return unit_run("destroy", tcase);
}
