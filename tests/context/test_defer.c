/* Cleanups that a greenlet runs at its end. */
#include "../unit.h"
#include "context/greenlet.h"

#include <errno.h>

static char order[32];

static void note(void *what)
{
    size_t length = strlen(order);

    if (length + 1 < sizeof order)
        order[length] = *(const char *)what;
}

static int defers_three(void *value, void **result)
{
    (void)value;
    (void)result;
    greenlet_defer(note, "1");
    greenlet_defer(note, "2");
    greenlet_defer(note, "3");
    note("b");
    return 0;
}

START_TEST(the_last_that_was_deferred_is_called_first)
{
    struct greenlet *g = greenlet_new(defers_three, NULL, 0);

    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_str_eq(order, "b321");
    greenlet_unref(g);
}
END_TEST

static int suspends(void *value, void **result)
{
    int rc;

    (void)result;
    greenlet_defer(note, "d");
    rc = greenlet_switch(value, NULL, NULL);
    note("r");
    return rc;
}

START_TEST(they_run_when_it_is_killed)
{
    struct greenlet *g = greenlet_new(suspends, NULL, 0);

    greenlet_switch(g, greenlet_current(), NULL);
    ck_assert_str_eq(order, "");
    greenlet_unref(g);
    ck_assert_str_eq(order, "rd");
}
END_TEST

static void defers_more(void *unused)
{
    (void)unused;
    note("m");
    greenlet_defer(note, "n");
}

static int nested(void *value, void **result)
{
    (void)value;
    (void)result;
    greenlet_defer(note, "1");
    greenlet_defer(defers_more, NULL);
    return 0;
}

START_TEST(a_cleanup_may_defer_more)
{
    struct greenlet *g = greenlet_new(nested, NULL, 0);

    greenlet_switch(g, NULL, NULL);
    ck_assert_str_eq(order, "mn1");
    greenlet_unref(g);
}
END_TEST

START_TEST(a_part_of_them_runs_by_call)
{
    const void *mark;

    greenlet_defer(note, "1");
    mark = greenlet_deferred();
    greenlet_defer(note, "2");
    greenlet_defer(note, "3");
    greenlet_run_deferred(mark);
    ck_assert_str_eq(order, "32");
    greenlet_run_deferred(NULL);
    ck_assert_str_eq(order, "321");
    ck_assert_ptr_null(greenlet_deferred());
}
END_TEST

START_TEST(one_can_be_taken_back)
{
    static char a[] = "a", b[] = "b";

    greenlet_defer(note, a);
    greenlet_defer(note, b);
    greenlet_defer(note, a);
    ck_assert_int_eq(greenlet_undefer(note, b), 0);
    ck_assert_int_eq(greenlet_undefer(note, b), -ENOENT);
    ck_assert_int_eq(greenlet_undefer(note, a), 0);
    greenlet_run_deferred(NULL);
    ck_assert_str_eq(order, "a");
}
END_TEST

START_TEST(one_that_never_began_runs_none)
{
    struct greenlet *g = greenlet_new(defers_three, NULL, 0);

    greenlet_unref(g);
    ck_assert_str_eq(order, "");
}
END_TEST

static int fails(void *value, void **result)
{
    (void)value;
    (void)result;
    greenlet_defer(note, "d");
    return -ENOENT;
}

START_TEST(they_run_before_the_failure_is_seen)
{
    struct greenlet *g = greenlet_new(fails, NULL, 0);

    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), -ENOENT);
    ck_assert_str_eq(order, "d");
    greenlet_unref(g);
}
END_TEST

static void clear_order(void)
{
    memset(order, 0, sizeof order);
}

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_checked_fixture(tcase, clear_order, NULL);
    tcase_add_test(tcase, the_last_that_was_deferred_is_called_first);
    tcase_add_test(tcase, they_run_when_it_is_killed);
    tcase_add_test(tcase, a_cleanup_may_defer_more);
    tcase_add_test(tcase, a_part_of_them_runs_by_call);
    tcase_add_test(tcase, one_can_be_taken_back);
    tcase_add_test(tcase, one_that_never_began_runs_none);
    tcase_add_test(tcase, they_run_before_the_failure_is_seen);
    return unit_run("defer", tcase);
}
