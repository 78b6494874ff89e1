/* cases_1_7_vars.c - a context for each greenlet (G-113 ... G-122) */
#include "case.h"

static struct greenlet_var *var, *other_var;

static void make_vars(void)
{
    var = greenlet_var_new("var", NULL);
    other_var = greenlet_var_new("other", NULL);
    CHECK(var != NULL && other_var != NULL);
}

/* The end of a case: what it set and declared is gone. */
static void free_vars(void)
{
    CHECK_INT(greenlet_set_context(greenlet_current(), NULL), 0);
    greenlet_var_unref(var);
    greenlet_var_unref(other_var);
}

/* The value here; 0 if there is none. */
static long value_here(void)
{
    return (long)(intptr_t)greenlet_var_get_or(var, V(0));
}

static void set_here(long value)
{
    CHECK_INT(greenlet_var_set(var, V(value), NULL), 0);
}

static struct greenlet_context *context_of(struct greenlet *g)
{
    struct greenlet_context *context = NULL;

    CHECK_INT(greenlet_get_context(g, &context), 0);
    return context;
}

/* The value in the context of g; 0 if it has none, -1 if it has no context. */
static long value_of(struct greenlet *g)
{
    struct greenlet_context *context = context_of(g);
    void *value = V(0);

    if (context == NULL)
        return -1;
    greenlet_context_get(context, var, &value);
    greenlet_context_unref(context);
    return (long)(intptr_t)value;
}

static struct greenlet_context *copy_here(void)
{
    struct greenlet_context *context = greenlet_context_copy(NULL);

    CHECK(context != NULL);
    return context;
}

/* Gives back what it sees; sets what it is sent, unless that is 0. */
static int tells_and_sets(void *value, void **result)
{
    (void)result;
    for (;;) {
        long seen = value_here();
        int rc;

        if (value != V(0))
            set_here((intptr_t)value);
        rc = greenlet_switch(greenlet_parent(greenlet_current()), V(seen),
                             &value);
        if (rc < 0)
            return rc;
    }
}

static int tells_once(void *value, void **result)
{
    (void)value;
    *result = V(value_here());
    return 0;
}

static int sets_once(void *value, void **result)
{
    *result = V(value_here());
    set_here((intptr_t)value);
    return 0;
}

/* ---- G-113 ... G-115 ---- */

CASE(G_113, "a new greenlet starts with an empty context: every default")
{
    struct greenlet *g;
    void *found = NULL;

    make_vars();
    CHECK_INT(greenlet_var_set_default(other_var, V(9)), 0);
    set_here(1);
    CHECK_INT(greenlet_var_set(other_var, V(2), NULL), 0);
    g = make(tells_and_sets);
    CHECK_PTR(SWITCH(g, V(5)), V(0));
    CHECK_PTR(SWITCH(g, V(0)), V(5));
    CHECK_INT(value_here(), 1);
    CHECK_INT(greenlet_var_get(other_var, &found), 0);
    CHECK_PTR(found, V(2));
    greenlet_unref(g);
    free_vars();
}

static int tells_the_default(void *value, void **result)
{
    (void)value;
    CHECK_INT(greenlet_var_get(other_var, result), 0);
    return 0;
}

CASE(G_113b, "a default is seen where nothing was set")
{
    struct greenlet *g;
    void *found = V(4);

    make_vars();
    CHECK_INT(greenlet_var_set_default(other_var, V(9)), 0);
    CHECK_INT(greenlet_var_set(other_var, V(2), NULL), 0);
    g = make(tells_the_default);
    CHECK_PTR(SWITCH(g, NULL), V(9));
    CHECK_INT(greenlet_var_get(var, &found), -ENODATA);
    CHECK_PTR(found, V(4));
    greenlet_unref(g);
    free_vars();
}

