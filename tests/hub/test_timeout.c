/* Timeouts on blocks of code: nested, identified, moved, cancelled. */
#include "order.h"

START_TEST(the_earliest_fires_and_says_that_it_was_it)
{
    struct hub_timeout outer, inner;

    ck_assert_int_eq(hub_timeout_begin(&outer, hub_deadline(HUB_SECOND * 60)),
                     0);
    ck_assert_int_eq(hub_timeout_begin(&inner, hub_deadline(2 * MS)), 0);
    ck_assert_int_eq(hub_sleep(HUB_SECOND * 60), -ETIMEDOUT);
    ck_assert(hub_timeout_fired(&inner) && !hub_timeout_fired(&outer));
    ck_assert(!hub_timeout_pending(&inner) && hub_timeout_pending(&outer));
    ck_assert_int_eq(hub_timeout_end(&inner), -ETIMEDOUT);
    ck_assert_int_eq(hub_sleep(MS), 0);
    ck_assert_int_eq(hub_timeout_end(&outer), 0);
}
END_TEST

START_TEST(one_that_fired_ends_all_waits_of_its_scope)
{
    struct hub_timeout timeout;

    hub_timeout_begin(&timeout, hub_deadline(MS));
    ck_assert_int_eq(hub_sleep(HUB_SECOND * 60), -ETIMEDOUT);
    ck_assert_int_eq(hub_sleep(HUB_SECOND * 60), -ETIMEDOUT);
    ck_assert_int_eq(hub_canceled(), -ETIMEDOUT);
    ck_assert_int_eq(hub_timeout_end(&timeout), -ETIMEDOUT);
    ck_assert_int_eq(hub_canceled(), 0);
}
END_TEST

START_TEST(a_sleep_of_0_may_come_before_a_timeout_of_0)
{
    struct hub_timeout timeout;

    hub_timeout_begin(&timeout, hub_deadline(0));
    ck_assert_int_eq(hub_sleep(0), 0);
    ck_assert_int_eq(hub_sleep(HUB_SECOND * 60), -ETIMEDOUT);
    ck_assert_int_eq(hub_timeout_end(&timeout), -ETIMEDOUT);
}
END_TEST

START_TEST(without_a_deadline_it_never_fires)
{
    struct hub_timeout timeout;

    hub_timeout_begin(&timeout, HUB_FOREVER);
    ck_assert(!hub_timeout_pending(&timeout));
    ck_assert_int_eq(hub_sleep(MS), 0);
    ck_assert_int_eq(hub_timeout_end(&timeout), 0);
}
END_TEST

START_TEST(it_can_be_moved_until_it_has_fired)
{
    struct hub_timeout timeout;

    hub_timeout_begin(&timeout, hub_deadline(HUB_SECOND * 60));
    ck_assert_int_eq(hub_timeout_reset(&timeout, hub_deadline(MS)), 0);
    ck_assert_int_eq(hub_sleep(HUB_SECOND * 60), -ETIMEDOUT);
    ck_assert_int_eq(hub_timeout_reset(&timeout, HUB_FOREVER), -ETIMEDOUT);
    hub_timeout_end(&timeout);
}
END_TEST

START_TEST(a_cancelled_one_does_not_fire)
{
    struct hub_timeout timeout;

    hub_timeout_begin(&timeout, hub_deadline(MS));
    hub_timeout_cancel(&timeout);
    ck_assert_int_eq(hub_sleep(3 * MS), 0);
    ck_assert_int_eq(hub_timeout_reset(&timeout, hub_deadline(MS)), 0);
    ck_assert_int_eq(hub_sleep(HUB_SECOND * 60), -ETIMEDOUT);
    ck_assert_int_eq(hub_timeout_end(&timeout), -ETIMEDOUT);
}
END_TEST

START_TEST(leaving_the_outer_one_leaves_those_inside)
{
    struct hub_timeout outer, inner;

    hub_timeout_begin(&outer, hub_deadline(HUB_SECOND * 60));
    hub_timeout_begin(&inner, HUB_FOREVER);
    ck_assert_int_eq(hub_timeout_end(&outer), 0);
    ck_assert_int_eq(hub_sleep(MS), 0);
}
END_TEST

static int adds(void *arg, void **result)
{
    *result = arg;
    return hub_sleep(*(int64_t *)arg);
}

