/* vars.h - what the tests of context variables share: two variables, values
 * that are counted, and a fixture that wants all of them destroyed */
#ifndef VIREO_TESTS_VARS_H
#define VIREO_TESTS_VARS_H

#include "../unit.h"

#include <errno.h>

static long values; /* atomic: given and not yet destroyed */
static size_t contexts;
static struct greenlet_var *v, *w;

static inline void destroy(void *value)
{
    __atomic_sub_fetch(&values, 1, __ATOMIC_RELAXED);
    free(value);
}

static inline int *make(int number)
{
    int *value = malloc(sizeof *value);

    *value = number;
    __atomic_add_fetch(&values, 1, __ATOMIC_RELAXED);
    return value;
}

static inline void vars_setup(void)
{
    struct greenlet_counts counts;

    greenlet_count(&counts);
    contexts = counts.contexts;
    v = greenlet_var_new("v", destroy);
    w = greenlet_var_new("w", destroy);
}

static inline void vars_teardown(void)
{
    struct greenlet_counts counts;

    greenlet_set_context(greenlet_current(), NULL);
    greenlet_var_unref(v);
    greenlet_var_unref(w);
    ck_assert_int_eq(values, 0);
    greenlet_count(&counts);
    ck_assert_uint_eq(counts.contexts, contexts);
}

static inline void set(struct greenlet_var *var, int number)
{
    if (greenlet_var_set(var, make(number), NULL) != 0)
        ck_abort();
}

static inline int get(struct greenlet_var *var)
{
    void *value = NULL;

    return greenlet_var_get(var, &value) == 0 ? *(int *)value : -1;
}

static inline int get_from(struct greenlet_context *context,
                           struct greenlet_var *var)
{
    void *value = NULL;
    int rc = greenlet_context_get(context, var, &value);

    return rc == 0 ? *(int *)value : -1;
}

/* Counted; NULL: none. */
static inline struct greenlet_context *context_of(struct greenlet *g)
{
    struct greenlet_context *context;

    ck_assert_int_eq(greenlet_get_context(g, &context), 0);
    return context;
}

static inline bool has_context(struct greenlet *g)
{
    struct greenlet_context *context = context_of(g);

    greenlet_context_unref(context);
    return context != NULL;
}

static inline struct greenlet_context *context_with(struct greenlet_var *var,
                                                    int number)
{
    struct greenlet *self = greenlet_current();
    struct greenlet_context *before = context_of(self), *made;

    greenlet_set_context(self, NULL);
    set(var, number);
    made = context_of(self);
    greenlet_set_context(self, before);
    greenlet_context_unref(before);
    return made;
}

/* Run the tests of `tcase`. */
static inline int vars_run(const char *name, TCase *tcase)
{
    tcase_add_checked_fixture(tcase, vars_setup, vars_teardown);
    return unit_run(name, tcase);
}

#endif
