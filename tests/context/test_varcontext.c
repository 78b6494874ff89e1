/* Contexts: of greenlets in every state, shared, entered (G-116 ... G-122). */
#include "context/testhook.h"
#include "vars.h"

/* Answers each switch with its v, after setting it if it was sent a number. */
static int keeps_v(void *value, void **result)
{
    static int seen[2];
    int at = 0, rc = 0;

    while (rc == 0) {
        if (value != NULL)
            set(v, *(int *)value);
        at = !at;
        seen[at] = get(v);
        rc = greenlet_switch(greenlet_parent(greenlet_current()), &seen[at],
                             &value);
    }
    *result = NULL;
    return rc;
}

static int ask(struct greenlet *g, int *number)
{
    void *answer = NULL;

    ck_assert_int_eq(greenlet_switch(g, number, &answer), 0);
    return *(int *)answer;
}

static void end(struct greenlet *g)
{
    ck_assert_int_eq(greenlet_throw(g, NULL, NULL), 0);
    ck_assert(greenlet_dead(g));
}

/* ---- states ---- */

START_TEST(g116_a_context_can_be_set_in_every_state)
    {
        struct greenlet *g = greenlet_new(keeps_v, NULL, 0);
        struct greenlet_context *one = context_with(v, 1);
        struct greenlet_context *two = context_with(v, 2), *now;

        ck_assert_int_eq(greenlet_set_context(g, one), 0); /* new */
        now = context_of(g);
        ck_assert_ptr_eq(now, one);
        greenlet_context_unref(now);
        ck_assert_int_eq(ask(g, NULL), 1);
        ck_assert_int_eq(greenlet_set_context(g, two), 0); /* suspended */
        ck_assert_int_eq(ask(g, NULL), 2);
        ck_assert_int_eq(greenlet_set_context(g, NULL), 0);
        ck_assert_int_eq(ask(g, NULL), -1);
        ck_assert(!has_context(g));
        ck_assert_int_eq(ask(g, &(int){3}), 3); /* made again */
        ck_assert(has_context(g));
        end(g);
        ck_assert(has_context(g)); /* dead */
        ck_assert_int_eq(greenlet_set_context(g, two), 0);
        now = context_of(g);
        ck_assert_ptr_eq(now, two);
        greenlet_context_unref(now);
        ck_assert_int_eq(greenlet_set_context(g, NULL), 0);
        ck_assert(!has_context(g));
        greenlet_unref(g);
        greenlet_context_unref(one);
        greenlet_context_unref(two);
    }
END_TEST

START_TEST(g116_set_while_running_takes_effect_at_once)
    {
        struct greenlet *self = greenlet_current();
        struct greenlet_context *one = context_with(v, 1);

        set(v, 9);
        ck_assert_int_eq(greenlet_set_context(self, one), 0);
        ck_assert_int_eq(get(v), 1);
        set(v, 2);
        ck_assert_int_eq(get_from(one, v), 2);
        ck_assert_int_eq(greenlet_set_context(self, NULL), 0);
        ck_assert_int_eq(get(v), -1);
        ck_assert(!has_context(self));
        greenlet_context_unref(one);
    }
END_TEST

START_TEST(g117_a_copy_is_independent)
    {
        struct greenlet *g = greenlet_new(keeps_v, NULL, 0);
        struct greenlet_context *copy, *again;

        set(v, 1);
        copy = greenlet_context_copy(NULL);
        ck_assert_int_eq(greenlet_set_context(g, copy), 0);
        ck_assert_int_eq(ask(g, NULL), 1);
        set(v, 2);
        ck_assert_int_eq(ask(g, NULL), 1);
        ck_assert_int_eq(ask(g, &(int){3}), 3);
        ck_assert_int_eq(get(v), 2);
        again = greenlet_context_copy(copy);
        ck_assert_int_eq(ask(g, &(int){4}), 4);
        ck_assert_int_eq(get_from(copy, v), 4);
        ck_assert_int_eq(get_from(again, v), 3);
        end(g);
        greenlet_unref(g);
        greenlet_context_unref(copy);
        greenlet_context_unref(again);
    }
END_TEST

START_TEST(a_copy_of_no_context_is_empty)
    {
        struct greenlet_context *copy = greenlet_context_copy(NULL);

        ck_assert_uint_eq(greenlet_context_size(copy), 0);
        ck_assert(!has_context(greenlet_current()));
        greenlet_context_unref(copy);
        greenlet_context_unref(NULL);
    }
