/* Context variables: values, defaults, tokens (G-113 ... G-115). */
#include "context/testhook.h"
#include "vars.h"

static struct greenlet_token *set_token(struct greenlet_var *var, int number)
{
    struct greenlet_token *token = NULL;

    ck_assert_int_eq(greenlet_var_set(var, make(number), &token), 0);
    ck_assert_ptr_nonnull(token);
    return token;
}

static void run(greenlet_run *body)
{
    struct greenlet *g = greenlet_new(body, NULL, 0);

    ck_assert_ptr_nonnull(g);
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert(greenlet_dead(g));
    greenlet_unref(g);
}

START_TEST(a_variable_without_a_value_leaves_a_record)
    {
        struct greenlet_exception record;
        void *value = &record;
        int mine;

        ck_assert_str_eq(greenlet_var_name(v), "v");
        ck_assert_int_eq(greenlet_var_get(v, &value), -ENODATA);
        ck_assert_ptr_eq(value, &record);
        ck_assert(greenlet_caught(&record));
        ck_assert_int_eq(record.error, -ENODATA);
        ck_assert_ptr_eq(greenlet_var_get_or(v, &mine), &mine);
        ck_assert(!greenlet_caught(&record));
    }
END_TEST

START_TEST(a_default_is_what_there_is_without_a_value)
    {
        int mine, *other = make(6);

        ck_assert_int_eq(greenlet_var_set_default(v, make(5)), 0);
        ck_assert_int_eq(greenlet_var_set_default(v, other), -EEXIST);
        destroy(other); /* it is the caller's still */
        ck_assert_int_eq(get(v), 5);
        ck_assert_ptr_eq(greenlet_var_get_or(v, &mine), &mine);
        ck_assert(!has_context(greenlet_current()));
        set(v, 7);
        ck_assert_int_eq(get(v), 7);
        ck_assert_int_eq(*(int *)greenlet_var_get_or(v, &mine), 7);
    }
END_TEST

static int sees_the_default(void *value, void **result)
{
    (void)value;
    (void)result;
    ck_assert_int_eq(get(v), 5);
    ck_assert_int_eq(get(w), -1);
    ck_assert(!has_context(greenlet_current()));
    return 0;
}

START_TEST(g113_a_new_greenlet_has_an_empty_context)
    {
        greenlet_var_set_default(v, make(5));
        set(v, 1);
        set(w, 2);
        run(sees_the_default);
    }
END_TEST

static int sets_and_switches(void *value, void **result)
{
    (void)result;
    set(v, *(int *)value);
    for (int i = 1; i < 4; i++) {
        ck_assert_int_eq(
            greenlet_switch(greenlet_parent(greenlet_current()), NULL, &value),
            0);
        ck_assert_int_eq(get(v), *(int *)value - i);
        set(v, *(int *)value);
    }
    return 0;
}

START_TEST(g114_a_set_is_local_and_survives_switches)
    {
        struct greenlet *a = greenlet_new(sets_and_switches, NULL, 0);
        struct greenlet *b = greenlet_new(sets_and_switches, NULL, 0);

        ck_assert_int_eq(get(v), -1);
        for (int i = 0; i < 4; i++) {
            int for_a = 10, for_b = 20;

            /* what the body is sent: 10, 11, 13, 16; it had i less */
            for (int k = 1; k <= i; k++) {
                for_a += k;
                for_b += k;
            }
            ck_assert_int_eq(greenlet_switch(a, &for_a, NULL), 0);
            ck_assert_int_eq(greenlet_switch(b, &for_b, NULL), 0);
            ck_assert_int_eq(get(v), i == 0 ? -1 : 99);
            set(v, 99);
        }
        ck_assert(greenlet_dead(a) && greenlet_dead(b));
        greenlet_unref(a);
        greenlet_unref(b);
    }
END_TEST

static int makes_a_context(void *value, void **result)
{
    struct greenlet *self = greenlet_current();
    struct greenlet_context *context;

    (void)result;
    greenlet_var_get_or(v, NULL);
    ck_assert(!has_context(self));
    ck_assert_int_eq(greenlet_var_get(v, &value), -ENODATA);
    ck_assert(!has_context(self));
    set(v, 1);
    ck_assert_int_eq(greenlet_get_context(self, &context), 0);
    ck_assert_uint_eq(greenlet_context_size(context), 1);
    ck_assert_int_eq(greenlet_context_get(context, v, &value), 0);
    ck_assert_int_eq(*(int *)value, 1);
    ck_assert_int_eq(greenlet_context_get(context, w, &value), -ENODATA);
    set(w, 2); /* the same context: it can be seen through the handle */
    ck_assert_uint_eq(greenlet_context_size(context), 2);
    greenlet_context_unref(context);
    return 0;
}

