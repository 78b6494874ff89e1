/* spawn, join, yield, sleep, kill: greenlets that the hub runs. */
#include "order.h"

#include "../sanitizers.h"

static void note_a(void *arg)
{
    note(*(const char *)arg);
    hub_yield();
    note(*(const char *)arg);
}

START_TEST(ready_greenlets_take_turns_in_the_order_of_spawning)
{
    struct greenlet *a = hub_spawn_raw(note_a, "a");
    struct greenlet *b = hub_spawn_raw(note_a, "b");

    ck_assert_str_eq(order, "");
    ck_assert_int_eq(hub_join(a, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_join(b, HUB_FOREVER), 0);
    ck_assert_str_eq(order, "abab");
    ck_assert(greenlet_dead(a));
    greenlet_unref(a);
    greenlet_unref(b);
}
END_TEST

START_TEST(it_runs_without_a_reference)
{
    greenlet_unref(hub_spawn_raw(note_a, "x"));
    hub_yield();
    hub_yield();
    hub_yield();
    ck_assert_str_eq(order, "xx");
}
END_TEST

static void sleeps(void *arg)
{
    int64_t before = hub_now();

    *(int *)arg = hub_sleep(20 * MS);
    ck_assert(*(int *)arg != 0 || hub_now() - before >= 20 * MS);
    note('s');
}

static void waits_long(void *unused)
{
    (void)unused;
    hub_sleep(60 * HUB_SECOND);
}

START_TEST(a_join_may_time_out)
{
    struct greenlet *g = hub_spawn_raw(waits_long, NULL);

    ck_assert_int_eq(hub_join(g, hub_now() + 2 * MS), -ETIMEDOUT);
    ck_assert(!greenlet_dead(g));
    hub_kill(g);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0); /* at once */
    greenlet_unref(g);
}
END_TEST

START_TEST(a_killed_sleep_ends_at_once)
{
    int rc = 1;
    struct greenlet *g = hub_spawn_raw(sleeps, &rc);

    hub_yield();
    ck_assert_int_eq(hub_kill(g), 0);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, -ECANCELED);
    ck_assert_int_eq(hub_kill(g), 0); /* it has ended: nothing to do */
    greenlet_unref(g);
}
END_TEST

START_TEST(killed_before_it_begins_it_never_runs)
{
    int rc = 1;
    struct greenlet *g = hub_spawn_raw(sleeps, &rc);

    ck_assert_int_eq(hub_kill(g), 0);
    ck_assert(hub_ready(g));
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    hub_yield();
    ck_assert_int_eq(rc, 1);
    ck_assert(greenlet_dead(g));
    greenlet_unref(g);
}
END_TEST

static void joins(void *arg)
{
    ck_assert_int_eq(hub_join(arg, HUB_FOREVER), 0);
    note('j');
}

START_TEST(several_may_join_one)
{
    int rc;
    struct greenlet *g = hub_spawn_raw(sleeps, &rc);
    struct greenlet *a = hub_spawn_raw(joins, g), *b = hub_spawn_raw(joins, g);

    ck_assert_int_eq(hub_join(a, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_join(b, HUB_FOREVER), 0);
    ck_assert_str_eq(order, "sjj");
    greenlet_unref(a);
    greenlet_unref(b);
    greenlet_unref(g);
}
END_TEST

static void joins_itself(void *arg)
{
    *(int *)arg = hub_join(greenlet_current(), HUB_FOREVER);
}

START_TEST(joining_oneself_is_refused)
{
    int rc = 0;
    struct greenlet *g = hub_spawn_raw(joins_itself, &rc);

    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, -EDEADLK);
    greenlet_unref(g);
}
END_TEST

static void counts(void *arg)
{
    ++*(long *)arg;
}

/* AddressSanitizer's leak check reads every page of each stack that there ever was:
 * 2 ms of CPU for each, most of it page faults. */
enum { N = WITH_ASAN ? 1000 : 10000 };

START_TEST(ten_thousand_alive_at_once)
{
    struct greenlet **all = calloc(N, sizeof(struct greenlet *));
    long count = 0;

    for (int i = 0; i < N; i++) {
        all[i] = hub_spawn_raw(counts, &count);
        ck_assert_ptr_nonnull(all[i]);
    }
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(hub_join(all[i], HUB_FOREVER), 0);
        greenlet_unref(all[i]);
    }
    ck_assert_int_eq(count, N);
    free(all);
    if (N < 10000)
        printf("spawn: %d alive at once instead of 10000, by reason of "
               "AddressSanitizer\n", N);
}
END_TEST

