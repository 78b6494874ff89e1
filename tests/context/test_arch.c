/* What each architecture's assembly promises: registers, alignment, unwinding. */
#include "../unit.h"

#include <errno.h>
#include <execinfo.h>
#include <fenv.h>

static int depth;
static uintptr_t entry_misalignment;

static __attribute__((noinline)) int look_at_the_stack(void *value,
                                                       void **result)
{
    void *frames[32];
    long double aligned = 1.0L; /* needs 16 bytes */

    (void)value;
    entry_misalignment = (uintptr_t)&aligned % 16;
    depth = backtrace(frames, 32);
    *result = NULL;
    return 0;
}

START_TEST(a_backtrace_stops_at_the_entry)
{
    struct greenlet *g = greenlet_new(look_at_the_stack, NULL, 0);

    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_int_gt(depth, 1);
    ck_assert_int_lt(depth, 8);
    ck_assert_uint_eq(entry_misalignment, 0);
    greenlet_unref(g);
}
END_TEST

static int clobbers(void *value, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());
    double x = 1, y = 2, z = 3;
    long a = 1, b = 2, c = 3, d = 4, e = 5, f = 6;

    (void)result;
    while (value != NULL) {
        a = (a + b * c) % 1000;
        d = (d + e * f) % 1000;
        x = y * z + 1;
        y = x / z;
        if (greenlet_switch(parent, (void *)(a + d + (long)x), &value) < 0)
            break;
    }
    return 0;
}

/* Many live values on both sides, so that every callee-saved register has one. */
START_TEST(callee_saved_registers_survive)
{
    struct greenlet *g = greenlet_new(clobbers, NULL, 0);
    long a = 11, b = 22, c = 33, d = 44, e = 55, f = 66;
    double u = 0.5, v = 1.5, w = 2.5, x = 3.5;
    long expected = a + b + c + d + e + f;
    double sum = u + v + w + x;

    for (int i = 0; i < 100; i++) {
        void *value;

        ck_assert_int_eq(greenlet_switch(g, &depth, &value), 0);
        a++, b--, c++, d--, e++, f--;
        u += 1, v -= 1, w += 1, x -= 1;
    }
    ck_assert_int_eq(a + b + c + d + e + f, expected);
    ck_assert_double_eq(u + v + w + x, sum);
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    greenlet_unref(g);
}
END_TEST

static int ends(void *value, void **result)
{
    clobbers(NULL, result);
    *result = value;
    return 0;
}

static int yields_once(void *value, void **result)
{
    return greenlet_switch(greenlet_parent(greenlet_current()), value, result);
}

/* So too where the switch is the first to a greenlet, and the last from it. */
START_TEST(callee_saved_registers_survive_a_beginning_and_an_end)
{
    long a = 11, b = 22, c = 33, d = 44, e = 55, f = 66;
    double u = 0.5, v = 1.5, w = 2.5, x = 3.5;
    long expected = a + b + c + d + e + f;
    double sum = u + v + w + x;

    for (int i = 0; i < 100; i++) {
        struct greenlet *g = greenlet_new(ends, NULL, 0);
        struct greenlet *other = greenlet_new(yields_once, NULL, 0);
        void *value;

        ck_assert_int_eq(greenlet_switch(g, &value, &value), 0);
        ck_assert_ptr_eq(value, &value);
        a++, b--, c++, d--, e++, f--;
        ck_assert_int_eq(greenlet_switch(other, &depth, &value), 0);
        ck_assert_ptr_eq(value, &depth);
        u += 1, v -= 1, w += 1, x -= 1;
        ck_assert_int_eq(greenlet_switch(other, g, &value), 0);
        ck_assert_ptr_eq(value, g);
        greenlet_unref(other);
        greenlet_unref(g);
    }
    ck_assert_int_eq(a + b + c + d + e + f, expected);
    ck_assert_double_eq(u + v + w + x, sum);
}
END_TEST

static int inner_mode;

static int changes_the_mode(void *value, void **result)
{
    (void)value;
    (void)result;
    inner_mode = fegetround();
    fesetround(FE_TOWARDZERO);
    return 0;
}

static int changes_it_and_yields(void *value, void **result)
{
    changes_the_mode(value, result);
    greenlet_switch(greenlet_parent(greenlet_current()), NULL, NULL);
    return fegetround() == FE_TOWARDZERO ? 0 : -EINVAL;
}

/* Not of who makes it: that may be long ago. */
START_TEST(a_new_one_has_the_rounding_mode_of_who_starts_it)
{
    struct greenlet *g = greenlet_new(changes_the_mode, NULL, 0);
    struct greenlet *other = greenlet_new(changes_it_and_yields, NULL, 0);

    fesetround(FE_UPWARD);
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_int_eq(inner_mode, FE_UPWARD);
    ck_assert_int_eq(fegetround(), FE_UPWARD);
    fesetround(FE_DOWNWARD);
    ck_assert_int_eq(greenlet_switch(other, NULL, NULL), 0);
    ck_assert_int_eq(inner_mode, FE_DOWNWARD);
    ck_assert_int_eq(fegetround(), FE_DOWNWARD);
    fesetround(FE_TONEAREST);
    ck_assert_int_eq(greenlet_switch(other, NULL, NULL), 0);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    greenlet_unref(other);
    greenlet_unref(g);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_test(tcase, a_backtrace_stops_at_the_entry);
    tcase_add_test(tcase, callee_saved_registers_survive);
    tcase_add_test(tcase,
                   callee_saved_registers_survive_a_beginning_and_an_end);
    tcase_add_test(tcase, a_new_one_has_the_rounding_mode_of_who_starts_it);
    return unit_run("arch", tcase);
}
