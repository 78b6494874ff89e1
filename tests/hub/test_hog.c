/* Greenlets that compute: they wait behind all others */
#include "../unit.h"
#include "hub/hub_impl.h"

#include <limits.h>

static char order[32];
static int left;

static void note(char name)
{
    order[strlen(order)] = name;
}

static void computes(void *arg)
{
    for (int i = 0; i < 2; i++) {
        note(*(const char *)arg);
        hub__hog_gives_way(hub_current(), false);
    }
}

/* As if it was interrupted for something that is due. */
static void goes_on(void *arg)
{
    note(*(const char *)arg);
    hub__hog_gives_way(hub_current(), false);
    note(*(const char *)arg);
    hub__hog_gives_way(hub_current(), true);
    note(*(const char *)arg);
}

static void yields(void *arg)
{
    for (int i = 0; i < 3; i++) {
        note(*(const char *)arg);
        hub_yield();
    }
}

static void join(struct greenlet **all, int count)
{
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(hub_join(all[i], HUB_FOREVER), 0);
        greenlet_unref(all[i]);
    }
}

START_TEST(others_go_first)
{
    struct greenlet *all[] = { hub_spawn_raw(computes, "H"),
                               hub_spawn_raw(yields, "a"),
                               hub_spawn_raw(yields, "b") };

    join(all, 3);
    ck_assert_str_eq(order, "HabababH");
}
END_TEST

START_TEST(they_take_turns)
{
    struct greenlet *all[] = { hub_spawn_raw(computes, "H"),
                               hub_spawn_raw(computes, "I") };

    join(all, 2);
    ck_assert_str_eq(order, "HIHI");
}
END_TEST

START_TEST(who_was_interrupted_goes_on)
{
    struct greenlet *all[] = { hub_spawn_raw(goes_on, "H"),
                               hub_spawn_raw(goes_on, "I") };

    join(all, 2);
    ck_assert_str_eq(order, "HIHHII");
}
END_TEST

static void never_waits(void *arg)
{
    (void)arg;
    while (left > 0)
        hub_yield();
}

static void counts(void *arg)
{
    (void)arg;
    while (left > 0) {
        hub__hog_gives_way(hub_current(), false);
        left--;
    }
}

/* They get on beside one that never waits. */
START_TEST(they_are_not_starved)
{
    struct greenlet *all[2];

    left = 3;
    all[0] = hub_spawn_raw(never_waits, NULL);
    all[1] = hub_spawn_raw(counts, NULL);
    join(all, 2);
    ck_assert_int_eq(left, 0);
}
END_TEST

static uint32_t word;

static void has_what_they_want(void *arg)
{
    word = 1;
    note(*(const char *)arg);
    hub__hog_gives_way(hub_current(), false);
    note(*(const char *)arg);
    word = 0;
    hub__lot_wake(&word, INT_MAX);
}

static void wants(void *arg)
{
    note(*(const char *)arg);
    while (word != 0)
        hub__lot_wait(&word, 1, HUB_FOREVER, 0);
}

/* Two are enough to see that all who run wait for it. */
START_TEST(who_has_what_they_wait_for_goes_on)
{
    struct greenlet *all[] = { hub_spawn_raw(has_what_they_want, "H"),
                               hub_spawn_raw(wants, "a"),
                               hub_spawn_raw(wants, "b"),
                               hub_spawn_raw(wants, "c"),
                               hub_spawn_raw(wants, "d") };

    join(all, 5);
    ck_assert_str_eq(order, "HabHcd");
}
END_TEST

static void does_what_comes(void *arg)
{
    for (int i = 0; i < 2; i++) {
        note(*(const char *)arg);
        hub__lot_wait(&word, 0, HUB_FOREVER, 0);
    }
}

static void has_work_for_them(void *arg)
{
    note(*(const char *)arg);
    hub__lot_wake(&word, INT_MAX);
    hub__hog_gives_way(hub_current(), false);
    note(*(const char *)arg);
    hub__lot_wake(&word, INT_MAX);
}

/* Those have done something in between. */
START_TEST(who_is_woken_and_waits_again_does_not_count)
{
    struct greenlet *all[] = { hub_spawn_raw(does_what_comes, "a"),
                               hub_spawn_raw(does_what_comes, "b"),
                               hub_spawn_raw(does_what_comes, "c"),
                               hub_spawn_raw(has_work_for_them, "H") };

    word = 0;
    join(all, 4);
    ck_assert_str_eq(order, "abcHabcH");
}
END_TEST

static void killed(void *arg)
{
    hub__hog_gives_way(hub_current(), false);
    note(*(const char *)arg);
}

START_TEST(one_that_waits_can_be_switched_to)
{
    struct greenlet *g = hub_spawn_raw(killed, "k");

    hub_yield();
    ck_assert_ptr_eq(hub_current()->hogs.head, g);
    hub__unready(hub_current(), g);
    ck_assert_ptr_null(hub_current()->hogs.head);
    ck_assert_ptr_null(hub_current()->hogs.tail);
    hub__ready(hub_current(), g);
    join(&g, 1);
    ck_assert_str_eq(order, "k");
}
END_TEST

static void setup(void)
{
    hub_yield();
    memset(order, 0, sizeof order);
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, others_go_first);
    tcase_add_test(tcase, they_take_turns);
    tcase_add_test(tcase, who_was_interrupted_goes_on);
    tcase_add_test(tcase, they_are_not_starved);
    tcase_add_test(tcase, who_has_what_they_wait_for_goes_on);
    tcase_add_test(tcase, who_is_woken_and_waits_again_does_not_count);
    tcase_add_test(tcase, one_that_waits_can_be_switched_to);
    return unit_run("hog", tcase);
}