START_TEST(with_timeout_runs_a_function)
{
    int64_t little = MS, much = 60 * HUB_SECOND;
    void *result = NULL;

    ck_assert_int_eq(hub_with_timeout(hub_deadline(60 * HUB_SECOND), adds,
                                      &little, &result),
                     0);
    ck_assert_ptr_eq(result, &little);
    ck_assert_int_eq(hub_with_timeout(hub_deadline(MS), adds, &much, &result),
                     -ETIMEDOUT);
    ck_assert_ptr_eq(result, &little);
}
END_TEST

static int times_out(void *arg, void **result)
{
    struct hub_timeout timeout;
    int rc;

    (void)arg;
    (void)result;
    hub_timeout_begin(&timeout, hub_deadline(MS));
    rc = hub_sleep(HUB_SECOND * 60);
    hub_timeout_end(&timeout);
    return rc;
}

START_TEST(what_ends_by_a_timeout_fails_with_its_class)
{
    struct greenlet *g = hub_spawn(times_out, NULL);

    ck_assert_int_eq(hub_get(g, HUB_FOREVER, NULL), -ETIMEDOUT);
    ck_assert_ptr_eq(hub_exception(g)->cls, &hub_timeout_class);
    ck_assert_int_eq(reports, 1);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_join_tells_its_own_deadline_from_one_around_it)
{
    int64_t much = 60 * HUB_SECOND;
    struct greenlet *g = hub_spawn(adds, &much);
    struct hub_timeout timeout;

    hub_timeout_begin(&timeout, hub_deadline(60 * HUB_SECOND));
    ck_assert_int_eq(hub_join(g, hub_deadline(MS)), -ETIMEDOUT);
    ck_assert_int_eq(hub_canceled(), 0); /* its own */
    hub_timeout_reset(&timeout, hub_deadline(MS));
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), -ETIMEDOUT);
    ck_assert_int_eq(hub_canceled(), -ETIMEDOUT); /* not its own */
    hub_timeout_end(&timeout);
    hub_kill_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

START_TEST(odd_times_are_taken_for_what_they_mean)
{
    static const int64_t past[] = { -1, INT64_MIN, 1 };
    const double inf = __builtin_inf();
    int64_t before = hub_now();

    for (unsigned i = 0; i < sizeof past / sizeof *past; i++) {
        ck_assert_int_eq(hub_sleep(past[i]), 0);
        ck_assert_int_eq(hub_sleep_until(past[i]), 0);
    }
    ck_assert_int_ge(hub_deadline(-1), before);
    ck_assert_int_le(hub_deadline(INT64_MIN), hub_now());
    ck_assert_int_eq(hub_deadline(INT64_MAX), HUB_FOREVER);
    ck_assert_int_eq(hub_deadline(INT64_MAX - before), HUB_FOREVER);
    ck_assert_int_eq(hub_deadline_seconds(__builtin_nan("")), HUB_FOREVER);
    ck_assert_int_eq(hub_deadline_seconds(inf), HUB_FOREVER);
    ck_assert_int_eq(hub_deadline_seconds(1e300), HUB_FOREVER);
    ck_assert_int_le(hub_deadline_seconds(-inf), hub_now());
    ck_assert_int_le(hub_deadline_seconds(-1e300), hub_now());
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, the_earliest_fires_and_says_that_it_was_it);
    tcase_add_test(tcase, one_that_fired_ends_all_waits_of_its_scope);
    tcase_add_test(tcase, a_sleep_of_0_may_come_before_a_timeout_of_0);
    tcase_add_test(tcase, without_a_deadline_it_never_fires);
    tcase_add_test(tcase, it_can_be_moved_until_it_has_fired);
    tcase_add_test(tcase, a_cancelled_one_does_not_fire);
    tcase_add_test(tcase, leaving_the_outer_one_leaves_those_inside);
    tcase_add_test(tcase, with_timeout_runs_a_function);
    tcase_add_test(tcase, what_ends_by_a_timeout_fails_with_its_class);
    tcase_add_test(tcase, a_join_tells_its_own_deadline_from_one_around_it);
    tcase_add_test(tcase, odd_times_are_taken_for_what_they_mean);
    return unit_run("timeout", tcase);
}