END_TEST

START_TEST(g117_of_a_shared_context_both_see_the_sets)
    {
        struct greenlet *g = greenlet_new(keeps_v, NULL, 0);
        struct greenlet_context *mine;

        set(v, 1);
        mine = context_of(greenlet_current());
        ck_assert_int_eq(greenlet_set_context(g, mine), 0);
        ck_assert_int_eq(ask(g, NULL), 1);
        set(v, 2);
        ck_assert_int_eq(ask(g, NULL), 2);
        ck_assert_int_eq(ask(g, &(int){3}), 3);
        ck_assert_int_eq(get(v), 3);
        end(g);
        greenlet_unref(g);
        greenlet_context_unref(mine);
        ck_assert_int_eq(get(v), 3);
    }
END_TEST

START_TEST(g121_a_dead_greenlet_has_its_last_context)
    {
        struct greenlet *g = greenlet_new(keeps_v, NULL, 0);
        struct greenlet_context *last;

        ask(g, &(int){5});
        end(g);
        last = context_of(g);
        ck_assert_ptr_nonnull(last);
        ck_assert_int_eq(get_from(last, v), 5);
        greenlet_context_unref(last);
        ck_assert_int_eq(values, 1); /* G-108: until it is freed */
        greenlet_unref(g);
        ck_assert_int_eq(values, 0);
    }
END_TEST

static int tracer_saw[4], traced;

static int notes_v(enum greenlet_event event, struct greenlet *origin,
                   struct greenlet *target, void *data)
{
    (void)event;
    (void)origin;
    (void)data;
    ck_assert_ptr_eq(target, greenlet_current());
    if (traced < 4)
        tracer_saw[traced++] = get(v);
    return 0;
}

START_TEST(g122_a_tracer_runs_in_the_targets_context)
    {
        struct greenlet *g = greenlet_new(keeps_v, NULL, 0);

        set(v, 1);
        ask(g, &(int){2});
        traced = 0;
        greenlet_settrace(notes_v, NULL, NULL);
        ask(g, NULL);
        greenlet_settrace(NULL, NULL, NULL);
        ck_assert_int_eq(traced, 2);
        ck_assert_int_eq(tracer_saw[0], 2);
        ck_assert_int_eq(tracer_saw[1], 1);
        end(g);
        greenlet_unref(g);
    }
END_TEST

/* ---- looking into one ---- */

static int changes_while_it_looks(struct greenlet_var *var, void *value,
                                  void *data)
{
    int *sum = data;

    *sum += *(int *)value;
    greenlet_set_context(greenlet_current(), NULL); /* its last handle */
    set(var, 100);
    *sum += *(int *)value; /* there until each() returns */
    return *sum < 0;
}

START_TEST(each_goes_through_what_there_was_at_first)
    {
        struct greenlet_context *mine;
        int sum = 0;

        set(v, 1);
        set(w, 10);
        mine = context_of(greenlet_current());
        ck_assert_uint_eq(greenlet_context_size(mine), 2);
        ck_assert_int_eq(
            greenlet_context_each(mine, changes_while_it_looks, &sum), 0);
        ck_assert_int_eq(sum, 22);
        sum = -1000;
        ck_assert_int_eq(
            greenlet_context_each(mine, changes_while_it_looks, &sum), 1);
        greenlet_context_unref(mine);
    }
END_TEST

/* ---- scoped runs ---- */

static struct greenlet_context *a, *b;
static int result;

static int expects_v(void *arg)
{
    ck_assert_int_eq(get(v), *(int *)arg);
    set(v, *(int *)arg + 1);
    return 7;
}

static int runs_b(void *arg)
{
    int rc;

    ck_assert_int_eq(get(v), 1);
    ck_assert_int_eq(greenlet_context_run(b, expects_v, arg, &rc), 0);
    ck_assert_int_eq(rc, 7);
    ck_assert_int_eq(get(v), 1);
    ck_assert_int_eq(greenlet_context_run(a, expects_v, arg, &rc), -EBUSY);
    ck_assert_int_eq(greenlet_caught_peek()->error, -EBUSY);
    ck_assert_ptr_eq(greenlet_caught_peek()->cls, &greenlet_value_class);
    return -EPIPE;
}

static void make_two(void)
{
    a = context_with(v, 1);
    b = context_with(v, 20);
    result = 0;
}

