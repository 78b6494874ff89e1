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

static int returns(void *arg, void **result)
{
    *result = arg;
    return 0;
}

START_TEST(one_that_is_to_start_later_ends_with_its_hub)
{
    struct greenlet *g = hub_spawn_later(3600 * HUB_SECOND, returns, NULL);

    ck_assert_int_eq(hub_destroy(), 0);
    ck_assert(hub_ready(g) && !hub_active(g));
    ck_assert_int_eq(hub_start(g), 0);
    ck_assert_int_eq(hub_kill(g), 0);
    ck_assert_int_eq(hub_sleep(MS), 0);
    ck_assert(!greenlet_started(g));
    greenlet_unref(g);
}
END_TEST

static int note_end(struct greenlet *g, void *arg)
{
    ck_assert(hub_ready(g));
    note(*(const char *)arg);
    return 0;
}

START_TEST(one_that_was_not_started_can_be_in_the_next)
{
    struct greenlet *started = hub_greenlet_new(returns, order, 0);
    struct greenlet *killed = hub_greenlet_new(returns, NULL, 0);
    void *result = NULL;

    ck_assert_int_eq(hub_link(started, HUB_LINK_RAW, note_end, "r"), 0);
    ck_assert_int_eq(hub_link(started, HUB_LINK, note_end, "l"), 0);
    ck_assert_int_eq(hub_link(killed, HUB_LINK_RAW, note_end, "k"), 0);
    ck_assert_int_eq(hub_destroy(), 0);
    ck_assert(!hub_ready(started));
    ck_assert_int_eq(hub_start(started), 0);
    ck_assert_int_eq(hub_get(started, HUB_FOREVER, &result), 0);
    ck_assert_ptr_eq(result, order);
    ck_assert_int_eq(hub_kill(killed), 0);
    hub_sleep(MS);
    ck_assert_str_eq(order, "rlk");
    greenlet_unref(started);
    greenlet_unref(killed);
}
END_TEST

START_TEST(a_timeout_that_is_open_has_no_deadline_in_the_next)
{
    struct hub_timeout timeout, other;

    hub_timeout_begin(&timeout, hub_deadline(3600 * HUB_SECOND));
    hub_timeout_begin(&other, hub_deadline(3600 * HUB_SECOND));
    ck_assert_int_eq(hub_destroy(), 0);
    ck_assert(!hub_timeout_pending(&timeout));
    ck_assert_int_eq(hub_timeout_end(&other), 0);
    ck_assert_int_eq(hub_sleep(MS), 0);
    ck_assert_int_eq(hub_timeout_reset(&timeout, hub_deadline(MS)), 0);
    ck_assert_int_eq(hub_sleep(3600 * HUB_SECOND), -ETIMEDOUT);
    ck_assert_int_eq(hub_timeout_end(&timeout), -ETIMEDOUT);
}
END_TEST

static void note_ready(struct hub_object object, void *arg)
{
    (void)object;
    note(*(const char *)arg);
}

START_TEST(a_link_that_was_not_called_never_is_and_can_be_taken_out)
{
    struct hub_link set = { { 0 } }, unset = { { 0 } };
    struct hub_event event, never;

    hub_event_init(&event);
    hub_event_init(&never);
    hub_rawlink(&set, hub_event_object(&event), note_ready, "s");
    hub_rawlink(&unset, hub_event_object(&never), note_ready, "u");
    ck_assert_int_eq(hub_destroy(), 0);
    ck_assert_int_eq(hub_event_set(&event), 0);
    ck_assert_int_eq(hub_sleep(MS), 0);
    ck_assert_int_eq(hub_unlink(&set), 0);
    ck_assert_int_eq(hub_unlink(&unset), 0);
    ck_assert_int_eq(hub_event_destroy(&never), 0);
    ck_assert_str_eq(order, "");
}
END_TEST

static struct hub_event orphaned;

static int waits_on(void *arg, void **result)
{
    struct hub_shield shield;

    (void)result;
    hub_shield_begin(&shield);
    *(int *)arg = hub_event_wait(&orphaned, hub_deadline(3600 * HUB_SECOND));
    hub_shield_end(&shield);
    return 0;
}

static void throw_into_it(void *g)
{
    greenlet_throw(g, NULL, NULL);
}

/* What waits on is woken, killed, run by somebody else: nothing breaks. */
static void *leaves_two(void *rcs_of)
{
    int *rc = rcs_of;
    struct greenlet *woken = hub_spawn(waits_on, &rc[1]);
    struct greenlet *thrown = hub_spawn(waits_on, &rc[2]);

    hub_yield();
    rc[0] = hub_destroy();
    rc[3] = hub_event_destroy(&orphaned);
    hub_kill(thrown);
    hub_call_soon(throw_into_it, thrown);
    hub_sleep(MS);
    ck_assert(hub_ready(thrown));
    hub_event_set(&orphaned);
    hub_sleep(MS);
    ck_assert(!hub_ready(woken));
    greenlet_unref(woken);
    greenlet_unref(thrown);
    return NULL;
}

START_TEST(objects_may_wake_who_was_left_behind)
{
    pthread_t thread;
    int rc[4] = { 1, 1, 1, 1 };

    hub_event_init(&orphaned);
    pthread_create(&thread, NULL, leaves_two, rc);
    pthread_join(thread, NULL);
    ck_assert_int_eq(rc[0], -EBUSY);
    ck_assert_int_eq(rc[1], 1);
    ck_assert_int_eq(rc[2], -ECANCELED);
    ck_assert_int_eq(rc[3], -EBUSY);
    unit_setup(); /* an orphan stays */
}
END_TEST

static int destroys_in_a_handler(void *arg, void **result)
{
    (void)result;
    greenlet_signal_enter();
    *(int *)arg = hub_destroy();
    greenlet_signal_leave();
    return 0;
}

START_TEST(a_handler_in_another_greenlet_hears_that_it_is_one)
{
    int rc = 0;
    struct greenlet *g = hub_spawn(destroys_in_a_handler, &rc);

    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, -EDEADLK);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_signal_handler_does_not_destroy_it)
{
    struct greenlet *g = hub_spawn(returns, NULL);
    unsigned id = hub_id(hub_current());

    greenlet_signal_enter();
    ck_assert_int_eq(hub_destroy(), -EDEADLK);
    greenlet_signal_leave();
    ck_assert_uint_eq(hub_id(hub_current()), id);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    greenlet_unref(g);
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
    tcase_add_test(tcase, one_that_is_to_start_later_ends_with_its_hub);
    tcase_add_test(tcase, one_that_was_not_started_can_be_in_the_next);
    tcase_add_test(tcase, a_timeout_that_is_open_has_no_deadline_in_the_next);
    tcase_add_test(tcase,
                   a_link_that_was_not_called_never_is_and_can_be_taken_out);
    tcase_add_test(tcase, a_signal_handler_does_not_destroy_it);
    tcase_add_test(tcase, a_handler_in_another_greenlet_hears_that_it_is_one);
    tcase_add_test(tcase, objects_may_wake_who_was_left_behind);
    return unit_run("destroy", tcase);
}