CASE(G_114, "what is set stays in its greenlet, and survives its switches")
{
    struct greenlet *a = make(tells_and_sets), *b = make(tells_and_sets);

    make_vars();
    set_here(1);
    SWITCH(a, V(2));
    SWITCH(b, V(3));
    CHECK_INT(value_here(), 1);
    for (int i = 0; i < 3; i++) {
        CHECK_PTR(SWITCH(a, V(0)), V(2));
        CHECK_PTR(SWITCH(b, V(0)), V(3));
        CHECK_INT(value_here(), 1);
    }
    set_here(4);
    CHECK_PTR(SWITCH(a, V(5)), V(2));
    CHECK_PTR(SWITCH(a, V(0)), V(5));
    CHECK_PTR(SWITCH(b, V(0)), V(3));
    CHECK_INT(value_here(), 4);
    greenlet_unref(a);
    greenlet_unref(b);
    free_vars();
}

static int sets_and_resets(void *value, void **result)
{
    struct greenlet_token *token = NULL;

    (void)value;
    set_here(1);
    CHECK_INT(greenlet_var_set(var, V(2), &token), 0);
    YIELD(NULL);
    CHECK_INT(value_here(), 2);
    CHECK_INT(greenlet_var_reset(var, token), 0);
    *result = V(value_here());
    return 0;
}

CASE(G_114b, "a token of a greenlet undoes what was set there")
{
    struct greenlet *g = make(sets_and_resets);

    make_vars();
    set_here(7);
    SWITCH(g, NULL);
    CHECK_PTR(SWITCH(g, NULL), V(1));
    CHECK_INT(value_here(), 7);
    greenlet_unref(g);
    free_vars();
}

static int makes_its_context(void *value, void **result)
{
    (void)value;
    (void)result;
    CHECK_INT(value_of(greenlet_current()), -1);
    CHECK_INT(value_here(), 0); /* to read makes none */
    CHECK_INT(value_of(greenlet_current()), -1);
    set_here(3);
    CHECK_INT(value_of(greenlet_current()), 3);
    YIELD(NULL);
    return 0;
}

CASE(G_115, "there is no context until the first set makes it")
{
    struct greenlet *g = make(makes_its_context);
    struct greenlet_context *first, *second;

    make_vars();
    CHECK_INT(value_of(g), -1);
    SWITCH(g, NULL);
    CHECK_INT(value_of(g), 3);
    first = context_of(g);
    second = context_of(g);
    CHECK_PTR(first, second);
    greenlet_context_unref(first);
    greenlet_context_unref(second);
    SWITCH(g, NULL);
    greenlet_unref(g);
    free_vars();
}

/* ---- G-116 ---- */

static int is_given_contexts(void *context, void **result)
{
    struct greenlet *self = greenlet_current();

    (void)result;
    CHECK_INT(value_here(), 1);
    CHECK_INT(greenlet_set_context(self, NULL), 0);
    CHECK_INT(value_here(), 0);
    CHECK_INT(value_of(self), -1);
    set_here(8); /* made again */
    CHECK_INT(value_of(self), 8);
    CHECK_INT(greenlet_set_context(self, context), 0);
    CHECK_INT(value_here(), 1);
    YIELD(NULL);
    CHECK_INT(value_here(), 0);
    YIELD(NULL);
    CHECK_INT(value_here(), 1);
    return 0;
}

CASE(G_116, "a context can be given in every state, and takes effect at once")
{
    struct greenlet *g = make(is_given_contexts);
    struct greenlet_context *context;

    make_vars();
    set_here(1);
    context = copy_here();
    set_here(2);
    CHECK_INT(greenlet_set_context(g, context), 0); /* new */
    CHECK_INT(value_of(g), 1);
    SWITCH(g, context);                          /* running: there */
    CHECK_INT(greenlet_set_context(g, NULL), 0); /* suspended */
    SWITCH(g, NULL);
    CHECK_INT(greenlet_set_context(g, context), 0);
    SWITCH(g, NULL);
    CHECK(greenlet_dead(g));
    CHECK_INT(greenlet_set_context(g, NULL), 0); /* dead */
    CHECK_INT(value_of(g), -1);
    CHECK_INT(greenlet_set_context(g, context), 0);
    CHECK_INT(value_of(g), 1);
    CHECK_INT(greenlet_set_context(greenlet_current(), context), 0); /* main */
    CHECK_INT(value_here(), 1);
    greenlet_context_unref(context);
    greenlet_unref(g);
    free_vars();
}

/* ---- G-117 ---- */

