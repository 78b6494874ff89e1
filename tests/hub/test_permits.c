/* Places of a pool: handed over in the order of asking, and never lost. */
#include "order.h"

#include "hub/permits.h"

static const struct hub__wait_kind kind = { "a test", NULL };
static struct hub__permits permits;

static int takes(void *arg, void **result)
{
    int rc = hub__permits_take(&permits, HUB_FOREVER);

    (void)result;
    if (rc == 0)
        note(*(const char *)arg);
    return rc;
}

static int looks(void *arg, void **result)
{
    int rc = hub__permits_wait(&permits, HUB_FOREVER);

    (void)result;
    note(*(const char *)arg);
    return rc;
}

static void begin(size_t free)
{
    hub__permits_init(&permits, free, &kind, NULL);
}

START_TEST(who_comes_later_does_not_get_in_front)
{
    struct greenlet *g;

    begin(0);
    g = hub_spawn(takes, "a");
    hub_yield();
    hub__permits_give(&permits);
    ck_assert(!hub__permits_try(&permits));
    hub_join(g, HUB_FOREVER);
    ck_assert_str_eq(order, "a");
    hub__permits_give(&permits);
    ck_assert(hub__permits_try(&permits));
    greenlet_unref(g);
}
END_TEST

START_TEST(a_look_takes_nothing)
{
    struct greenlet *a, *b;

    begin(0);
    a = hub_spawn(looks, "l");
    b = hub_spawn(takes, "t");
    hub_yield();
    hub__permits_give(&permits);
    hub_join(b, HUB_FOREVER);
    ck_assert_str_eq(order, "lt");
    ck_assert_uint_eq(permits.free, 0);
    greenlet_unref(a);
    greenlet_unref(b);
}
END_TEST

START_TEST(who_times_out_or_is_killed_takes_none)
{
    struct greenlet *a, *b;

    begin(0);
    ck_assert_int_eq(hub__permits_take(&permits, hub_now()), -ETIMEDOUT);
    a = hub_spawn(takes, "a");
    b = hub_spawn(takes, "b");
    hub_yield();
    hub_kill(a);
    hub__permits_give(&permits); /* in the same moment */
    hub_join(b, HUB_FOREVER);
    ck_assert_str_eq(order, "b");
    greenlet_unref(a);
    greenlet_unref(b);
}
END_TEST

static void throws(void *g)
{
    greenlet_throw(g, NULL, NULL);
}

static void gives_and_throws(void *g)
{
    hub__permits_give(&permits);
    throws(g);
}

START_TEST(one_that_was_given_in_vain_is_passed_on)
{
    struct greenlet *a, *b;

    begin(0);
    a = hub_spawn(takes, "a");
    b = hub_spawn(takes, "b");
    hub_yield();
    hub_call_soon(gives_and_throws, a);
    hub_join(b, HUB_FOREVER);
    ck_assert_str_eq(order, "b");
    ck_assert_uint_eq(permits.free, 0);
    greenlet_unref(a);
    greenlet_unref(b);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, who_comes_later_does_not_get_in_front);
    tcase_add_test(tcase, a_look_takes_nothing);
    tcase_add_test(tcase, who_times_out_or_is_killed_takes_none);
    tcase_add_test(tcase, one_that_was_given_in_vain_is_passed_on);
    return unit_run("permits", tcase);
}