static int gives(void *arg, void **result)
{
    note('g');
    *result = arg;
    return 0;
}

START_TEST(nothing_runs_before_the_spawner_waits)
{
    struct greenlet *g = hub_spawn(gives, order);

    ck_assert_str_eq(order, "");
    ck_assert(!hub_ready(g) && hub_active(g) && !hub_dead(g));
    ck_assert_int_eq(hub_get_now(g, NULL), -EAGAIN);
    hub_yield();
    ck_assert_str_eq(order, "g");
    ck_assert(hub_ready(g) && !hub_active(g) && hub_dead(g));
    greenlet_unref(g);
}
END_TEST

START_TEST(its_result_is_there_for_all_who_ask)
{
    struct greenlet *g = hub_spawn(gives, order);
    void *result = NULL;

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(hub_get(g, HUB_FOREVER, &result), 0);
        ck_assert_ptr_eq(result, order);
        result = NULL;
        ck_assert_int_eq(hub_get_now(g, &result), 0);
        ck_assert_ptr_eq(result, order);
    }
    ck_assert(hub_successful(g));
    ck_assert_ptr_null(hub_exception(g));
    greenlet_unref(g);
}
END_TEST

static int fails_with(void *arg, void **result)
{
    *result = order; /* looked at by nobody */
    return *(int *)arg;
}

static const struct greenlet_class odd_class = { "Odd",
                                                 &greenlet_exception_class,
                                                 -EDOM };

static int raises(void *arg, void **result)
{
    const struct greenlet_exception odd = { .cls = &odd_class, .text = arg };

    (void)result;
    return greenlet_raise(&odd);
}

START_TEST(a_failure_is_reported_once_and_kept)
{
    struct greenlet *g = hub_spawn(raises, "why");
    void *result = order;

    ck_assert_int_eq(hub_get(g, HUB_FOREVER, &result), -EDOM);
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, &result), -EDOM);
    ck_assert_int_eq(reports, 1);
    ck_assert_str_eq(reported, "Odd: why");
    ck_assert(!hub_successful(g) && hub_ready(g));
    ck_assert_str_eq(hub_exception(g)->text, "why");
    greenlet_unref(g);
}
END_TEST

/* What a body may return, and what hub_get() says of it. */
static const struct { int returned, got; bool reported; } ends[] = {
    { 0, 0, false },
    { -ENOENT, -ENOENT, true },
    { -ECANCELED, 0, false }, /* the exit is no failure */
    { 7, -EIO, true },        /* no errno, and no success */
};

START_TEST(the_ends_of_a_body)
{
    int rc = ends[_i].returned;
    struct greenlet *g = hub_spawn(fails_with, &rc);
    void *result = order;

    ck_assert_int_eq(hub_get(g, HUB_FOREVER, &result), ends[_i].got);
    ck_assert_int_eq(reports, ends[_i].reported);
    ck_assert_ptr_eq(result, rc == 0 ? order : NULL);
    ck_assert_int_eq(hub_exception(g) != NULL, rc != 0);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_get_may_time_out)
{
    struct greenlet *g = hub_spawn_later(5 * MS, gives, order);
    void *result = NULL;

    ck_assert_int_eq(hub_get(g, hub_now(), &result), -ETIMEDOUT);
    ck_assert_ptr_null(result);
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, &result), 0);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_second_start_is_ignored)
{
    struct greenlet *g = hub_greenlet_new(gives, order, 0);

    ck_assert(!hub_active(g) && !greenlet_started(g));
    ck_assert_int_eq(hub_start(g), 0);
    ck_assert_int_eq(hub_start(g), 0);
    ck_assert_int_eq(hub_start_later(g, MS), 0);
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert_int_eq(hub_start(g), 0);
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert_str_eq(order, "g");
    greenlet_unref(g);
}
END_TEST

START_TEST(one_that_is_to_start_later_can_start_now)
{
    struct greenlet *g = hub_spawn_later(60 * HUB_SECOND, gives, order);

    ck_assert(hub_active(g));
    ck_assert_int_eq(hub_start(g), 0);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_drain(hub_deadline(60 * HUB_SECOND)), 0);
    greenlet_unref(g);
}
END_TEST

START_TEST(it_starts_later)
{
    int64_t before = hub_now();
    struct greenlet *g = hub_spawn_later(5 * MS, gives, order);

    greenlet_unref(g);
    hub_yield();
    ck_assert_str_eq(order, "");
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert_str_eq(order, "g");
    ck_assert_int_ge(hub_now() - before, 5 * MS);
}
END_TEST

