/* Small numbers and names of greenlets. */
#include "order.h"

static int ends(void *arg, void **result)
{
    *result = arg;
    return 0;
}

START_TEST(the_smallest_free_number_is_given)
{
    struct greenlet *g[4];

    for (int i = 0; i < 4; i++) {
        g[i] = hub_spawn(ends, NULL);
        ck_assert_int_eq(hub_minimal_ident(g[i]), i);
    }
    ck_assert_int_eq(hub_minimal_ident(g[2]), 2);
    hub_drain(HUB_FOREVER);
    ck_assert_int_eq(hub_minimal_ident(g[2]), 2); /* as long as it exists */
    greenlet_unref(g[3]);
    greenlet_unref(g[1]);
    greenlet_unref(g[2]);
    g[1] = hub_spawn(ends, NULL);
    g[2] = hub_spawn(ends, NULL);
    g[3] = hub_spawn(ends, NULL);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(hub_minimal_ident(g[i]), i);
    hub_drain(HUB_FOREVER);
    for (int i = 0; i < 4; i++)
        greenlet_unref(g[i]);
}
END_TEST

START_TEST(many_numbers_come_back_in_order)
{
    enum { N = 200 };
    struct greenlet *g[N];

    for (int i = 0; i < N; i++) {
        g[i] = hub_greenlet_new(ends, NULL, 0);
        ck_assert_int_eq(hub_minimal_ident(g[i]), i);
    }
    for (int i = 0; i < N; i++)
        greenlet_unref(g[(i * 37) % N]);
    for (int i = 0; i < N; i++) {
        g[i] = hub_greenlet_new(ends, NULL, 0);
        ck_assert_int_eq(hub_minimal_ident(g[i]), i);
    }
    for (int i = 0; i < N; i++)
        greenlet_unref(g[i]);
}
END_TEST

START_TEST(a_name_is_made_from_it)
{
    struct greenlet *g = hub_spawn(ends, NULL), *h = hub_spawn(ends, NULL);

    ck_assert_str_eq(hub_greenlet_name(g), "Greenlet-0");
    greenlet_set_name(h, "other");
    ck_assert_str_eq(hub_greenlet_name(h), "other");
    ck_assert_int_eq(hub_minimal_ident(h), 1);
    hub_drain(HUB_FOREVER);
    ck_assert_str_eq(hub_greenlet_name(g), "Greenlet-0");
    greenlet_unref(g);
    greenlet_unref(h);
}
END_TEST

START_TEST(the_function_and_its_argument_are_shown_after_the_end)
{
    char text[128], argument[32];
    struct greenlet *g = hub_spawn(ends, text);

    hub_join(g, HUB_FOREVER);
    ck_assert_int_gt(hub_greenlet_repr(g, text, sizeof text), 0);
    snprintf(argument, sizeof argument, "(%p)>", (void *)text);
    ck_assert_ptr_nonnull(strstr(text, "<greenlet \"Greenlet-0\" at "));
    ck_assert_ptr_nonnull(strstr(text, argument));
    greenlet_unref(g);
    ck_assert_int_gt(hub_greenlet_repr(greenlet_current(), text, 8), 8);
    ck_assert_uint_eq(strlen(text), 7);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, the_smallest_free_number_is_given);
    tcase_add_test(tcase, many_numbers_come_back_in_order);
    tcase_add_test(tcase, a_name_is_made_from_it);
    tcase_add_test(tcase,
                   the_function_and_its_argument_are_shown_after_the_end);
    return unit_run("ident", tcase);
}