START_TEST(g115_the_first_set_makes_the_context)
    {
        run(makes_a_context);
    }
END_TEST

START_TEST(a_value_is_destroyed_when_another_replaces_it)
    {
        for (int i = 0; i < 100; i++) {
            set(v, i);
            ck_assert_int_eq(values, 1);
            ck_assert_int_eq(get(v), i);
        }
    }
END_TEST

START_TEST(a_reset_brings_back_what_was_before)
    {
        struct greenlet_token *first = set_token(v, 1);
        struct greenlet_token *second = set_token(v, 2);
        void *value;

        ck_assert_int_eq(greenlet_token_old(first, &value), -ENODATA);
        ck_assert_int_eq(greenlet_token_old(second, &value), 0);
        ck_assert_int_eq(*(int *)value, 1);
        set(v, 3);
        ck_assert_int_eq(values, 2); /* 2 has gone, 1 is in a token */
        ck_assert_int_eq(greenlet_var_reset(v, second), 0);
        ck_assert_int_eq(get(v), 1);
        ck_assert_int_eq(greenlet_var_reset(v, first), 0);
        ck_assert_int_eq(get(v), -1);
        ck_assert_int_eq(values, 0);
    }
END_TEST

START_TEST(tokens_may_be_used_in_any_order)
    {
        struct greenlet_token *first = set_token(v, 1);
        struct greenlet_token *second = set_token(v, 2);
        struct greenlet_token *third = set_token(v, 3);

        ck_assert_int_eq(greenlet_var_reset(v, first), 0);
        ck_assert_int_eq(get(v), -1);
        ck_assert_int_eq(greenlet_var_reset(v, third), 0);
        ck_assert_int_eq(get(v), 2);
        greenlet_token_free(second);
        greenlet_token_free(NULL);
        ck_assert_int_eq(values, 1);
    }
END_TEST

static void expect_value_error(int error)
{
    struct greenlet_exception record;

    ck_assert(greenlet_caught(&record));
    ck_assert_ptr_eq(record.cls, &greenlet_value_class);
    ck_assert_int_eq(record.error, error);
}

START_TEST(a_token_is_for_its_variable_and_its_context)
    {
        struct greenlet_token *token = set_token(v, 1);
        struct greenlet *self = greenlet_current();
        struct greenlet_context *mine, *copy = greenlet_context_copy(NULL);

        set(w, 2);
        ck_assert_int_eq(greenlet_var_reset(w, token), -EINVAL);
        expect_value_error(-EINVAL);
        ck_assert_int_eq(get(w), 2);
        ck_assert_int_eq(greenlet_get_context(self, &mine), 0);
        greenlet_set_context(self, copy);
        ck_assert_int_eq(greenlet_var_reset(v, token), -EXDEV);
        expect_value_error(-EXDEV);
        ck_assert_int_eq(get(v), 1);
        greenlet_set_context(self, NULL);
        ck_assert_int_eq(greenlet_var_reset(v, token), -EXDEV);
        greenlet_set_context(self, mine);
        ck_assert_int_eq(greenlet_var_reset(v, token), 0);
        ck_assert_int_eq(get(v), -1);
        greenlet_context_unref(mine);
        greenlet_context_unref(copy);
    }
END_TEST

START_TEST(contexts_keep_their_variables)
    {
        struct greenlet_var *mine = greenlet_var_new(NULL, destroy);
        struct greenlet_token *token;

        ck_assert_str_eq(greenlet_var_name(mine), "");
        greenlet_var_set_default(mine, make(1));
        token = set_token(mine, 2);
        greenlet_var_unref(greenlet_var_ref(mine));
        greenlet_var_unref(mine);
        ck_assert_int_eq(get(mine), 2);
        ck_assert_int_eq(values, 2);
        greenlet_set_context(greenlet_current(), NULL);
        ck_assert_int_eq(values, 2); /* the token has the context */
        greenlet_token_free(token);
        ck_assert_int_eq(values, 0);
    }
END_TEST

/* ---- destroy functions ---- */

static struct greenlet *other;
static struct greenlet_var *visitor;
static int visits;

static int goes_to_and_fro(void *value, void **result)
{
    (void)value;
    (void)result;
    for (;;) {
        int rc;

        visits++;
        set(v, 100 + visits);
        rc = greenlet_switch(greenlet_parent(greenlet_current()), NULL, NULL);
        if (rc < 0)
            return rc;
    }
}

