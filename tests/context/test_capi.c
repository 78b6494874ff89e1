/* The C interface of upstream as a table (G-170 ... G-174). */
#include "../unit.h"
#include "context/gate.h"

#include <errno.h>

static const struct greenlet_capi *api(void)
{
    const struct greenlet_capi *table = greenlet_capi();

    ck_assert_ptr_nonnull(table);
    return table;
}

/* The calling greenlet caught one of that class, which is taken. */
static void caught(const struct greenlet_class *cls)
{
    struct greenlet_exception exception;

    ck_assert(greenlet_caught(&exception));
    ck_assert_msg(exception.cls == cls, "%s", exception.cls->name);
    greenlet_exception_clear(&exception);
}

static int returns_it(void *value, void **result)
{
    *result = value;
    return 0;
}

static int echoes(void *value, void **result)
{
    int rc = 0;

    (void)result;
    while (rc == 0)
        rc =
            greenlet_switch(greenlet_parent(greenlet_current()), value, &value);
    return rc;
}

START_TEST(g170_twelve_entries)
{
    const void *const *entries = (const void *const *)(const void *)api();

    ck_assert_uint_eq(sizeof(struct greenlet_capi), 12 * sizeof(void *));
    for (int i = 0; i < 12; i++)
        ck_assert_msg(entries[i] != NULL, "entry %d", i);
    ck_assert_ptr_eq(api(), api());
    ck_assert_ptr_eq(api()->error, &greenlet_error_class);
    ck_assert_ptr_eq(api()->exit, &greenlet_exit_class);
}
END_TEST

START_TEST(g171_new_takes_null_for_both)
{
    struct greenlet_callable run = {.run = returns_it};
    struct greenlet *bare = api()->new_(NULL, NULL);
    struct greenlet *below = api()->new_(&run, bare);

    ck_assert_ptr_nonnull(bare);
    ck_assert_ptr_eq(greenlet_parent(bare), greenlet_current());
    ck_assert_int_eq(greenlet_get_run(bare, &run), -ENODATA);
    ck_assert_ptr_eq(greenlet_parent(below), bare);
    greenlet_unref(below);
    greenlet_unref(bare);
}
END_TEST

START_TEST(g171_switch_gives_a_message)
{
    struct greenlet_callable run = {.run = echoes};
    struct greenlet *g = api()->new_(&run, NULL);
    struct greenlet_message *args = greenlet_message_new(), *back;
    int token;

    back = api()->switch_(g, NULL); /* none */
    ck_assert_ptr_nonnull(back);
    greenlet_message_free(back);
    ck_assert_int_eq(greenlet_message_add(args, NULL, &token, NULL), 0);
    back = api()->switch_(g, args);
    ck_assert_ptr_nonnull(back);
    ck_assert_int_eq(greenlet_message_shape(back), GREENLET_SINGLE);
    ck_assert_ptr_eq(greenlet_message_at(back, 0), &token);
    greenlet_message_free(back);
    greenlet_unref(g);
}
END_TEST

static const struct greenlet_class own_class = {
    "own", &greenlet_exception_class, -EPROTO};

START_TEST(g171_throw_checks_as_the_method_does)
{
    struct greenlet_callable run = {.run = echoes};
    struct greenlet *g = api()->new_(&run, NULL);
    struct greenlet_message *back = api()->switch_(g, NULL);
    int token;

    greenlet_message_free(back);
    ck_assert_ptr_null(api()->throw_(g, &own_class, &token, NULL));
    caught(&own_class);
    ck_assert(greenlet_dead(g));
    back = api()->throw_(g, NULL, NULL, NULL); /* an exit; it is a value */
    ck_assert_ptr_nonnull(back);
    greenlet_message_free(back);
    greenlet_unref(g);
    ck_assert_ptr_null(api()->throw_(NULL, &own_class, NULL, NULL));
    caught(&greenlet_type_class);
}
END_TEST

START_TEST(g174_null_is_never_without_a_record)
{
    struct greenlet *g = api()->new_(NULL, NULL);
    struct greenlet_message *args = greenlet_message_new();

    ck_assert_ptr_null(api()->switch_(g, NULL)); /* no run */
    caught(&greenlet_attribute_class);
    ck_assert(!api()->started(g));
    ck_assert_ptr_null(api()->switch_(NULL, args)); /* args are given */
    caught(&greenlet_type_class);
    greenlet_unref(g);
}
END_TEST

START_TEST(g172_states_and_parent)
{
    struct greenlet_callable run = {.run = echoes};
    struct greenlet *main_greenlet = api()->getcurrent();
    struct greenlet *g = api()->new_(&run, NULL), *parent;

    ck_assert_ptr_eq(main_greenlet, greenlet_current());
    ck_assert_int_eq(api()->main(main_greenlet), 1);
    ck_assert_int_eq(api()->main(g), 0);
    ck_assert_int_eq(api()->started(g), 0);
    ck_assert_int_eq(api()->active(g), 0);
    greenlet_message_free(api()->switch_(g, NULL));
    ck_assert_int_eq(api()->started(g), 1);
    ck_assert_int_eq(api()->active(g), 1);
    ck_assert_int_eq(api()->main(NULL), -1);
    caught(&greenlet_type_class);
    ck_assert_int_eq(api()->started(NULL), -1);
    caught(&greenlet_type_class);
    ck_assert_int_eq(api()->active(NULL), -1);
    caught(&greenlet_type_class);
    parent = api()->getparent(g);
    ck_assert_ptr_eq(parent, main_greenlet);
    greenlet_unref(parent); /* a new reference */
    ck_assert_ptr_null(api()->getparent(main_greenlet));
    ck_assert_ptr_null(greenlet_caught_peek());
    ck_assert_ptr_null(api()->getparent(NULL));
    caught(&greenlet_type_class);
    greenlet_unref(g);
    greenlet_unref(main_greenlet);
}
END_TEST

START_TEST(g173_setparent)
{
    struct greenlet *a = api()->new_(NULL, NULL);
    struct greenlet *b = api()->new_(NULL, NULL);

    ck_assert_int_eq(api()->setparent(a, b), 0);
    ck_assert_ptr_eq(greenlet_parent(a), b);
    ck_assert_int_eq(api()->setparent(b, a), -1);
    caught(&greenlet_value_class);
    ck_assert_int_eq(api()->setparent(a, NULL), -1);
    caught(&greenlet_type_class);
    ck_assert_int_eq(api()->setparent(greenlet_current(), a), -1);
    caught(&greenlet_attribute_class);
    ck_assert_int_eq(api()->setparent(NULL, a), -1);
    caught(&greenlet_type_class);
    greenlet_unref(a);
    greenlet_unref(b);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_test(tcase, g170_twelve_entries);
    tcase_add_test(tcase, g171_new_takes_null_for_both);
    tcase_add_test(tcase, g171_switch_gives_a_message);
    tcase_add_test(tcase, g171_throw_checks_as_the_method_does);
    tcase_add_test(tcase, g174_null_is_never_without_a_record);
    tcase_add_test(tcase, g172_states_and_parent);
    tcase_add_test(tcase, g173_setparent);
    return unit_run("capi", tcase);
}
