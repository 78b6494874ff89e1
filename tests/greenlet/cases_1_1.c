/* cases_1_1.c - creation and attributes (G-001 ... G-016) */
#include "case.h"

CASE(G_001, "creating runs nothing; run and parent are optional")
{
    struct greenlet_callable run = {never_run, NULL, NULL};
    struct greenlet *main_greenlet = greenlet_current();
    struct greenlet *all[] = {
        greenlet_new(never_run, main_greenlet, 0),
        greenlet_new(never_run, NULL, 0),
        greenlet_new(NULL, main_greenlet, 0),
        greenlet_new(NULL, NULL, 0),
        greenlet_new_of(NULL, &run, NULL, 0),
        greenlet_new_of(NULL, NULL, NULL, 0),
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK(all[i] != NULL);
        CHECK_PTR(greenlet_parent(all[i]), main_greenlet);
        CHECK(!greenlet_started(all[i]) && !greenlet_active(all[i]));
        CHECK(!greenlet_dead(all[i]) && !greenlet_main(all[i]));
        greenlet_unref(all[i]);
    }
}

static int odd_numbers(void *value, void **result)
{
    (void)value;
    (void)result;
    note("1");
    YIELD(NULL);
    note("3");
    return 0;
}

CASE(G_001b, "it runs when it is switched to, as far as its next switch")
{
    struct greenlet *g = make(odd_numbers);

    note("0");
    SWITCH(g, NULL);
    CHECK(greenlet_started(g) && greenlet_active(g) && !greenlet_dead(g));
    note("2");
    SWITCH(g, NULL);
    note("4");
    CHECK_STR(notes(), "0 1 2 3 4");
    CHECK(greenlet_started(g) && !greenlet_active(g) && greenlet_dead(g));
    greenlet_unref(g);
}

/* Sends what it made: its parent must be the one that made it. */
static int makes_a_child(void *value, void **result)
{
    struct greenlet *child = greenlet_new(returns_value, NULL, 0);

    (void)value;
    *result = child;
    return 0;
}

CASE(G_002, "the default parent is the greenlet that is current, not main")
{
    for (int i = 0; i < 2; i++) { /* with new stacks, then on used ones */
        struct greenlet *g = make(makes_a_child);
        struct greenlet *child = SWITCH(g, NULL);

        CHECK(child != NULL);
        CHECK_PTR(greenlet_parent(child), g);
        CHECK_PTR(greenlet_parent(g), greenlet_current());
        greenlet_unref(child);
        greenlet_unref(g);
    }
}

CASE(G_003, "no parent at construction means the default")
{
    struct greenlet_callable run = {returns_value, NULL, NULL};
    struct greenlet *g = greenlet_new(returns_value, NULL, 0);
    struct greenlet *h = greenlet_new_of(NULL, &run, NULL, 0);

    CHECK_PTR(greenlet_parent(g), greenlet_current());
    CHECK_PTR(greenlet_parent(h), greenlet_current());
    greenlet_unref(g);
    greenlet_unref(h);
}

