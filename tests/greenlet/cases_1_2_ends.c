/* cases_1_2_ends.c - where a switch and an end lead (G-027 ... G-035) */
#include "case.h"

#include <signal.h>
#include <sys/wait.h>

static int to_self;

static int counts_to_self(enum greenlet_event event, struct greenlet *origin,
                          struct greenlet *target, void *data)
{
    to_self += event == GREENLET_SWITCHED && origin == target && target == data;
    return 0;
}

static int switches_to_itself(void *value, void **result)
{
    struct greenlet *self = greenlet_current();

    CHECK_PTR(SWITCH(self, V(27)), V(27));
    greenlet_settrace(counts_to_self, self, NULL);
    CHECK_PTR(SWITCH(self, value), value);
    greenlet_settrace(NULL, NULL, NULL);
    *result = V(1);
    return 0;
}

CASE(G_027, "a switch to oneself returns at once, and is an event")
{
    struct greenlet *g = make(switches_to_itself);
    struct greenlet_message *message = greenlet_message_new();
    void *result = NULL;

    CHECK_PTR(SWITCH(g, V(5)), V(1));
    CHECK_INT(to_self, 1);
    switches_to_itself(V(6), &result); /* main */
    CHECK_INT(to_self, 2);
    greenlet_unref(g);

    CHECK_INT(greenlet_message_add(message, "key", V(3), NULL), 0);
    CHECK_INT(greenlet_switch_message(greenlet_current(), message, &result), 0);
    CHECK_PTR(result, message);
    CHECK_PTR(greenlet_received(), message);
    greenlet_message_free(message);
}

CASE(G_028, "a finished one stands for its parent, and on up the chain")
{
    struct greenlet *g = make(returns_value);
    struct greenlet *h = make_below(returns_value, g);
    struct greenlet_message *message = greenlet_message_new();
    void *result = NULL;

    SWITCH(g, NULL);
    SWITCH(h, NULL); /* through g, which is dead */
    CHECK(greenlet_dead(g) && greenlet_dead(h));
    CHECK_PTR(SWITCH(g, V(28)), V(28));
    CHECK_PTR(SWITCH(h, V(29)), V(29));
    CHECK_INT(greenlet_switch_message(h, message, &result), 0);
    CHECK_PTR(result, message);
    CHECK_PTR(greenlet_received(), message);
    greenlet_message_free(message);
    greenlet_unref(h);
    greenlet_unref(g);
}

static int switches_to_closure(void *value, void **result)
{
    *result = SWITCH(greenlet_closure(), value);
    return 0;
}

/* Sends what it is sent and one more, so that one sees who was on the way. */
static int adds_one_for_ever(void *value, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());
    int rc;

    (void)result;
    do
        rc = greenlet_switch(parent, V((intptr_t)value + 1), &value);
    while (rc == 0);
    return rc;
}

CASE(G_028b, "a suspended parent of a finished one is resumed")
{
    struct greenlet *parent = make(adds_one_for_ever), *g, *caller;

    SWITCH(parent, NULL);
    g = make_below(returns_value, parent);
    CHECK_PTR(SWITCH(g, V(1)), V(2)); /* through parent */
    CHECK(greenlet_dead(g));
    caller = make_with(switches_to_closure, g);
    CHECK_PTR(SWITCH(caller, V(2)), V(3)); /* caller is left suspended */
    CHECK(!greenlet_dead(caller));
    CHECK_PTR(SWITCH(caller, V(3)), V(3));
    CHECK(greenlet_dead(caller));
    greenlet_unref(caller);
    greenlet_unref(g);
    greenlet_unref(parent);
}

static int adds_one(void *value, void **result)
{
    *result = V((intptr_t)value + 1);
    return 0;
}

CASE(G_029, "if the first ancestor that is not dead is new, it is started")
{
    struct greenlet *g = make(returns_value), *h, *parent = make(adds_one);
    struct greenlet_message *message = greenlet_message_new();

    h = make_below(returns_value, g);
    SWITCH(g, NULL);
    SWITCH(h, NULL);
    CHECK_INT(greenlet_set_parent(g, parent), 0);
    CHECK_PTR(SWITCH(h, V(29)), V(30)); /* h, g are dead */
    CHECK(greenlet_dead(parent));
    CHECK_PTR(SWITCH(h, V(29)), V(29));
    greenlet_unref(parent);

    parent = make(returns_value);
    CHECK_INT(greenlet_set_parent(g, parent), 0);
    CHECK_INT(greenlet_message_add(message, NULL, V(31), NULL), 0);
    CHECK_INT(greenlet_switch_message(h, message, NULL), 0);
    CHECK(greenlet_dead(parent));
    greenlet_unref(parent);
    greenlet_unref(h);
    greenlet_unref(g);
}