CASE(G_117, "a copy that is given is not shared")
{
    struct greenlet *g = make(tells_and_sets);
    struct greenlet_context *context;

    make_vars();
    set_here(1);
    context = copy_here();
    CHECK_INT(greenlet_set_context(g, context), 0);
    greenlet_context_unref(context);
    CHECK_PTR(SWITCH(g, V(2)), V(1));
    CHECK_INT(value_here(), 1);
    set_here(3);
    CHECK_PTR(SWITCH(g, V(0)), V(2));
    greenlet_unref(g);
    free_vars();
}

CASE(G_117b, "the context of another greenlet is: sets are seen by both")
{
    struct greenlet *a = make(tells_and_sets), *b = make(tells_and_sets);
    struct greenlet_context *context;

    make_vars();
    set_here(1);
    context = context_of(greenlet_current());
    CHECK_INT(greenlet_set_context(a, context), 0);
    CHECK_INT(greenlet_set_context(b, context), 0);
    greenlet_context_unref(context);
    CHECK_PTR(SWITCH(a, V(2)), V(1));
    CHECK_INT(value_here(), 2);
    CHECK_PTR(SWITCH(b, V(3)), V(2));
    CHECK_PTR(SWITCH(a, V(0)), V(3));
    set_here(4);
    CHECK_PTR(SWITCH(b, V(0)), V(4));
    greenlet_unref(a);
    CHECK_INT(value_here(), 4);
    greenlet_unref(b);
    free_vars();
}

/* ---- G-118 ---- */

static struct greenlet *running_here, *suspended_here;

static void *asks_from_another_thread(void *unused)
{
    struct greenlet_context *context = NULL;

    CHECK_INT(greenlet_get_context(running_here, &context), -EBUSY);
    CHECK_CAUGHT(greenlet_value_class, NULL);
    CHECK_INT(greenlet_set_context(running_here, NULL), -EBUSY);
    CHECK_CAUGHT(greenlet_value_class, NULL);
    CHECK_INT(value_of(suspended_here), 2);
    set_here(6);
    context = copy_here();
    CHECK_INT(greenlet_set_context(suspended_here, context), 0);
    greenlet_context_unref(context);
    CHECK_INT(value_of(suspended_here), 6);
    CHECK_INT(greenlet_set_context(greenlet_current(), NULL), 0);
    return unused;
}

CASE(G_118,
     "running in another thread it is refused, suspended there it is not")
{
    struct greenlet *g = make(tells_and_sets);

    make_vars();
    set_here(1);
    SWITCH(g, V(2));
    running_here = greenlet_current();
    suspended_here = g;
    in_thread(asks_from_another_thread, NULL);
    CHECK_INT(value_here(), 1);
    CHECK_PTR(SWITCH(g, V(0)), V(6));
    greenlet_unref(g);
    free_vars();
}

/* ---- G-119 ---- */

CASE(G_119, "a context or none, nothing else; what is given is kept")
{
    struct greenlet *g = make(tells_once);
    struct greenlet_context *context, *found;

    make_vars();
    set_here(1);
    context = copy_here();
    CHECK_INT(greenlet_set_context(g, context), 0);
    found = context_of(g);
    CHECK_PTR(found, context);
    greenlet_context_unref(found);
    greenlet_context_unref(context); /* g keeps it */
    CHECK_PTR(SWITCH(g, NULL), V(1));
    CHECK_INT(greenlet_set_context(g, NULL), 0);
    CHECK_PTR(context_of(g), NULL);
    greenlet_unref(g);
    free_vars();
}

/* ---- G-120, G-121 ---- */

static struct greenlet_context *entered;

static int does_nothing(void *unused)
{
    (void)unused;
    return 0;
}

static int enters_again(void *unused)
{
    (void)unused;
    CHECK_INT(greenlet_context_run(entered, does_nothing, NULL, NULL), -EBUSY);
    CHECK_INT(value_here(), 1);
    set_here(2);
    return 17;
}

