/* cases_1_6_drop.c - death by loss of the last reference (G-095 ... G-101) */
#include "case.h"

CASE(G_095, "a suspended one is thrown the exit, before the drop returns")
{
    struct greenlet *g1 = make(waits), *g2 = make(waits);

    SWITCH(g1, NULL);
    SWITCH(g2, NULL);
    CHECK_STR(notes(), "");
    greenlet_unref(g1);
    CHECK_STR(notes(), "exit");
    greenlet_unref(g2);
    CHECK_STR(notes(), "exit exit");
}

CASE(G_095b, "only the last reference counts")
{
    struct greenlet *g = make(waits);

    SWITCH(g, NULL);
    greenlet_ref(g);
    greenlet_unref(g);
    CHECK_STR(notes(), "");
    CHECK(greenlet_active(g));
    greenlet_unref(g);
    CHECK_STR(notes(), "exit");
}

/* Ends by a value where it was to end by an exit. */
static int ends_by_value(void *value, void **result)
{
    int rc = greenlet_switch(greenlet_parent(greenlet_current()), value, NULL);

    CHECK_INT(rc, -ECANCELED);
    note("ended");
    *result = V(96);
    return 0;
}

static int ends_by_some_exit(void *value, void **result)
{
    int rc =
        greenlet_switch(greenlet_parent(greenlet_current()), value, result);

    CHECK_INT(rc, -ECANCELED);
    note("ended");
    return raise_here(&some_exit, V(97));
}

CASE(G_096, "what it returns, and an exit, are nobody's")
{
    greenlet_run *const bodies[] = {ends_by_value, ends_by_some_exit, waits};

    for (int i = 0; i < 3; i++) {
        struct greenlet *g = make(bodies[i]);

        SWITCH(g, NULL);
        greenlet_unref(g);
        CHECK_NOTHING_CAUGHT();
        CHECK_PTR(greenlet_received(), NULL);
    }
    CHECK_STR(notes(), "ended ended exit");
}

static struct greenlet *reported;
static int reports;

static void report(struct greenlet *g,
                   const struct greenlet_exception *exception)
{
    reports++;
    reported = g;
    CHECK_PTR(exception->cls, &some_error);
    CHECK_PTR(greenlet_userdata(g), V(97));
}

static int raises_when_killed(void *value, void **result)
{
    struct greenlet_exception exception = record(&some_error, value);
    int rc = greenlet_switch(greenlet_parent(greenlet_current()), NULL, result);

    CHECK_INT(rc, -ECANCELED);
    exception.destroy = count_destroy;
    return greenlet_raise(&exception);
}

CASE(G_097, "another record is reported, and not raised in the dropper")
{
    struct greenlet *g = make(raises_when_killed), *empty = make(NULL);
    int destroyed = 0;

    greenlet_set_unraisable(report);
    greenlet_set_userdata(g, V(97), NULL);
    SWITCH(g, &destroyed);
    CHECK_INT(greenlet_switch(empty, NULL, NULL), -ENODATA);
    greenlet_unref(g);
    CHECK_INT(reports, 1);
    CHECK_PTR(reported, g);
    CHECK_INT(destroyed, 1);
    CHECK_CAUGHT(greenlet_attribute_class, NULL); /* the dropper's own */
    CHECK_NOTHING_CAUGHT();
    greenlet_set_unraisable(NULL);
    greenlet_unref(empty);
}

static void drops_one_that_raises(void *argument)
{
    struct greenlet *g = make(raises_when_killed);

    SWITCH(g, argument);
    greenlet_unref(g);
}

CASE(G_097b, "without a hook the report is a line on stderr")
{
    char text[500];
    int destroyed = 0;

    CHECK_INT(in_child(drops_one_that_raises, &destroyed, text, sizeof text),
              0);
    CHECK_HAS(text, "SomeError");
    CHECK_PTR(strchr(text, '\n'), text + strlen(text) - 1);
}

CASE(G_098, "a new one is freed, and its body never runs")
{
    int destroyed = 0;
    struct greenlet_callable run = {never_run, &destroyed, count_destroy};
    struct greenlet *g = greenlet_new_of(NULL, &run, NULL, 0);
    struct greenlet_weak *weak = greenlet_weak_new(g);

    greenlet_unref(g);
    CHECK_INT(destroyed, 1);
    CHECK_PTR(greenlet_weak_get(weak), NULL);
    greenlet_weak_free(weak);
}

/* Catches whatever comes, and goes on. */
static int will_not_die(void *value, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());

    do
        greenlet_switch(parent, value, result);
    while (greenlet_current() != NULL);
    return 0;
}

static void drops_one_that_will_not_die(void *argument)
{
    struct greenlet *g = make(will_not_die);
    struct greenlet_counts before, after;

    (void)argument;
    SWITCH(g, NULL);
    greenlet_count(&before);
    greenlet_unref(g);
    greenlet_count(&after);
    CHECK_INT(after.greenlets, before.greenlets); /* leaked on purpose */
    CHECK(greenlet_active(g));
}