static void drop_two(void)
{
    greenlet_context_unref(a);
    greenlet_context_unref(b);
}

/* ---- swaps ---- */

START_TEST(a_context_with_a_value_has_no_other)
    {
        struct greenlet_context *made = greenlet_context_with(v, make(3));

        set(w, 4);
        ck_assert_uint_eq(greenlet_context_size(made), 1);
        ck_assert_int_eq(get_from(made, v), 3);
        ck_assert_int_eq(get_from(made, w), -1);
        ck_assert_int_eq(get(v), -1);
        greenlet_context_unref(made);
        ck_assert_int_eq(values, 1);
        for (long n = 1; n <= 3; n++) {
            greenlet_test_fail(GREENLET_TEST_ALLOCATION, n);
            ck_assert_ptr_null(greenlet_context_with(v, make(3)));
            greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
            ck_assert_int_eq(greenlet_caught_peek()->error, -ENOMEM);
            ck_assert_int_eq(values, 1);
        }
    }
END_TEST

START_TEST(a_swap_gives_back_what_there_was)
    {
        struct greenlet_context *before, *inner;

        ck_assert_ptr_null(greenlet_swap_context(NULL));
        ck_assert_ptr_null(
            greenlet_swap_context(greenlet_context_with(v, make(1))));
        inner = greenlet_context_with(v, make(2));
        before = greenlet_swap_context(greenlet_context_ref(inner));
        ck_assert_int_eq(get(v), 2);
        ck_assert_int_eq(get_from(before, v), 1);
        set(v, 3); /* another has this context, and sees it */
        ck_assert_int_eq(get_from(inner, v), 3);
        greenlet_context_unref(greenlet_swap_context(before));
        ck_assert_int_eq(get(v), 1);
        ck_assert_int_eq(values, 2);
        greenlet_context_unref(inner);
        ck_assert_int_eq(values, 1);
    }
END_TEST

START_TEST(a_swap_in_one_greenlet_is_not_seen_in_another)
    {
        struct greenlet *g = greenlet_new(keeps_v, NULL, 0);

        ck_assert_int_eq(ask(g, &(int){7}), 7);
        ck_assert_ptr_null(
            greenlet_swap_context(greenlet_context_with(v, make(8))));
        ck_assert_int_eq(ask(g, NULL), 7);
        ck_assert_int_eq(get(v), 8);
        end(g);
        greenlet_unref(g);
    }
END_TEST

/* A map that nobody else has is changed in place: a copy is somebody else. */
START_TEST(g117_a_copy_of_any_moment_stays_what_it_was)
    {
        struct greenlet_context *copies[6];
        struct greenlet_token *token;
        void *old;

        for (int i = 0; i < 6; i++) {
            set(v, i);
            set(w, 10 + i);
            set(w, 20 + i);
            copies[i] = greenlet_context_copy(NULL);
        }
        ck_assert_int_eq(greenlet_var_set(v, make(9), &token), 0);
        ck_assert_int_eq(greenlet_token_old(token, &old), 0);
        ck_assert_int_eq(*(int *)old, 5);
        set(v, 8);
        ck_assert_int_eq(greenlet_var_reset(v, token), 0);
        ck_assert_int_eq(get(v), 5);
        for (int i = 0; i < 6; i++) {
            ck_assert_int_eq(get_from(copies[i], v), i);
            ck_assert_int_eq(get_from(copies[i], w), 20 + i);
            greenlet_context_unref(copies[i]);
        }
        ck_assert_int_eq(values, 2);
    }
END_TEST

START_TEST(g120_scoped_runs_nest)
    {
        make_two();
        set(v, 9);
        ck_assert_int_eq(greenlet_context_run(a, runs_b, &(int){20}, &result),
                         0);
        ck_assert_int_eq(result, -EPIPE);
        ck_assert_int_eq(get(v), 9);
        ck_assert_int_eq(get_from(b, v), 21); /* the set stays in b */
        /* left: they can be entered again */
        ck_assert_int_eq(greenlet_context_run(a, expects_v, &(int){1}, NULL),
                         0);
        ck_assert_int_eq(greenlet_context_run(a, expects_v, &(int){2}, NULL),
                         0);
        drop_two();
    }
END_TEST

static int stays_inside(void *arg)
{
    int *number = arg;
    void *value;
    int rc = greenlet_switch(greenlet_parent(greenlet_current()), NULL, &value);

    ck_assert_int_eq(get(v), *number);
    return rc;
}