static int gets_one_value(void *value, void **result)
{
    struct greenlet_message *message = greenlet_received();

    CHECK(message == NULL ||
          greenlet_message_shape(message) == GREENLET_SINGLE);
    greenlet_message_free(message);
    note("%d", (int)(intptr_t)value);
    *result = value;
    return 0;
}

CASE(G_030, "falling off the end starts a new parent with the result")
{
    struct greenlet *parent = make(gets_one_value);
    struct greenlet *g = make_below(adds_one, parent);

    CHECK_PTR(SWITCH(g, V(29)), V(30));
    CHECK(greenlet_dead(g) && greenlet_dead(parent));
    greenlet_unref(g);
    greenlet_unref(parent);

    parent = make(gets_one_value);
    g = make_below(returns_value, parent); /* nothing is a result, too */
    CHECK_PTR(SWITCH(g, NULL), NULL);
    CHECK_STR(notes(), "30 0");
    greenlet_unref(g);
    greenlet_unref(parent);
}

static int notes_that_it_ran(void *value, void **result)
{
    (void)value;
    note("ran");
    *result = V(42);
    return 0;
}

CASE(G_031, "a parent without a run: the error goes to the next ancestor")
{
    struct greenlet *parent = make(NULL);
    struct greenlet *g = make_below(notes_that_it_ran, parent);

    for (int i = 0; i < 3; i++) {
        CHECK_INT(greenlet_switch(g, V(i), NULL), -ENODATA);
        CHECK_CAUGHT(greenlet_attribute_class, NULL);
        CHECK(greenlet_dead(g));
        CHECK(!greenlet_started(parent) && !greenlet_dead(parent));
    }
    CHECK_STR(notes(), "ran");
    greenlet_unref(g);
    greenlet_unref(parent);
}

static int perverse(struct greenlet *g, struct greenlet_callable *run)
{
    (void)g;
    (void)run;
    return raise_here(&some_error, V(31));
}

static const struct greenlet_type perverse_type = {"perverse", perverse, NULL};

CASE(G_031b, "so it does when the parent's lookup raises")
{
    struct greenlet *parent = make_of(&perverse_type, never_run);
    struct greenlet *g = make_below(notes_that_it_ran, parent);

    for (int i = 0; i < 3; i++) {
        CHECK_INT(greenlet_switch(g, V(i), NULL), -EPROTO);
        CHECK_CAUGHT(some_error, V(31));
        CHECK(!greenlet_active(g) && !greenlet_active(parent));
        CHECK(!greenlet_started(parent));
    }
    CHECK_STR(notes(), "ran");
    greenlet_unref(g);
    greenlet_unref(parent);
}

/* Has a child whose parent cannot start, and is the ancestor behind it. */
static int next_ancestor(void *value, void **result)
{
    struct greenlet *parent = make(NULL);
    struct greenlet *g = make_below(notes_that_it_ran, parent);

    CHECK_INT(greenlet_switch(g, value, NULL), -ENODATA);
    CHECK_CAUGHT(greenlet_attribute_class, NULL);
    greenlet_unref(g);
    greenlet_unref(parent);
    *result = V(31);
    return 0;
}

CASE(G_031c, "the next ancestor, which need not be main")
{
    struct greenlet *g = make(next_ancestor);

    CHECK_PTR(SWITCH(g, NULL), V(31));
    CHECK_STR(notes(), "ran");
    greenlet_unref(g);
}

static int raises_some_error(void *value, void **result)
{
    (void)result;
    return raise_here(&some_error, value);
}