static int uses_stack(void *arg, void **result)
{
    volatile char much[400 * 1024];

    for (size_t i = 0; i < sizeof much; i += 1024)
        much[i] = 1;
    *result = arg;
    return 0;
}

START_TEST(options_set_stack_name_and_delay)
{
    const struct hub_spawn_options options = { 512 * 1024, "deep", MS };
    struct greenlet *g = hub_spawn_with(&options, uses_stack, order);

    ck_assert_str_eq(greenlet_name(g), "deep");
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, NULL), 0);
    greenlet_unref(g);
    g = hub_spawn_with(&(struct hub_spawn_options){ 0 }, gives, order);
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, NULL), 0);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_function_is_needed_to_make_one)
{
    ck_assert_ptr_null(hub_spawn(NULL, order));
    ck_assert_int_eq(greenlet_caught_peek()->cls->error, -EINVAL);
    ck_assert_ptr_null(hub_spawn_raw(NULL, order));
    ck_assert_ptr_null(hub_greenlet_new(NULL, order, 0));
    ck_assert_ptr_null(hub_spawn_later(MS, NULL, order));
    ck_assert_ptr_null(
        hub_spawn_with(&(struct hub_spawn_options){ 0 }, NULL, NULL));
}
END_TEST

START_TEST(the_hub_is_its_parent)
{
    struct greenlet *g = hub_spawn(gives, order);

    ck_assert_ptr_eq(greenlet_parent(g), hub_greenlet(hub_current()));
    ck_assert_ptr_eq(greenlet_parent(hub_greenlet(hub_current())),
                     greenlet_current());
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

static int spawns_one(void *arg, void **result)
{
    (void)result;
    note('1');
    greenlet_unref(hub_spawn_raw(note_a, "n"));
    return *(int *)arg;
}

START_TEST(one_spawned_by_another_comes_after_all_that_are_ready)
{
    int rc = 0;
    struct greenlet *a = hub_spawn(spawns_one, &rc);
    struct greenlet *b = hub_spawn(gives, order);

    hub_drain(HUB_FOREVER);
    ck_assert_str_eq(order, "1gnn");
    greenlet_unref(a);
    greenlet_unref(b);
}
END_TEST

static void record_defer(void *arg)
{
    note(*(const char *)arg);
}

static void defers(void *arg)
{
    greenlet_defer(record_defer, arg);
    hub_sleep(60 * HUB_SECOND);
    note('e');
}

START_TEST(a_raw_one_that_is_killed_runs_its_cleanups)
{
    struct greenlet *g = hub_spawn_raw(defers, "d");

    hub_yield();
    ck_assert_int_eq(hub_kill_join(g, HUB_FOREVER), 0);
    ck_assert_str_eq(order, "ed");
    greenlet_unref(g);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase,
                   ready_greenlets_take_turns_in_the_order_of_spawning);
    tcase_add_test(tcase, it_runs_without_a_reference);
    tcase_add_test(tcase, a_join_may_time_out);
    tcase_add_test(tcase, a_killed_sleep_ends_at_once);
    tcase_add_test(tcase, killed_before_it_begins_it_never_runs);
    tcase_add_test(tcase, several_may_join_one);
    tcase_add_test(tcase, joining_oneself_is_refused);
    tcase_add_test(tcase, ten_thousand_alive_at_once);
    tcase_add_test(tcase, nothing_runs_before_the_spawner_waits);
    tcase_add_test(tcase, its_result_is_there_for_all_who_ask);
    tcase_add_test(tcase, a_failure_is_reported_once_and_kept);
    tcase_add_loop_test(tcase, the_ends_of_a_body, 0,
                        (int)(sizeof ends / sizeof *ends));
    tcase_add_test(tcase, a_get_may_time_out);
    tcase_add_test(tcase, a_second_start_is_ignored);
    tcase_add_test(tcase, one_that_is_to_start_later_can_start_now);
    tcase_add_test(tcase, it_starts_later);
    tcase_add_test(tcase, options_set_stack_name_and_delay);
    tcase_add_test(tcase, a_function_is_needed_to_make_one);
    tcase_add_test(tcase, the_hub_is_its_parent);
    tcase_add_test(tcase,
                   one_spawned_by_another_comes_after_all_that_are_ready);
    tcase_add_test(tcase, a_raw_one_that_is_killed_runs_its_cleanups);
    return unit_run("spawn", tcase);
}
