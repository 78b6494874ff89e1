/* Greenlets: making, switching, throwing, ending (the clauses are G-...). */
#include "../unit.h"
#include "context/greenlet_impl.h"

#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <unistd.h>

static int trace[16], traced;

static void note(int what)
{
    if (traced < 16)
        trace[traced] = what;
    traced++;
}

static int returns_its_argument(void *value, void **result)
{
    note(1);
    *result = value;
    return 0;
}

START_TEST(g001_creating_runs_nothing)
{
    struct greenlet *g = greenlet_new(returns_its_argument, NULL, 0);

    ck_assert_ptr_nonnull(g);
    ck_assert_int_eq(traced, 0);
    ck_assert(!greenlet_started(g) && !greenlet_active(g) && !greenlet_dead(g));
    ck_assert_ptr_eq(greenlet_parent(g), greenlet_current());
    greenlet_unref(g); /* G-098: its body never runs */
    ck_assert_int_eq(traced, 0);
}
END_TEST

START_TEST(g023_the_result_goes_to_the_parent)
{
    struct greenlet *g = greenlet_new(returns_its_argument, NULL, 0);
    int token;
    void *result = NULL;

    ck_assert_int_eq(greenlet_switch(g, &token, &result), 0);
    ck_assert_ptr_eq(result, &token);
    ck_assert(greenlet_dead(g) && greenlet_started(g) && !greenlet_active(g));
    greenlet_unref(g);
}
END_TEST

static int echoes(void *value, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());
    int rc = 0;

    while (rc == 0 && value != NULL)
        rc = greenlet_switch(parent, value, &value);
    note(rc);
    *result = NULL;
    return rc;
}

START_TEST(values_go_to_and_fro)
{
    struct greenlet *g = greenlet_new(echoes, NULL, 0);
    char values[5];

    for (int i = 0; i < 5; i++) {
        void *back = NULL;

        errno = 100 + i;
        ck_assert_int_eq(greenlet_switch(g, &values[i], &back), 0);
        ck_assert_ptr_eq(back, &values[i]);
        ck_assert_int_eq(errno, 100 + i);
    }
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert(greenlet_dead(g));
    greenlet_unref(g);
}
END_TEST

START_TEST(g027_a_switch_to_oneself_returns_at_once)
{
    int token;
    void *result = NULL;

    ck_assert_int_eq(greenlet_switch(greenlet_current(), &token, &result), 0);
    ck_assert_ptr_eq(result, &token);
}
END_TEST

START_TEST(g028_a_dead_one_stands_for_its_parent)
{
    struct greenlet *g = greenlet_new(returns_its_argument, NULL, 0);
    int token;
    void *result = NULL;

    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_int_eq(greenlet_switch(g, &token, &result), 0);
    ck_assert_ptr_eq(result, &token);
    ck_assert_int_eq(traced, 1);
    greenlet_unref(g);
}
END_TEST

START_TEST(g030_a_result_starts_a_new_parent)
{
    struct greenlet *parent = greenlet_new(returns_its_argument, NULL, 0);
    struct greenlet *g = greenlet_new(returns_its_argument, parent, 0);
    int token;
    void *result = NULL;

    ck_assert_int_eq(greenlet_switch(g, &token, &result), 0);
    ck_assert_ptr_eq(result, &token);
    ck_assert_int_eq(traced, 2);
    ck_assert(greenlet_dead(parent) && greenlet_dead(g));
    greenlet_unref(g);
    greenlet_unref(parent);
}
END_TEST

START_TEST(g034_two_thousand_new_parents_need_no_stack)
{
    struct greenlet *first = greenlet_new(echoes, NULL, 0);
    struct greenlet *g = first;
    void *result;

    for (int i = 0; i < 2000; i++) {
        struct greenlet *child = greenlet_new(echoes, g, 0);

        greenlet_unref(g);
        g = child;
    }
    ck_assert_int_eq(greenlet_switch(g, NULL, &result), 0);
    ck_assert_int_eq(traced, 2001);
    greenlet_unref(g);
}
END_TEST

START_TEST(g065_the_exit_becomes_a_value)
{
    struct greenlet *g = greenlet_new(echoes, NULL, 0);
    int token;
    void *result = &token;

    ck_assert_int_eq(greenlet_switch(g, &token, &result), 0);
    ck_assert_int_eq(greenlet_throw(g, NULL, &result), 0);
    ck_assert_ptr_null(result);
    ck_assert(greenlet_dead(g));
    ck_assert_int_eq(trace[0], -ECANCELED);
    greenlet_unref(g);
}
END_TEST

static int destroyed;

static void count_destroyed(void *payload)
{
    ck_assert_ptr_eq(payload, &destroyed);
    destroyed++;
}

static const struct greenlet_class bad_class = { "bad", &greenlet_error_class,
                                                 -EPROTO };