CASE(G_032, "a finished parent is legal, and skipped")
{
    struct greenlet *parent = make(returns_value);
    struct greenlet *g = make(adds_one), *h = make(raises_some_error);

    SWITCH(parent, NULL);
    CHECK_INT(greenlet_set_parent(g, parent), 0);
    CHECK_INT(greenlet_set_parent(h, parent), 0);
    CHECK_PTR(SWITCH(g, V(31)), V(32));
    CHECK_INT(greenlet_switch(h, V(32), NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(32));
    greenlet_unref(g);
    greenlet_unref(h);
    greenlet_unref(parent);
}

CASE(G_032b, "what is above it gets the value, or the error")
{
    struct greenlet *above = make(adds_one_for_ever);
    struct greenlet *parent = make(returns_value);
    struct greenlet *g = make_below(adds_one, parent);
    struct greenlet *h = make_below(raises_some_error, parent);

    SWITCH(above, NULL);
    SWITCH(parent, NULL);
    CHECK_INT(greenlet_set_parent(parent, above), 0);
    CHECK_PTR(SWITCH(g, V(30)), V(32));
    CHECK(!greenlet_dead(above));
    CHECK_INT(greenlet_switch(h, V(32), NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(32));
    CHECK(greenlet_dead(above)); /* ended by it */
    greenlet_unref(g);
    greenlet_unref(h);
    greenlet_unref(parent);
    greenlet_unref(above);
}

static int one_then_two(void *value, void **result)
{
    (void)value;
    (void)result;
    note("1");
    YIELD(NULL);
    note("1 1");
    return 0;
}

CASE(G_033, "two children take turns")
{
    struct greenlet *g = make(one_then_two), *h = make(one_then_two);

    SWITCH(g, NULL);
    CHECK_STR(notes(), "1");
    SWITCH(h, NULL);
    CHECK_STR(notes(), "1 1");
    SWITCH(h, NULL);
    CHECK_STR(notes(), "1 1 1 1");
    CHECK(greenlet_dead(h) && !greenlet_dead(g));
    SWITCH(g, NULL);
    CHECK_STR(notes(), "1 1 1 1 1 1");
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
    greenlet_unref(h);
}

CASE(G_033b, "when a sibling ends, its parent goes on, not who started it")
{
    struct greenlet *second = make(adds_one);
    struct greenlet *first = make_with(switches_to_closure, second);

    CHECK_PTR(SWITCH(first, V(32)), V(33));
    CHECK(greenlet_dead(second));
    CHECK(greenlet_active(first));
    CHECK_PTR(SWITCH(first, V(34)), V(34));
    CHECK(greenlet_dead(first));
    greenlet_unref(first);
    greenlet_unref(second);
}

static int notes_b(void *value, void **result)
{
    (void)value;
    (void)result;
    note("b");
    return greenlet_switch(greenlet_parent(greenlet_current()), NULL, NULL);
}

static int has_a_child(void *value, void **result)
{
    struct greenlet *child = make(notes_b);

    (void)value;
    (void)result;
    note("a");
    SWITCH(child, NULL);
    note("c");
    greenlet_unref(child);
    return 0;
}

CASE(G_033c, "a child of a child")
{
    struct greenlet *g = make(has_a_child);

    SWITCH(g, NULL);
    CHECK_STR(notes(), "a b c");
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

CASE(G_034, "2,000 new parents are fallen through on no stack of anybody's")
{
    struct greenlet *chain[2000], *parent = NULL;

    for (int i = 0; i < 2000; i++) {
        chain[i] = greenlet_new(adds_one, parent, 16 * 1024);
        CHECK(chain[i] != NULL);
        parent = chain[i];
    }
    CHECK_PTR(SWITCH(parent, NULL), V(2000));
    for (int i = 2000; i-- > 0;) {
        CHECK(greenlet_dead(chain[i]));
        greenlet_unref(chain[i]);
    }
}

/* In a child process: nobody can be switched to from now on. */
static int ends_where_nobody_is(void *value, void **result)
{
    (void)value;
    (void)result;
    greenlet_test_fail(FAIL_SWITCH, -1);
    return raise_here(&some_error, NULL);
}

static void runs_out_of_parents(void *argument)
{
    struct greenlet *g = make(ends_where_nobody_is);

    (void)argument;
    greenlet_switch(g, NULL, NULL);
}

CASE(G_035, "if no ancestor takes an error the process aborts, and says why")
{
    char text[1000];
    int status;

    if (greenlet_test_fail == NULL)
        SKIP("main always takes it, and this library was built without the "
             "hook that makes switches fail");
    status = in_child(runs_out_of_parents, NULL, text, sizeof text);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        FAIL("status %#x, should be SIGABRT; %s", (unsigned)status, text);
    CHECK_HAS(text, "ran out of parent");
}