static void switches(void *value)
{
    ck_assert_int_eq(greenlet_switch(other, NULL, NULL), 0);
    /* our context is whole: it can be used and changed from here */
    ck_assert(greenlet_var_get_or(visitor, NULL) != value);
    set(w, 1000 + visits);
    destroy(value);
}

START_TEST(a_destroy_function_may_switch_and_set)
    {
        struct greenlet_token *token;

        visits = 0;
        other = greenlet_new(goes_to_and_fro, NULL, 0);
        visitor = greenlet_var_new("visitor", switches);
        set(visitor, 1);
        set(visitor, 2);
        ck_assert_int_eq(visits, 1);
        ck_assert_int_eq(get(w), 1001);
        token = set_token(visitor, 3);
        ck_assert_int_eq(visits, 1);
        ck_assert_int_eq(greenlet_var_reset(visitor, token), 0);
        ck_assert_int_eq(visits, 2);
        greenlet_set_context(greenlet_current(), NULL);
        ck_assert_int_eq(visits, 3);
        ck_assert_int_eq(get(w), 1003);
        greenlet_var_unref(visitor);
        greenlet_unref(other);
    }
END_TEST

/* ---- no memory ---- */

/* All that allocates; what is left undone is as if it had not been tried. */
static int scenario(void)
{
    struct greenlet *self = greenlet_current();
    struct greenlet_token *token = NULL;
    struct greenlet_context *context = NULL, *copy = NULL;
    int before, rc;

    rc = greenlet_var_set(v, make(1), NULL);
    if (rc < 0) {
        ck_assert(!has_context(self));
        return rc;
    }
    rc = greenlet_var_set(w, make(2), &token);
    if (rc < 0) {
        ck_assert_ptr_null(token);
        ck_assert_int_eq(get(v), 1);
        ck_assert_int_eq(get(w), -1);
        return rc;
    }
    before = get(w);
    rc = greenlet_var_set(w, make(3), NULL);
    ck_assert_int_eq(get(w), rc < 0 ? before : 3);
    before = get(w);
    rc = greenlet_var_reset(w, token);
    ck_assert_int_eq(get(w), rc < 0 ? before : -1);
    if (rc < 0)
        greenlet_token_free(token);
    context = greenlet_context_new();
    copy = greenlet_context_copy(NULL);
    rc = context == NULL || copy == NULL ? -ENOMEM : rc;
    greenlet_context_unref(context);
    greenlet_context_unref(copy);
    return rc;
}

START_TEST(without_memory_nothing_changes)
    {
        const struct greenlet_exception *record;
        bool failed = true;
        long n;

        for (n = 1; failed; n++) {
            greenlet_test_fail(GREENLET_TEST_ALLOCATION, n);
            scenario();
            failed = greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0) >= n;
            record = greenlet_caught_peek();
            ck_assert(!failed || (record != NULL && record->error == -ENOMEM) ||
                      (record != NULL && record->error == -ENODATA));
            greenlet_set_context(greenlet_current(), NULL);
            ck_assert_int_eq(values, 0);
        }
        ck_assert_int_gt(n, 10);
        for (n = 1; n < 6; n++) { /* all from the n-th on */
            greenlet_test_fail(GREENLET_TEST_ALLOCATION, -n);
            ck_assert_int_eq(scenario(), -ENOMEM);
            greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
            greenlet_set_context(greenlet_current(), NULL);
            ck_assert_int_eq(values, 0);
        }
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, 1);
        ck_assert_ptr_null(greenlet_var_new("x", NULL));
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_test(tcase, a_variable_without_a_value_leaves_a_record);
    tcase_add_test(tcase, a_default_is_what_there_is_without_a_value);
    tcase_add_test(tcase, g113_a_new_greenlet_has_an_empty_context);
    tcase_add_test(tcase, g114_a_set_is_local_and_survives_switches);
    tcase_add_test(tcase, g115_the_first_set_makes_the_context);
    tcase_add_test(tcase, a_value_is_destroyed_when_another_replaces_it);
    tcase_add_test(tcase, a_reset_brings_back_what_was_before);
    tcase_add_test(tcase, tokens_may_be_used_in_any_order);
    tcase_add_test(tcase, a_token_is_for_its_variable_and_its_context);
    tcase_add_test(tcase, contexts_keep_their_variables);
    tcase_add_test(tcase, a_destroy_function_may_switch_and_set);
    tcase_add_test(tcase, without_memory_nothing_changes);
    return vars_run("contextvar", tcase);
}