CASE(G_120, "a scoped run: in its context, and back")
{
    int result = 0;

    make_vars();
    set_here(1);
    entered = copy_here();
    set_here(5);
    CHECK_INT(greenlet_context_run(entered, enters_again, NULL, &result), 0);
    CHECK_INT(result, 17);
    CHECK_INT(value_here(), 5);
    /* It has been left: what was set in it is there. */
    CHECK_INT(greenlet_context_run(entered, does_nothing, NULL, NULL), 0);
    CHECK_INT(greenlet_set_context(greenlet_current(), entered), 0);
    CHECK_INT(value_here(), 2);
    greenlet_context_unref(entered);
    free_vars();
}

static int stays_inside(void *unused)
{
    (void)unused;
    note("in %ld", value_here());
    YIELD(NULL);
    note("out %ld", value_here());
    return 0;
}

static int enters(void *context, void **result)
{
    int rc;

    (void)result;
    rc = greenlet_context_run(context, stays_inside, NULL, NULL);
    note("%d %ld", rc, value_here());
    return 0;
}

CASE(G_120b, "entered in A, then in B, left in A, left in B")
{
    struct greenlet *a = make(enters), *b = make(enters), *c = make(enters);
    struct greenlet_context *one, *two;

    make_vars();
    set_here(1);
    one = copy_here();
    set_here(2);
    two = copy_here();
    set_here(3);
    SWITCH(a, one);
    SWITCH(b, two);
    SWITCH(c, one); /* who is in there already is an error, no more */
    SWITCH(a, NULL);
    SWITCH(b, NULL);
    CHECK_STR(notes(), "in 1 in 2 -16 0 out 1 0 0 out 2 0 0");
    CHECK_INT(value_here(), 3);
    greenlet_unref(a);
    greenlet_unref(b);
    greenlet_unref(c);
    greenlet_context_unref(one);
    greenlet_context_unref(two);
    free_vars();
}

static int replaces_its_context(void *context)
{
    CHECK_INT(greenlet_set_context(greenlet_current(), context), 0);
    return 4;
}

CASE(G_120c, "a context given inside stays, and the one entered is left")
{
    struct greenlet_context *one, *two;
    int result = 0;

    make_vars();
    set_here(1);
    one = copy_here();
    set_here(2);
    two = copy_here();
    set_here(3);
    CHECK_INT(greenlet_context_run(one, replaces_its_context, two, &result),
              -EDOM);
    CHECK_INT(value_here(), 2);
    CHECK_INT(greenlet_context_run(one, does_nothing, NULL, NULL), 0);
    CHECK_INT(value_here(), 2);
    greenlet_context_unref(one);
    greenlet_context_unref(two);
    free_vars();
}

CASE(G_121, "a dead greenlet still has the context it had last")
{
    struct greenlet *g = make(sets_once);

    make_vars();
    SWITCH(g, V(4));
    CHECK(greenlet_dead(g));
    CHECK_INT(value_of(g), 4);
    greenlet_unref(g);
    free_vars();
}

static int sets_five(void *unused)
{
    (void)unused;
    set_here(5);
    return 0;
}

static int is_wrapped(void *context, void **result)
{
    (void)result;
    return greenlet_context_run(context, sets_five, NULL, NULL);
}

CASE(G_121b, "and none if its body was a scoped run")
{
    struct greenlet *g = make(is_wrapped);
    struct greenlet_context *context = greenlet_context_new();

    make_vars();
    SWITCH(g, context);
    CHECK_PTR(context_of(g), NULL);
    greenlet_unref(g);
    greenlet_context_unref(context);
    free_vars();
}

/* ---- G-122 ---- */

static int notes_the_value(enum greenlet_event event, struct greenlet *origin,
                           struct greenlet *target, void *data)
{
    (void)event;
    (void)origin;
    (void)target;
    (void)data;
    note("%ld", value_here());
    return 0;
}

CASE(G_122, "the tracer runs in the context of the target")
{
    struct greenlet *g = make(tells_and_sets);

    make_vars();
    set_here(1);
    greenlet_settrace(notes_the_value, NULL, NULL);
    SWITCH(g, V(2));
    SWITCH(g, V(0));
    greenlet_settrace(NULL, NULL, NULL);
    CHECK_STR(notes(), "0 1 2 1");
    greenlet_unref(g);
    free_vars();
}