static const struct greenlet_exception bad = { .cls = &bad_class,
                                               .payload = &destroyed,
                                               .destroy = count_destroyed };

START_TEST(g063_a_record_reaches_the_pending_switch_and_then_the_parent)
{
    struct greenlet *g = greenlet_new(echoes, NULL, 0);
    struct greenlet_exception caught;
    int token;
    void *result;

    ck_assert_int_eq(greenlet_switch(g, &token, &result), 0);
    ck_assert_int_eq(greenlet_throw(g, &bad, &result), -EPROTO);
    ck_assert_int_eq(trace[0], -EPROTO);
    ck_assert(greenlet_caught(&caught));
    ck_assert_ptr_eq(caught.cls, &bad_class);
    ck_assert_ptr_eq(caught.payload, &destroyed);
    ck_assert(greenlet_class_is(caught.cls, &greenlet_error_class));
    ck_assert(!greenlet_class_is(caught.cls, &greenlet_exit_class));
    ck_assert(!greenlet_caught(&caught));
    ck_assert_int_eq(destroyed, 0); /* it is ours now */
    greenlet_unref(g);
}
END_TEST

START_TEST(g066_thrown_into_a_new_one_the_body_never_runs)
{
    struct greenlet *g = greenlet_new(returns_its_argument, NULL, 0);
    struct greenlet_exception caught;

    ck_assert_int_eq(greenlet_throw(g, &bad, NULL), -EPROTO);
    ck_assert_int_eq(traced, 0);
    ck_assert(greenlet_dead(g));
    ck_assert(greenlet_caught(&caught));
    greenlet_unref(g);
}
END_TEST

START_TEST(g006_without_a_body_it_stays_new)
{
    struct greenlet *g = greenlet_new(NULL, NULL, 0);

    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), -ENODATA);
    ck_assert_int_eq(greenlet_throw(g, NULL, NULL), -ENODATA);
    ck_assert(!greenlet_started(g) && !greenlet_dead(g));
    greenlet_unref(g);
}
END_TEST

START_TEST(g083_cycles_of_parents_are_refused)
{
    struct greenlet *a = greenlet_new(echoes, NULL, 0);
    struct greenlet *b = greenlet_new(echoes, a, 0);

    ck_assert_int_eq(greenlet_set_parent(a, b), -ELOOP);
    ck_assert_int_eq(greenlet_set_parent(a, a), -ELOOP);
    ck_assert_int_eq(greenlet_set_parent(a, NULL), -EINVAL);
    ck_assert_int_eq(greenlet_set_parent(greenlet_current(), a), -EPERM);
    ck_assert_int_eq(greenlet_set_parent(b, greenlet_current()), 0);
    greenlet_unref(b);
    greenlet_unref(a);
}
END_TEST

START_TEST(g095_the_last_reference_of_a_suspended_one_ends_it)
{
    struct greenlet *g = greenlet_new(echoes, NULL, 0);
    int token;
    void *result;

    ck_assert_int_eq(greenlet_switch(g, &token, &result), 0);
    greenlet_unref(g);
    ck_assert_int_eq(traced, 1);
    ck_assert_int_eq(trace[0], -ECANCELED);
}
END_TEST

static void *switches_from_another_thread(void *data)
{
    struct greenlet *g = data;

    ck_assert(greenlet_main(greenlet_current()));
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), -EXDEV);
    ck_assert_int_eq(greenlet_throw(g, NULL, NULL), -EXDEV);
    return NULL;
}