CASE(G_005, "a body that cannot be called is stored; the start kills")
{
    struct greenlet *g = make(greenlet_not_callable);
    struct greenlet_callable run;

    CHECK_INT(greenlet_get_run(g, &run), 0);
    CHECK(run.run == greenlet_not_callable);
    CHECK(!greenlet_dead(g));
    CHECK_INT(greenlet_switch(g, NULL, NULL), -EINVAL);
    CHECK_CAUGHT(greenlet_type_class, NULL);
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

static void has_no_run(struct greenlet *g)
{
    int destroyed = 0;
    struct greenlet_exception exception = record(&some_error, &destroyed);

    CHECK_INT(greenlet_switch(g, NULL, NULL), -ENODATA);
    CHECK_HAS(greenlet_caught_peek()->text, "run");
    CHECK_CAUGHT(greenlet_attribute_class, NULL);
    CHECK(!greenlet_started(g) && !greenlet_dead(g));

    exception.destroy = count_destroy;
    CHECK_INT(greenlet_throw(g, &exception, NULL), -ENODATA);
    CHECK_HAS(greenlet_caught_peek()->text, "run");
    CHECK_CAUGHT(greenlet_attribute_class, NULL);
    CHECK(!greenlet_started(g) && !greenlet_dead(g));
    CHECK_INT(destroyed, 1);
}

CASE(G_006, "without a run: an error that names it, and it stays new")
{
    struct greenlet_callable run = {returns_value, NULL, NULL};
    struct greenlet *g = make(NULL);

    has_no_run(g);
    has_no_run(g);
    CHECK_INT(greenlet_set_run(g, &run), 0);
    CHECK_PTR(SWITCH(g, V(6)), V(6));
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

/* The start of g began: nothing can be read, nothing be set. */
static void run_is_out_of_reach(struct greenlet *g)
{
    int destroyed = 0;
    struct greenlet_callable run = {returns_value, &destroyed, count_destroy};

    CHECK_INT(greenlet_get_run(g, &run), -ENODATA);
    CHECK_HAS(greenlet_caught_peek()->text, "run");
    CHECK_CAUGHT(greenlet_attribute_class, NULL);
    run.run = returns_value;
    CHECK_INT(greenlet_set_run(g, &run), -EBUSY);
    CHECK_HAS(greenlet_caught_peek()->text,
              "run cannot be set after the start of the greenlet");
    CHECK_CAUGHT(greenlet_attribute_class, NULL);
    CHECK_INT(destroyed, 1);
    CHECK_INT(greenlet_set_run(g, NULL), -EBUSY);
    CHECK_CAUGHT(greenlet_attribute_class, NULL);
}

static int looks_for_its_run(void *value, void **result)
{
    (void)value;
    (void)result;
    run_is_out_of_reach(greenlet_current());
    YIELD(NULL);
    return 0;
}

CASE(G_007, "run can be read and set while new, and not from then on")
{
    struct greenlet_callable run = {never_run, NULL, NULL};
    struct greenlet *g = make(never_run);

    CHECK_INT(greenlet_get_run(g, &run), 0);
    CHECK(run.run == never_run);
    run.run = looks_for_its_run;
    CHECK_INT(greenlet_set_run(g, &run), 0);
    run.run = NULL;
    CHECK_INT(greenlet_get_run(g, &run), 0);
    CHECK(run.run == looks_for_its_run);

    SWITCH(g, NULL); /* running */
    run_is_out_of_reach(g);
    SWITCH(g, NULL); /* ends */
    CHECK(greenlet_dead(g));
    run_is_out_of_reach(g);
    greenlet_unref(g);
}

CASE(G_007b, "run that was read is the body itself, and can be called")
{
    struct greenlet *g = make(returns_value);
    struct greenlet_callable run;
    void *result = NULL;

    CHECK_INT(greenlet_get_run(g, &run), 0);
    CHECK_INT(run.run(V(7), &result), 0);
    CHECK_PTR(result, V(7));
    CHECK(!greenlet_started(g));
    greenlet_unref(g);
}

CASE(G_008, "run can be taken away while new")
{
    int destroyed = 0;
    struct greenlet_callable run = {never_run, &destroyed, count_destroy};
    struct greenlet *g = greenlet_new_of(NULL, &run, NULL, 0);

    CHECK_INT(greenlet_set_run(g, NULL), 0);
    CHECK_INT(destroyed, 1);
    CHECK_INT(greenlet_get_run(g, &run), -ENODATA);
    CHECK_CAUGHT(greenlet_attribute_class, NULL);
    has_no_run(g);
    run = (struct greenlet_callable){returns_value, NULL, NULL};
    CHECK_INT(greenlet_set_run(g, &run), 0);
    CHECK_PTR(SWITCH(g, V(8)), V(8));
    greenlet_unref(g);
}

CASE(G_009, "a main greenlet has no run, neither to read nor to set")
{
    struct greenlet_callable run = {never_run, NULL, NULL};
    struct greenlet *g = greenlet_current();

    CHECK(greenlet_main(g));
    CHECK_INT(greenlet_get_run(g, &run), -ENODATA);
    CHECK_HAS(greenlet_caught_peek()->text, "main greenlet");
    CHECK_CAUGHT(greenlet_attribute_class, NULL);
    CHECK_INT(greenlet_set_run(g, &run), -EPERM);
    CHECK_HAS(greenlet_caught_peek()->text, "main greenlet");
    CHECK_CAUGHT(greenlet_attribute_class, NULL);
}

static int lookups;

static int resolve_method(struct greenlet *g, struct greenlet_callable *run)
{
    lookups++;
    CHECK(!greenlet_started(g) && !greenlet_dead(g));
    CHECK(run->run == NULL);
    run->run = returns_value;
    return 0;
}

static const struct greenlet_type with_method = {"method", resolve_method,
                                                 NULL};

CASE(G_010, "run may be a method, looked up once, before the start counts")
{
    struct greenlet *g = make_of(&with_method, NULL);

    CHECK_PTR(greenlet_type_of(g), &with_method);
    CHECK_INT(lookups, 0);
    CHECK_PTR(SWITCH(g, V(10)), V(10));
    CHECK_INT(lookups, 1);
    CHECK_PTR(SWITCH(g, V(11)), V(11)); /* dead: not asked again */
    CHECK_INT(lookups, 1);
    greenlet_unref(g);

    g = make_of(&with_method, NULL);
    CHECK_INT(throw_into(g, &some_error, V(1), NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(1));
    CHECK_INT(lookups, 2);
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

CASE(G_011, "data of the user's persists through death and is replaceable")
{
    int first = 0, second = 0;
    struct greenlet *g = make(returns_value);

    CHECK_PTR(greenlet_userdata(g), NULL);
    greenlet_set_userdata(g, &first, count_destroy);
    SWITCH(g, NULL);
    CHECK(greenlet_dead(g));
    CHECK_PTR(greenlet_userdata(g), &first);
    greenlet_set_userdata(g, &second, count_destroy);
    CHECK_INT(first, 1);
    CHECK_PTR(greenlet_userdata(g), &second);
    CHECK_INT(second, 0);
    greenlet_unref(g);
    CHECK_INT(second, 1);
    CHECK_INT(first, 1);
}

static bool is_there(struct greenlet_weak *weak)
{
    struct greenlet *g = greenlet_weak_get(weak);

    if (g != NULL)
        greenlet_unref(g);
    return g != NULL;
}

CASE(G_013, "weak handles of new, suspended and dead greenlets")
{
    struct greenlet *all[] = {make(never_run), make(echoes),
                              make(returns_value)};

    SWITCH(all[1], NULL);
    SWITCH(all[2], NULL);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct greenlet_weak *weak = greenlet_weak_new(all[i]);
        struct greenlet *g = greenlet_weak_get(weak);

        CHECK_PTR(g, all[i]);
        greenlet_unref(g);
        CHECK(is_there(weak));
        greenlet_unref(all[i]);
        CHECK(!is_there(weak));
        greenlet_weak_free(weak);
    }
    greenlet_weak_free(NULL);
}

static int looks_for_itself(void *value, void **result)
{
    struct greenlet_weak *weak = greenlet_closure();
    int rc =
        greenlet_switch(greenlet_parent(greenlet_current()), value, result);

    note("%s %s", caught_name(), is_there(weak) ? "there" : "gone");
    return rc;
}

CASE(G_013b, "a weak handle is good while the kill runs, and not after it")
{
    struct greenlet *g = make(NULL);
    struct greenlet_weak *weak = greenlet_weak_new(g);
    struct greenlet_callable run = {looks_for_itself, weak, NULL};

    CHECK_INT(greenlet_set_run(g, &run), 0);
    SWITCH(g, NULL);
    greenlet_unref(g);
    CHECK_STR(notes(), "exit there");
    CHECK(!is_there(weak));
    greenlet_weak_free(weak);
}

CASE(G_013c, "a parent that dies with its child sees no child any more")
{
    struct greenlet_weak *weak;
    struct greenlet *g = make(NULL), *child = make_below(never_run, g);
    struct greenlet_callable run = {looks_for_itself, NULL, NULL};

    weak = greenlet_weak_new(child);
    run.closure = weak;
    CHECK_INT(greenlet_set_run(g, &run), 0);
    SWITCH(g, NULL);
    greenlet_unref(g);
    CHECK_STR(notes(), "");
    greenlet_unref(child);
    CHECK_STR(notes(), "exit gone");
    greenlet_weak_free(weak);
}

/* What follows the thread's id. */
static void described(struct greenlet *g, const char *want)
{
    char text[200];
    size_t length = strlen(want);

    CHECK(greenlet_describe(g, text, sizeof text) < (int)sizeof text);
    CHECK_HAS(text, "<greenlet");
    if (strlen(text) < length ||
        strcmp(text + strlen(text) - length, want) != 0)
        FAIL("described as %s, should end in %s", text, want);
}

static int describes_main(void *value, void **result)
{
    (void)result;
    described(value, " suspended active started main>");
    described(greenlet_current(), " current active started>");
    YIELD(NULL);
    return 0;
}

CASE(G_016, "the textual form names the state")
{
    struct greenlet *g = make(describes_main);
    char text[8];

    described(greenlet_current(), " current active started main>");
    described(g, " pending>");
    SWITCH(g, greenlet_current());
    described(g, " suspended active started>");
    SWITCH(g, NULL);
    described(g, " dead>");
    CHECK(greenlet_describe(g, text, sizeof text) >= (int)sizeof text);
    CHECK_INT(strlen(text), sizeof text - 1);
    greenlet_unref(g);
}

static void *leaves_one_suspended(void *where)
{
    struct greenlet *g = make(echoes);

    SWITCH(g, NULL);
    *(struct greenlet **)where = g;
    return NULL;
}

CASE(G_016b, "of a thread that has exited the textual form says so")
{
    struct greenlet *g;

    in_thread(leaves_one_suspended, &g);
    described(g, " (thread exited) dead>");
    greenlet_unref(g);
}

CASE(G_016c, "a main greenlet is an ordinary one by type; names are kept")
{
    struct greenlet *g = make(never_run);
    char text[200];

    CHECK_PTR(greenlet_type_of(greenlet_current()), NULL);
    CHECK_PTR(greenlet_type_of(g), NULL);
    CHECK_STR(greenlet_name(g), "");
    greenlet_set_name(g, "reader");
    CHECK_STR(greenlet_name(g), "reader");
    greenlet_describe(g, text, sizeof text);
    CHECK_HAS(text, "\"reader\"");
    greenlet_unref(g);
}
