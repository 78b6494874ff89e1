/* Functions that are told of the end of a greenlet. */
#include "order.h"

static int ends(void *arg, void **result)
{
    *result = arg;
    return arg != NULL ? 0 : -EDOM;
}

static struct greenlet *seen_in;

static int told(struct greenlet *g, void *arg)
{
    ck_assert(hub_ready(g));
    seen_in = greenlet_current();
    note(*(const char *)arg);
    return 0;
}

START_TEST(they_are_called_in_the_order_of_linking)
{
    struct greenlet *g = hub_spawn(ends, order);

    ck_assert_int_eq(hub_link(g, HUB_LINK_RAW, told, "a"), 0);
    ck_assert_int_eq(hub_link(g, HUB_LINK, told, "b"), 0);
    ck_assert_int_eq(hub_link(g, HUB_LINK_RAW, told, "c"), 0);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_str_eq(order, "abc");
    greenlet_unref(g);
}
END_TEST

START_TEST(a_raw_one_is_called_in_the_loop)
{
    struct greenlet *g = hub_spawn(ends, order);

    hub_link(g, HUB_LINK_RAW, told, "a");
    hub_join(g, HUB_FOREVER);
    ck_assert_ptr_eq(seen_in, hub_greenlet(hub_current()));
    greenlet_unref(g);
}
END_TEST

static int waits_in_the_loop(struct greenlet *g, void *arg)
{
    (void)g;
    *(int *)arg = hub_sleep(MS);
    return 0;
}

START_TEST(a_raw_one_cannot_wait)
{
    struct greenlet *g = hub_spawn(ends, order);
    int rc = 0;

    hub_link(g, HUB_LINK_RAW, waits_in_the_loop, &rc);
    hub_join(g, HUB_FOREVER);
    hub_yield();
    ck_assert_int_eq(rc, -EDEADLK);
    greenlet_unref(g);
}
END_TEST

static int tells_twice(struct greenlet *g, void *arg)
{
    (void)g;
    note(((const char *)arg)[0]);
    hub_sleep(MS);
    note(((const char *)arg)[1]);
    return 0;
}

static int notes(void *arg, void **result)
{
    (void)result;
    note(*(const char *)arg);
    return 0;
}

/* It begins in the middle of the loop's turn; its wait does not hold up others,
 * nor does who was ready before come between. */
START_TEST(the_others_run_in_greenlets_at_once)
{
    struct greenlet *g = hub_spawn(ends, order);

    hub_link(g, HUB_LINK, tells_twice, "aA");
    hub_link(g, HUB_LINK, tells_twice, "bB");
    hub_link(g, HUB_LINK_RAW, told, "c");
    hub_yield(); /* g has ended, and the first is next */
    greenlet_unref(hub_spawn(notes, "x"));
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert_str_eq(order, "abcxAB");
    greenlet_unref(g);
}
END_TEST

START_TEST(a_value_or_a_failure_chooses)
{
    struct greenlet *good = hub_spawn(ends, order);
    struct greenlet *bad = hub_spawn(ends, NULL);

    hub_link(good, HUB_LINK_VALUE, told, "v");
    hub_link(good, HUB_LINK_EXCEPTION, told, "x");
    hub_link(bad, HUB_LINK_VALUE, told, "V");
    hub_link(bad, HUB_LINK_EXCEPTION, told, "X");
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert_str_eq(order, "vX");
    greenlet_unref(good);
    greenlet_unref(bad);
}
END_TEST

START_TEST(linked_late_they_are_called_soon_and_never_at_once)
{
    struct greenlet *g = hub_spawn(ends, order);

    hub_join(g, HUB_FOREVER);
    hub_link(g, HUB_LINK_RAW, told, "a");
    hub_link(g, HUB_LINK, told, "b");
    ck_assert_str_eq(order, "");
    hub_yield();
    ck_assert_str_eq(order, "ab");
    greenlet_unref(g);
}
END_TEST

static int fails(struct greenlet *g, void *arg)
{
    (void)g;
    note(*(const char *)arg);
    return -ENOENT;
}