START_TEST(g124_another_thread_cannot_switch_to_it)
{
    struct greenlet *g = greenlet_new(echoes, NULL, 0);
    pthread_t thread;
    int token;
    void *result;

    ck_assert_int_eq(greenlet_switch(g, &token, &result), 0);
    ck_assert_int_eq(
        pthread_create(&thread, NULL, switches_from_another_thread, g), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(greenlet_active(g));
    greenlet_unref(g);
}
END_TEST

static void *drops(void *data)
{
    greenlet_unref(data);
    return NULL;
}

START_TEST(g102_dropped_by_another_thread_it_ends_in_its_own)
{
    struct greenlet *g = greenlet_new(echoes, NULL, 0);
    pthread_t thread;
    int token;
    void *result;

    ck_assert_int_eq(greenlet_switch(g, &token, &result), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, drops, g), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(traced, 0);
    greenlet_current(); /* the maintenance point (G-111) */
    ck_assert_int_eq(trace[0], -ECANCELED);
}
END_TEST

static pthread_key_t key;
static struct greenlet *left_behind;

/* As long as POSIX calls it. */
static void uses_until_the_end(void *value)
{
    greenlet_unref(left_behind);
    left_behind = greenlet_new(echoes, NULL, 0);
    ck_assert_int_eq(greenlet_switch(left_behind, value, NULL), 0);
    ck_assert_int_eq(pthread_setspecific(key, value), 0);
}

static void *has_a_value(void *data)
{
    greenlet_current();
    ck_assert_int_eq(pthread_setspecific(key, data), 0);
    return NULL;
}

/* Round after round: with a key of the library's own, and where it takes none. */
START_TEST(g141_used_in_the_last_destructors_a_thread_ends_all_the_same)
{
    struct greenlet_counts before, after;
    pthread_t thread;

    greenlet_current();
    greenlet__libc.keyless = _i != 0;
    ck_assert_int_eq(pthread_key_create(&key, uses_until_the_end), 0);
    greenlet_count(&before);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, has_a_value, &key), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
    greenlet_count(&after);
    /* Who joined it may be sooner than its end in the kernel. */
    for (int i = 0; i < 2000 && !greenlet_dead(left_behind); i++) {
        usleep(5000);
        greenlet_count(&after);
    }
    ck_assert(greenlet_dead(left_behind));
    greenlet_unref(left_behind);
    left_behind = NULL;
    ck_assert_uint_eq(after.mains, before.mains);
    greenlet_count(&after);
    ck_assert_uint_eq(after.greenlets, before.greenlets);
    ck_assert_int_eq(pthread_key_delete(key), 0);
    greenlet__libc.keyless = false;
}
END_TEST

static int rounds_down(void *value, void **result)
{
    (void)value;
    (void)result;
    fesetround(FE_DOWNWARD);
    greenlet_switch(greenlet_parent(greenlet_current()), NULL, NULL);
    note(fegetround() == FE_DOWNWARD);
    return 0;
}

START_TEST(g039_the_rounding_mode_is_the_greenlet_s_own)
{
    struct greenlet *g = greenlet_new(rounds_down, NULL, 0);

    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_int_eq(trace[0], 1);
    greenlet_unref(g);
}
END_TEST

START_TEST(userdata_is_destroyed_with_it)
{
    struct greenlet *g = greenlet_new(echoes, NULL, 0);

    destroyed = 0;
    greenlet_set_userdata(g, &destroyed, count_destroyed);
    ck_assert_ptr_eq(greenlet_userdata(g), &destroyed);
    greenlet_unref(g);
    ck_assert_int_eq(destroyed, 1);
}
END_TEST

START_TEST(g037_ten_thousand_lives_take_no_more_slots_than_one)
{
    struct greenlet_counts before, after;

    greenlet_unref(greenlet_new(echoes, NULL, 0));
    greenlet_count(&before);
    for (int i = 0; i < 10000; i++) {
        struct greenlet *g = greenlet_new(echoes, NULL, 0);

        traced = 0;
        ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
        greenlet_unref(g);
    }
    greenlet_count(&after);
    ck_assert_uint_eq(after.slots_free, before.slots_free);
}
END_TEST

static void start_trace(void)
{
    traced = 0;
    destroyed = 0;
    memset(trace, 0, sizeof trace);
}

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_checked_fixture(tcase, start_trace, NULL);
    tcase_add_test(tcase, g001_creating_runs_nothing);
    tcase_add_test(tcase, g023_the_result_goes_to_the_parent);
    tcase_add_test(tcase, values_go_to_and_fro);
    tcase_add_test(tcase, g027_a_switch_to_oneself_returns_at_once);
    tcase_add_test(tcase, g028_a_dead_one_stands_for_its_parent);
    tcase_add_test(tcase, g030_a_result_starts_a_new_parent);
    tcase_add_test(tcase, g034_two_thousand_new_parents_need_no_stack);
    tcase_add_test(tcase, g065_the_exit_becomes_a_value);
    tcase_add_test(
        tcase, g063_a_record_reaches_the_pending_switch_and_then_the_parent);
    tcase_add_test(tcase, g066_thrown_into_a_new_one_the_body_never_runs);
    tcase_add_test(tcase, g006_without_a_body_it_stays_new);
    tcase_add_test(tcase, g083_cycles_of_parents_are_refused);
    tcase_add_test(tcase, g095_the_last_reference_of_a_suspended_one_ends_it);
    tcase_add_test(tcase, g124_another_thread_cannot_switch_to_it);
    tcase_add_test(tcase, g102_dropped_by_another_thread_it_ends_in_its_own);
    tcase_add_loop_test(
        tcase, g141_used_in_the_last_destructors_a_thread_ends_all_the_same, 0, 2);
    tcase_add_test(tcase, g039_the_rounding_mode_is_the_greenlet_s_own);
    tcase_add_test(tcase, userdata_is_destroyed_with_it);
    tcase_add_test(tcase, g037_ten_thousand_lives_take_no_more_slots_than_one);
    return unit_run("greenlet", tcase);
}