static int enters(void *value, void **out)
{
    struct greenlet_context *which = value;
    int number = get_from(which, v);

    *out = NULL;
    return greenlet_context_run(which, stays_inside, &number, NULL);
}

START_TEST(g120_runs_of_two_greenlets_may_end_in_any_order)
    {
        struct greenlet *first = greenlet_new(enters, NULL, 0);
        struct greenlet *second = greenlet_new(enters, NULL, 0);
        struct greenlet *third = greenlet_new(enters, NULL, 0);

        make_two();
        ck_assert_int_eq(greenlet_switch(first, a, NULL), 0);
        ck_assert_int_eq(greenlet_switch(second, b, NULL), 0);
        ck_assert_int_eq(greenlet_switch(third, a, NULL), -EBUSY); /* entered */
        ck_assert(greenlet_dead(third));
        ck_assert_int_eq(greenlet_switch(first, NULL, NULL), 0);
        ck_assert_int_eq(greenlet_switch(second, NULL, NULL), 0);
        ck_assert(greenlet_dead(first) && greenlet_dead(second));
        /* G-121: what was entered has been left */
        ck_assert(!has_context(first) && !has_context(second));
        greenlet_unref(first);
        greenlet_unref(second);
        greenlet_unref(third);
        drop_two();
    }
END_TEST

START_TEST(g120_an_entered_context_may_be_shared)
    {
        struct greenlet *inside = greenlet_new(enters, NULL, 0);
        struct greenlet *sharer = greenlet_new(keeps_v, NULL, 0);

        make_two();
        ck_assert_int_eq(greenlet_switch(inside, a, NULL), 0);
        ck_assert_int_eq(greenlet_set_context(sharer, a), 0);
        ck_assert_int_eq(ask(sharer, NULL), 1);
        end(sharer);
        end(inside); /* the exit leaves it, too */
        ck_assert_int_eq(greenlet_context_run(a, expects_v, &(int){1}, NULL),
                         0);
        greenlet_unref(inside);
        greenlet_unref(sharer);
        drop_two();
    }
END_TEST

static int goes_astray(void *arg)
{
    ck_assert_int_eq(greenlet_set_context(greenlet_current(), arg), 0);
    return 3;
}

START_TEST(g120_leaving_another_context_is_an_error)
    {
        make_two();
        set(v, 9);
        ck_assert_int_eq(greenlet_context_run(a, goes_astray, b, &result),
                         -EDOM);
        ck_assert_int_eq(result, 3);
        ck_assert_int_eq(greenlet_caught_peek()->error, -EDOM);
        ck_assert_int_eq(get(v), 20); /* b stays */
        ck_assert_int_eq(greenlet_context_run(a, goes_astray, NULL, NULL),
                         -EDOM);
        ck_assert_int_eq(get(v), -1);
        ck_assert_int_eq(greenlet_context_run(a, goes_astray, a, NULL), 0);
        drop_two();
        ck_assert_int_eq(values, 0);
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_test(tcase, g116_a_context_can_be_set_in_every_state);
    tcase_add_test(tcase, g116_set_while_running_takes_effect_at_once);
    tcase_add_test(tcase, g117_a_copy_is_independent);
    tcase_add_test(tcase, a_copy_of_no_context_is_empty);
    tcase_add_test(tcase, g117_of_a_shared_context_both_see_the_sets);
    tcase_add_test(tcase, g121_a_dead_greenlet_has_its_last_context);
    tcase_add_test(tcase, g122_a_tracer_runs_in_the_targets_context);
    tcase_add_test(tcase, each_goes_through_what_there_was_at_first);
    tcase_add_test(tcase, a_context_with_a_value_has_no_other);
    tcase_add_test(tcase, a_swap_gives_back_what_there_was);
    tcase_add_test(tcase, a_swap_in_one_greenlet_is_not_seen_in_another);
    tcase_add_test(tcase, g117_a_copy_of_any_moment_stays_what_it_was);
    tcase_add_test(tcase, g120_scoped_runs_nest);
    tcase_add_test(tcase, g120_runs_of_two_greenlets_may_end_in_any_order);
    tcase_add_test(tcase, g120_an_entered_context_may_be_shared);
    tcase_add_test(tcase, g120_leaving_another_context_is_an_error);
    return vars_run("varcontext", tcase);
}
