/* cases_1_4_throw.c - where what is thrown goes (G-063 ... G-073) */
#include "case.h"

/* Catches one some_error; sends what it was thrown, then what it is sent. */
static int catches_one(void *value, void **result)
{
    struct greenlet_exception caught;

    CHECK_INT(
        greenlet_switch(greenlet_parent(greenlet_current()), value, result),
        -EPROTO);
    CHECK(greenlet_caught(&caught));
    CHECK_PTR(caught.cls, &some_error);
    *result = YIELD(caught.payload);
    return 0;
}

CASE(G_063, "a suspended target's switch ends by it; throw() gets the answer")
{
    struct greenlet *g = make(catches_one);
    void *result = NULL;

    CHECK_PTR(SWITCH(g, V(1)), V(1));
    CHECK_INT(throw_into(g, &some_error, V(63), &result), 0);
    CHECK_PTR(result, V(63));
    CHECK_PTR(SWITCH(g, V(2)), V(2));
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

static struct greenlet *main_greenlet;

/* Returns "caught" if its switch to main ends by some_error. */
static int ready_to_catch(void *value, void **result)
{
    int rc = greenlet_switch(main_greenlet, "ready to catch", NULL);

    (void)value;
    if (rc == -EPROTO) {
        CHECK_STR(caught_name(), "some_error");
        *result = "caught";
        return 0;
    }
    *result = "normal exit";
    return rc;
}

static int switches_to_main(void *value, void **result)
{
    (void)value;
    (void)result;
    return greenlet_switch(main_greenlet, "from g2", NULL);
}

CASE(G_064, "uncaught it goes to the target's parent, not to the thrower")
{
    struct greenlet *g1 = make(ready_to_catch);
    struct greenlet *g2 = make_below(switches_to_main, g1);
    void *result = NULL;

    main_greenlet = greenlet_current();
    CHECK_STR(SWITCH(g1, NULL), "ready to catch");
    CHECK_STR(SWITCH(g2, NULL), "from g2");
    CHECK_INT(throw_into(g2, &some_error, NULL, &result), 0);
    CHECK_STR(result, "caught");
    CHECK(greenlet_dead(g1) && greenlet_dead(g2));
    greenlet_unref(g2);
    greenlet_unref(g1);
}

CASE(G_065, "an exit that is not caught is the value that the parent gets")
{
    const struct greenlet_class *classes[] = {&greenlet_exit_class, &some_exit};

    for (int i = 0; i < 2; i++) {
        struct greenlet *g = make(waits);

        SWITCH(g, NULL);
        CHECK_INT(throw_into(g, classes[i], V(65), NULL), 0);
        CHECK_CAUGHT(*classes[i], V(65));
        CHECK(greenlet_dead(g));
        greenlet_unref(g);
    }
    CHECK_STR(notes(), "exit some_exit");
}

CASE(G_066, "thrown into a new one it goes to the parent, and that is dead")
{
    struct greenlet *g1 = make(never_run), *g2 = make_below(never_run, g1);
    void *result = NULL;

    main_greenlet = greenlet_current();
    CHECK_INT(throw_into(g2, &some_error, V(66), NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(66));
    CHECK(greenlet_dead(g1) && greenlet_dead(g2));
    greenlet_unref(g2);
    greenlet_unref(g1);

    g1 = make(ready_to_catch);
    g2 = make_below(never_run, g1);
    CHECK_STR(SWITCH(g1, NULL), "ready to catch");
    CHECK_INT(throw_into(g2, &some_error, NULL, &result), 0);
    CHECK_STR(result, "caught");
    CHECK(greenlet_dead(g1) && greenlet_dead(g2));
    greenlet_unref(g2);
    greenlet_unref(g1);
}

CASE(G_066b, "an exit that is thrown into a new one is the parent's value")
{
    const struct greenlet_class *classes[] = {&greenlet_exit_class, &some_exit};

    for (int i = 0; i < 2; i++) {
        struct greenlet *g = make(never_run);

        CHECK_INT(throw_into(g, classes[i], V(66), NULL), 0);
        CHECK_CAUGHT(*classes[i], V(66));
        CHECK(greenlet_dead(g) && greenlet_started(g));
        CHECK_PTR(SWITCH(g, V(1)), V(1));
        greenlet_unref(g);
    }
}

static int raises_in_lookup(struct greenlet *g, struct greenlet_callable *run)
{
    (void)g;
    (void)run;
    return raise_here(&some_base, V(67));
}

CASE(G_067, "where the lookup of run fails, that error; and it stays new")
{
    static const struct greenlet_type type = {"raises", raises_in_lookup, NULL};
    struct greenlet *none = make(NULL), *bad = make_of(&type, never_run);

    for (int i = 0; i < 2; i++) {
        CHECK_INT(throw_into(none, &some_error, V(1), NULL), -ENODATA);
        CHECK_CAUGHT(greenlet_attribute_class, NULL);
        CHECK_INT(greenlet_throw(none, NULL, NULL), -ENODATA);
        CHECK_CAUGHT(greenlet_attribute_class, NULL);
        CHECK(!greenlet_dead(none) && !greenlet_started(none));
        CHECK_INT(throw_into(bad, &some_error, V(1), NULL), -EINTR);
        CHECK_CAUGHT(some_base, V(67));
        CHECK(!greenlet_dead(bad) && !greenlet_started(bad));
    }
    greenlet_unref(none);
    greenlet_unref(bad);
}

CASE(G_068, "thrown into a finished one: an exit is a value, an error raised")
{
    struct greenlet *g = make(returns_value);

    SWITCH(g, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(greenlet_throw(g, NULL, NULL), 0);
        CHECK_CAUGHT(greenlet_exit_class, NULL);
        CHECK_INT(throw_into(g, &some_exit, V(68), NULL), 0);
        CHECK_CAUGHT(some_exit, V(68));
        CHECK_INT(throw_into(g, &some_error, V(69), NULL), -EPROTO);
        CHECK_CAUGHT(some_error, V(69));
    }
    greenlet_unref(g);
}

/* Suspended, it notes what comes, and ends by it if that is an error. */
static int notes_what_comes(void *value, void **result)
{
    int rc =
        greenlet_switch(greenlet_parent(greenlet_current()), value, result);

    note("%d %s", rc, caught_name());
    return rc;
}

CASE(G_068b, "the parent chain gets it where the parent is not the caller")
{
    struct greenlet *parent = make(notes_what_comes);
    struct greenlet *g = make(returns_value);

    SWITCH(parent, NULL);
    SWITCH(g, NULL);
    CHECK_INT(greenlet_set_parent(g, parent), 0);
    CHECK_INT(greenlet_throw(g, NULL, NULL), 0); /* parent returns */
    CHECK_STR(notes(), "0 exit");
    CHECK(greenlet_dead(parent));
    greenlet_unref(parent);

    parent = make(notes_what_comes);
    SWITCH(parent, NULL);
    CHECK_INT(greenlet_set_parent(g, parent), 0);
    forget_notes();
    CHECK_INT(throw_into(g, &some_base, V(68), NULL), -EINTR);
    CHECK_STR(notes(), "-4 some_base");
    CHECK_CAUGHT(some_base, V(68));
    greenlet_unref(g);
    greenlet_unref(parent);
}

CASE(G_068c, "a new ancestor is killed by an error, and so on up")
{
    struct greenlet *above = make(never_run);
    struct greenlet *parent = make_below(never_run, above);
    struct greenlet *g = make(returns_value);

    SWITCH(g, NULL);
    CHECK_INT(greenlet_set_parent(g, parent), 0);
    CHECK_INT(throw_into(g, &some_error, V(68), NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(68));
    CHECK(greenlet_dead(parent) && greenlet_dead(above));
    greenlet_unref(g);
    greenlet_unref(parent);
    greenlet_unref(above);
}

/* An exit thrown into itself is raised like any other. */
static int throws_into_itself(void *value, void **result)
{
    struct greenlet *self = greenlet_current();

    (void)value;
    (void)result;
    CHECK_INT(greenlet_throw(self, NULL, NULL), -ECANCELED);
    CHECK_CAUGHT(greenlet_exit_class, NULL);
    CHECK_INT(throw_into(self, &some_exit, V(69), NULL), -ECANCELED);
    CHECK_CAUGHT(some_exit, V(69));
    CHECK_INT(throw_into(self, &some_error, V(70), NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(70));
    CHECK_NOTHING_CAUGHT();
    return 0;
}

CASE(G_069, "thrown into the current one it is raised right there")
{
    struct greenlet *g = make(throws_into_itself);
    void *result;

    throws_into_itself(NULL, &result);
    SWITCH(g, NULL);
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

CASE(G_070, "through 500 new ancestors it reaches main, and all are dead")
{
    struct greenlet *chain[500], *parent = NULL;

    for (int i = 0; i < 500; i++) {
        chain[i] = greenlet_new(never_run, parent, 16 * 1024);
        CHECK(chain[i] != NULL);
        parent = chain[i];
    }
    CHECK_INT(throw_into(parent, &some_error, V(70), NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(70));
    for (int i = 500; i-- > 0;) {
        CHECK(greenlet_dead(chain[i]));
        greenlet_unref(chain[i]);
    }
}

/* Fails, and fails again, and does not mind. */
static int swallows_errors(struct greenlet *g, struct greenlet_callable *run)
{
    struct greenlet *child = make(echoes);

    (void)run;
    CHECK_INT(greenlet_set_parent(g, g), -ELOOP);
    CHECK_CAUGHT(greenlet_value_class, NULL);
    raise_here(&some_base, V(1));
    SWITCH(child, NULL);
    CHECK_INT(greenlet_throw(child, NULL, NULL), 0);
    greenlet_unref(child);
    return 0;
}

CASE(G_071, "a lookup that raises and swallows loses nothing that is thrown")
{
    static const struct greenlet_type type = {"swallows", swallows_errors,
                                              NULL};
    struct greenlet *g = make_of(&type, never_run);
    int destroyed = 0;
    struct greenlet_exception exception = record(&some_error, &destroyed);

    exception.destroy = count_destroy;
    CHECK_INT(greenlet_throw(g, &exception, NULL), -EPROTO);
    CHECK_INT(destroyed, 0);
    CHECK_CAUGHT(some_error, &destroyed);
    CHECK_INT(destroyed, 1);
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

static int raises_for_its_parent(void *cls, void **result)
{
    (void)result;
    return raise_here(cls, V(73));
}

CASE(G_073, "throwing is the same as a child of the target that raises")
{
    struct greenlet *g = make(catches_one), *h;

    SWITCH(g, NULL);
    h = make_below(raises_for_its_parent, g);
    CHECK_PTR(SWITCH(h, (void *)&some_error), V(73));
    CHECK(greenlet_dead(h));
    greenlet_unref(h);
    CHECK_PTR(SWITCH(g, V(2)), V(2));
    greenlet_unref(g);

    g = make(waits); /* ends by it: the error goes on to main */
    SWITCH(g, NULL);
    h = make_below(raises_for_its_parent, g);
    CHECK_INT(greenlet_switch(h, (void *)&some_error, NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(73));
    CHECK_STR(notes(), "some_error");
    greenlet_unref(h);
    greenlet_unref(g);
}

CASE(G_073b, "except for the exit, which a child only returns")
{
    struct greenlet *g = make(echoes), *h;

    SWITCH(g, NULL);
    h = make_below(raises_for_its_parent, g);
    SWITCH(h, (void *)&greenlet_exit_class); /* g goes on, and echoes */
    CHECK(greenlet_active(g));
    CHECK_PTR(SWITCH(g, V(3)), V(3));
    greenlet_unref(h);
    greenlet_unref(g);
}