START_TEST(an_error_is_reported_and_the_next_is_called)
{
    struct greenlet *g = hub_spawn(ends, order);

    hub_link(g, HUB_LINK_RAW, fails, "a");
    hub_link(g, HUB_LINK, fails, "b");
    hub_link(g, HUB_LINK_RAW, told, "c");
    hub_join(g, HUB_FOREVER);
    hub_yield();
    ck_assert_str_eq(order, "abc");
    ck_assert_int_eq(reports, 2);
    greenlet_unref(g);
}
END_TEST

static int changes_list(struct greenlet *g, void *arg)
{
    (void)arg;
    note('1');
    ck_assert_int_eq(hub_link_remove(g, told, "2"), 0);
    ck_assert_int_eq(hub_link(g, HUB_LINK_RAW, told, "4"), 0);
    return 0;
}

START_TEST(the_list_may_change_while_they_are_called)
{
    struct greenlet *g = hub_spawn(ends, order);

    hub_link(g, HUB_LINK_RAW, changes_list, NULL);
    hub_link(g, HUB_LINK_RAW, told, "2");
    hub_link(g, HUB_LINK_RAW, told, "3");
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert_str_eq(order, "134");
    greenlet_unref(g);
}
END_TEST

START_TEST(they_can_be_taken_back)
{
    struct greenlet *g = hub_spawn(ends, order);

    hub_link(g, HUB_LINK_RAW, told, "a");
    hub_link(g, HUB_LINK_RAW, told, "b");
    hub_link(g, HUB_LINK, told, "c");
    ck_assert_int_eq(hub_link_remove(g, told, "b"), 0);
    ck_assert_int_eq(hub_link_remove(g, told, "b"), -ENOENT);
    hub_drain(HUB_FOREVER);
    ck_assert_str_eq(order, "ac");
    ck_assert_int_eq(hub_link_remove(g, told, "a"), -ENOENT);
    hub_link(g, HUB_LINK, told, "d");
    hub_link(g, HUB_LINK_RAW, told, "e");
    ck_assert_int_eq(hub_link_remove_all(g), 2);
    hub_drain(HUB_FOREVER);
    ck_assert_str_eq(order, "ac");
    greenlet_unref(g);
}
END_TEST

START_TEST(one_that_is_killed_before_it_began_tells_them)
{
    struct greenlet *g = hub_greenlet_new(ends, order, 0);

    hub_link(g, HUB_LINK_RAW, told, "a");
    hub_kill(g);
    ck_assert_str_eq(order, "");
    hub_yield();
    ck_assert_str_eq(order, "a");
    greenlet_unref(g);
}
END_TEST

START_TEST(one_that_is_given_up_unbegun_tells_nobody)
{
    struct greenlet *g = hub_greenlet_new(ends, order, 0);

    hub_link(g, HUB_LINK_RAW, told, "a");
    greenlet_unref(g);
    hub_drain(HUB_FOREVER);
    ck_assert_str_eq(order, "");
}
END_TEST

START_TEST(it_need_not_be_kept)
{
    struct greenlet *g = hub_spawn(ends, order);

    hub_link(g, HUB_LINK, told, "a");
    greenlet_unref(g);
    hub_drain(HUB_FOREVER);
    ck_assert_str_eq(order, "a");
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
    struct greenlet *g = hub_spawn(ends, order);

    ck_assert_int_eq(hub_link(g, HUB_LINK, NULL, NULL), -EINVAL);
    ck_assert_int_eq(hub_link(g, (enum hub_link_kind)9, told, NULL), -EINVAL);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, they_are_called_in_the_order_of_linking);
    tcase_add_test(tcase, a_raw_one_is_called_in_the_loop);
    tcase_add_test(tcase, a_raw_one_cannot_wait);
    tcase_add_test(tcase, the_others_run_in_greenlets_at_once);
    tcase_add_test(tcase, a_value_or_a_failure_chooses);
    tcase_add_test(tcase, linked_late_they_are_called_soon_and_never_at_once);
    tcase_add_test(tcase, an_error_is_reported_and_the_next_is_called);
    tcase_add_test(tcase, the_list_may_change_while_they_are_called);
    tcase_add_test(tcase, they_can_be_taken_back);
    tcase_add_test(tcase, one_that_is_killed_before_it_began_tells_them);
    tcase_add_test(tcase, one_that_is_given_up_unbegun_tells_nobody);
    tcase_add_test(tcase, it_need_not_be_kept);
    tcase_add_test(tcase, bad_arguments_are_refused);
    return unit_run("greenlink", tcase);
}
