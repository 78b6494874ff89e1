/* tracer.c: watching switches, and asserting that there are some. */
#include "../unit.h"
#include "hub/hub.h"

static int yields(void *arg, void **result)
{
    (void)result;
    for (long i = 0; i < (long)arg; i++)
        hub_yield();
    return 0;
}

static void spin(int64_t ns)
{
    int64_t until = hub_now() + ns;

    while (hub_now() < until)
        ;
}

static int spins(void *arg, void **result)
{
    (void)result;
    spin((long)arg * HUB_MILLISECOND);
    return 0;
}

static int answers(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

static void run(int (*body)(void *, void **), long arg)
{
    struct greenlet *g = hub_spawn(body, (void *)arg);

    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    greenlet_unref(g);
}

static unsigned told;
static const struct greenlet *last_target;

static void count(struct greenlet *origin, struct greenlet *target, void *data)
{
    ck_assert_ptr_eq(origin, greenlet_current());
    ck_assert_ptr_ne(origin, target);
    ck_assert_ptr_eq(data, &told);
    told++;
    last_target = target;
}

START_TEST(switches_of_the_hub_and_by_hand_are_seen)
{
    struct greenlet *g = greenlet_new(answers, NULL, 0);
    struct hub_tracer tracer;
    void *result;

    told = 0;
    hub_tracer_start(&tracer, count, &told);
    ck_assert_ptr_eq(hub_tracer_active(&tracer), greenlet_current());
    ck_assert_int_eq(greenlet_switch(g, NULL, &result), 0);
    ck_assert_uint_eq(hub_tracer_switches(&tracer), 2); /* there and back */
    ck_assert_uint_eq(hub_tracer_waits(&tracer), 0);
    ck_assert_ptr_eq(hub_tracer_active(&tracer), greenlet_current());
    run(yields, 5);
    hub_tracer_stop(&tracer);
    ck_assert_uint_ge(hub_tracer_waits(&tracer), 1);
    ck_assert_uint_eq(hub_tracer_switches(&tracer), told);
    ck_assert_ptr_eq(last_target, greenlet_current());
    run(yields, 5);
    ck_assert_uint_eq(hub_tracer_switches(&tracer), told);
    greenlet_unref(g);
}
END_TEST

static int old_calls;

static int old_tracer(enum greenlet_event event, struct greenlet *origin,
                      struct greenlet *target, void *data)
{
    (void)event;
    (void)origin;
    (void)target;
    ++*(int *)data;
    return 0;
}

START_TEST(they_chain_with_each_other_and_with_settrace)
{
    struct greenlet *g = greenlet_new(answers, NULL, 0);
    struct hub_tracer outer, inner;
    void *result;

    old_calls = 0;
    greenlet_settrace(old_tracer, &old_calls, NULL);
    hub_tracer_start(&outer, NULL, NULL);
    hub_tracer_start(&inner, NULL, NULL);
    ck_assert_int_eq(greenlet_switch(g, NULL, &result), 0);
    hub_tracer_stop(&outer); /* in any order */
    hub_yield();
    hub_tracer_stop(&inner);
    greenlet_settrace(NULL, NULL, NULL);
    ck_assert_int_eq(old_calls, 2);
    ck_assert_uint_eq(hub_tracer_switches(&outer), 2);
    ck_assert_uint_ge(hub_tracer_switches(&inner), 2);
    greenlet_unref(g);
}
END_TEST

START_TEST(the_longest_run_is_that_of_greenlets_and_not_of_the_loop)
{
    struct hub_tracer tracer;

    hub_tracer_start(&tracer, NULL, NULL);
    hub_sleep(100 * HUB_MILLISECOND);
    ck_assert_int_lt(hub_tracer_longest(&tracer), 90 * HUB_MILLISECOND);
    run(spins, 120);
    hub_tracer_stop(&tracer);
    ck_assert_int_ge(hub_tracer_longest(&tracer), 120 * HUB_MILLISECOND);
}
END_TEST

START_TEST(a_block_that_waits_passes)
{
    struct hub_assertion assertion;

    hub_assert_switches_begin(&assertion, 0, false);
    hub_sleep(1);
    ck_assert_int_eq(hub_assert_switches_end(&assertion, 0), 0);
    hub_assert_switches_begin(&assertion, 0, true);
    hub_sleep(1);
    ck_assert_int_eq(hub_assert_switches_end(&assertion, 7), 7);
}
END_TEST

/* Nobody else was ready: gevent's sleep(0) goes by way of the hub then, too. */
START_TEST(a_block_that_yields_alone_passes)
{
    struct hub_assertion assertion;
    struct hub_tracer tracer;
    int64_t begun;

    hub_assert_switches_begin(&assertion, 0, true);
    hub_yield();
    ck_assert_int_eq(hub_assert_switches_end(&assertion, 0), 0);
    hub_assert_switches_begin(&assertion, 0, false);
    hub_sleep(0);
    ck_assert_int_eq(hub_assert_switches_end(&assertion, 0), 0);
    hub_tracer_start(&tracer, NULL, NULL);
    begun = hub_now();
    for (int i = 0; i < 2; i++, hub_yield())
        spin(20 * HUB_MILLISECOND);
    ck_assert_int_le(hub_tracer_longest(&tracer),
                     hub_now() - begun - 20 * HUB_MILLISECOND);
    hub_tracer_stop(&tracer);
}
END_TEST

START_TEST(a_block_that_never_switches_fails)
{
    struct hub_assertion assertion;
    const struct greenlet_exception *caught;

    hub_assert_switches_begin(&assertion, 0, false);
    ck_assert_int_eq(hub_assert_switches_end(&assertion, 0), -ETIME);
    caught = greenlet_caught_peek();
    ck_assert_ptr_nonnull(caught);
    ck_assert_ptr_eq(caught->cls, &hub_assertion_class);
    ck_assert(strstr(caught->text, "did not switch") != NULL);
}
END_TEST

START_TEST(hub_only_asks_for_a_wait)
{
    struct greenlet *g = greenlet_new(answers, NULL, 0);
    struct hub_assertion assertion;

    hub_assert_switches_begin(&assertion, 0, true);
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_int_eq(hub_assert_switches_end(&assertion, 0), -ETIME);
    hub_assert_switches_begin(&assertion, 0, true);
    run(yields, 1);
    ck_assert_int_eq(hub_assert_switches_end(&assertion, 0), 0);
    greenlet_unref(g);
}
END_TEST

START_TEST(an_error_that_escapes_is_what_counts)
{
    struct hub_assertion assertion;

    hub_assert_switches_begin(&assertion, 0, false);
    ck_assert_int_eq(hub_assert_switches_end(&assertion, -EPIPE), -EPIPE);
}
END_TEST

START_TEST(a_limit_is_exceeded_by_whoever_blocks)
{
    struct hub_assertion assertion;

    hub_assert_switches_begin(&assertion, 50 * HUB_MILLISECOND, false);
    run(spins, 80);
    ck_assert_int_eq(hub_assert_switches_end(&assertion, 0), -ETIME);
    hub_assert_switches_begin(&assertion, 50 * HUB_MILLISECOND, false);
    spin(80 * HUB_MILLISECOND); /* no switch at all */
    ck_assert_int_eq(hub_assert_switches_end(&assertion, 0), -ETIME);
    hub_assert_switches_begin(&assertion, HUB_SECOND * 60, false);
    ck_assert_int_eq(hub_assert_switches_end(&assertion, 0), 0);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, switches_of_the_hub_and_by_hand_are_seen);
    tcase_add_test(tcase, they_chain_with_each_other_and_with_settrace);
    tcase_add_test(tcase,
                   the_longest_run_is_that_of_greenlets_and_not_of_the_loop);
    tcase_add_test(tcase, a_block_that_waits_passes);
    tcase_add_test(tcase, a_block_that_yields_alone_passes);
    tcase_add_test(tcase, a_block_that_never_switches_fails);
    tcase_add_test(tcase, hub_only_asks_for_a_wait);
    tcase_add_test(tcase, an_error_that_escapes_is_what_counts);
    tcase_add_test(tcase, a_limit_is_exceeded_by_whoever_blocks);
    return unit_run("tracer", tcase);
}