CASE(G_099, "one that catches it and switches away is leaked, with a message")
{
    char text[500];
    int status = in_child(drops_one_that_will_not_die, NULL, text, sizeof text);

    if (status != 0)
        FAIL("status %#x: %s", (unsigned)status, text);
    CHECK_HAS(text, "GreenletExit did not kill");
}

static struct greenlet *risen;

static int rises(void *value, void **result)
{
    int rc =
        greenlet_switch(greenlet_parent(greenlet_current()), value, result);

    CHECK_INT(rc, -ECANCELED);
    risen = greenlet_ref(greenlet_current());
    *result = YIELD(V(100));
    return 0;
}

CASE(G_100, "one that takes a reference to itself lives on, and ends later")
{
    struct greenlet *g = make(rises);

    SWITCH(g, NULL);
    greenlet_unref(g);
    CHECK_PTR(risen, g);
    CHECK(greenlet_active(risen) && !greenlet_dead(risen));
    CHECK_PTR(greenlet_parent(risen), greenlet_current());
    CHECK_PTR(SWITCH(risen, V(1)), V(1));
    CHECK(greenlet_dead(risen));
    greenlet_unref(risen);
}

CASE(G_100b, "or is dropped again, and thrown the exit again")
{
    struct greenlet *g = make(rises);
    struct greenlet_weak *weak = greenlet_weak_new(g);

    SWITCH(g, NULL);
    greenlet_unref(g);
    g = greenlet_weak_get(weak); /* still the same one */
    CHECK_PTR(g, risen);
    greenlet_unref(g);
    CHECK_PTR(SWITCH(risen, V(1)), V(1));
    greenlet_unref(risen);
    CHECK_PTR(greenlet_weak_get(weak), NULL);
    greenlet_weak_free(weak);
}

static int finalized;
static struct greenlet *kept;

static void keeps_once(struct greenlet *g)
{
    if (finalized++ == 0)
        kept = greenlet_ref(g);
}

CASE(G_100c, "a finalizer of the type sees it first, and may keep it")
{
    static const struct greenlet_type type = {"kept", NULL, keeps_once};
    struct greenlet *g = make_of(&type, waits);

    SWITCH(g, NULL);
    greenlet_unref(g);
    CHECK_INT(finalized, 1);
    CHECK_PTR(kept, g);
    CHECK_STR(notes(), ""); /* not killed */
    CHECK(greenlet_active(g));
    greenlet_unref(kept);
    CHECK_INT(finalized, 2);
    CHECK_STR(notes(), "exit");
}

static void counts_finalized(struct greenlet *g)
{
    (void)g;
    finalized++;
}

CASE(G_100d, "50 of a type, new, suspended, dead: finalized once each")
{
    static const struct greenlet_type type = {"counted", NULL,
                                              counts_finalized};
    struct greenlet *all[50];

    for (int i = 0; i < 50; i++) {
        all[i] = make_of(&type, i % 3 == 1 ? waits : returns_value);
        if (i % 3 != 0)
            SWITCH(all[i], NULL);
    }
    for (int i = 0; i < 50; i++) {
        greenlet_unref(all[i]);
        CHECK_INT(finalized, i + 1);
    }
}

static int notes_its_name(void *name, void **result)
{
    int rc = greenlet_switch(greenlet_parent(greenlet_current()), NULL, result);

    note("%s:%s", (const char *)name, caught_name());
    return rc;
}

CASE(G_101, "a drop cascades from child to parent, in that order")
{
    struct greenlet *self = greenlet_current();
    struct greenlet *above = make(notes_its_name);
    struct greenlet *parent = make(notes_its_name);
    struct greenlet *child = make(notes_its_name);

    SWITCH(above, "above");
    SWITCH(parent, "parent");
    SWITCH(child, "child");
    CHECK_INT(greenlet_set_parent(child, parent), 0);
    CHECK_INT(greenlet_set_parent(parent, above), 0);
    greenlet_unref(above);
    greenlet_unref(parent);
    CHECK_STR(notes(), "");
    greenlet_unref(child);
    CHECK_STR(notes(), "child:exit parent:exit above:exit");
    CHECK_PTR(greenlet_current(), self);
}

CASE(G_101b, "long chains of new and of dead ones need no stack")
{
    struct greenlet *parent = NULL;

    for (int dead = 0; dead < 2; dead++) {
        for (int i = 0; i < 5000; i++) {
            struct greenlet *g = greenlet_new(returns_value, parent, 16 * 1024);

            CHECK(g != NULL);
            if (dead)
                SWITCH(g, NULL);
            greenlet_unref(parent);
            parent = g;
        }
        greenlet_unref(parent);
        parent = NULL;
    }
}
