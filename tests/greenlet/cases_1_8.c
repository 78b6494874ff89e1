/* cases_1_8.c - tracing (G-130 ... G-138)
 *
 * G-139 and G-140 are about Python: a tracer that cannot be called, and its
 * profiler's hooks. */
#include "case.h"

static const char *name_of(const struct greenlet *g)
{
    return greenlet_main(g) ? "main" : greenlet_name(g);
}

static struct greenlet *make_named(greenlet_run *run, const char *name)
{
    struct greenlet *g = make(run);

    greenlet_set_name(g, name);
    return g;
}

static int notes_events(enum greenlet_event event, struct greenlet *origin,
                        struct greenlet *target, void *data)
{
    (void)data;
    CHECK_PTR(greenlet_current(), target);
    note("%s(%s,%s)",
         event == GREENLET_SWITCHED ? "switch"
         : event == GREENLET_THREW  ? "throw"
                                    : "unknown",
         name_of(origin), name_of(target));
    return 0;
}

static int does_nothing(enum greenlet_event event, struct greenlet *origin,
                        struct greenlet *target, void *data)
{
    (void)event;
    (void)origin;
    (void)target;
    (void)data;
    return 0;
}

static void begin(void)
{
    forget_notes();
    CHECK_PTR(greenlet_settrace(notes_events, NULL, NULL), NULL);
}

#define TRACED(events)                                                \
    do {                                                              \
        CHECK_PTR(greenlet_settrace(NULL, NULL, NULL), notes_events); \
        CHECK_STR(notes(), events);                                   \
    } while (0)

static int raises(void *value, void **result)
{
    (void)result;
    return raise_here(&some_error, value);
}

/* ---- G-130 ... G-132 ---- */

CASE(G_130, "settrace gives the tracer before, gettrace the present one")
{
    void *data = V(9);
    int mark;

    CHECK_PTR(greenlet_gettrace(&data), NULL);
    CHECK_PTR(greenlet_settrace(does_nothing, &mark, &data), NULL);
    CHECK_PTR(greenlet_gettrace(&data), does_nothing);
    CHECK_PTR(data, &mark);
    data = NULL;
    CHECK_PTR(greenlet_settrace(notes_events, NULL, &data), does_nothing);
    CHECK_PTR(data, &mark);
    CHECK_PTR(greenlet_settrace(NULL, NULL, NULL), notes_events);
    CHECK_PTR(greenlet_gettrace(NULL), NULL);
    CHECK_PTR(greenlet_settrace(NULL, NULL, NULL), NULL);
}

static void *switches_untraced(void *unused)
{
    struct greenlet *g = make(returns_value);

    CHECK_PTR(greenlet_gettrace(NULL), NULL);
    SWITCH(g, NULL);
    greenlet_unref(g);
    CHECK_PTR(greenlet_settrace(does_nothing, NULL, NULL), NULL);
    return unused;
}

CASE(G_131, "a tracer is of one thread")
{
    begin();
    in_thread(switches_untraced, NULL);
    TRACED("");
}

static int checks_what_it_gets(enum greenlet_event event,
                               struct greenlet *origin, struct greenlet *target,
                               void *data)
{
    CHECK(event == GREENLET_SWITCHED || event == GREENLET_THREW);
    CHECK(origin != NULL && target != NULL);
    ++*(int *)data;
    return 0;
}

CASE(G_132, "an event is a switch or a throw, with origin and target")
{
    struct greenlet *g = make(echoes);
    int events = 0;

    greenlet_settrace(checks_what_it_gets, &events, NULL);
    SWITCH(g, NULL);
    CHECK_INT(throw_into(g, &some_error, NULL, NULL), -EPROTO);
    greenlet_settrace(NULL, NULL, NULL);
    CHECK_INT(events, 4);
    greenlet_unref(g);
}

/* ---- G-133 ---- */

static bool is_on_stack_of(const struct greenlet *g, const void *address)
{
    const char *at = address;
    void *base = NULL;
    size_t size = 0;

    CHECK_INT(greenlet_stack(g, &base, &size), 0);
    return at >= (char *)base && at < (char *)base + size;
}

static struct greenlet *watched;

static int looks_where_it_runs(enum greenlet_event event,
                               struct greenlet *origin, struct greenlet *target,
                               void *data)
{
    (void)event;
    (void)data;
    CHECK_PTR(greenlet_current(), target);
    CHECK_INT(is_on_stack_of(watched, __builtin_frame_address(0)),
              target == watched);
    CHECK(origin != target);
    note("traced");
    return 0;
}

static int notes_what_comes(void *value, void **result)
{
    (void)result;
    note("got %ld", (long)(intptr_t)value);
    value = YIELD(NULL);
    note("got %ld", (long)(intptr_t)value);
    return 0;
}

CASE(G_133, "it runs in the target, after the switch, before what is delivered")
{
    watched = make(notes_what_comes);
    greenlet_settrace(looks_where_it_runs, NULL, NULL);
    SWITCH(watched, V(1));
    note("back");
    SWITCH(watched, V(2));
    note("back");
    greenlet_settrace(NULL, NULL, NULL);
    CHECK_STR(notes(), "traced got 1 traced back traced got 2 traced back");
    greenlet_unref(watched);
}

/* ---- G-134 ---- */

CASE(G_134, "a throw is what delivers a record; an exit as a value does not")
{
    struct greenlet *g = make_named(echoes, "a");

    SWITCH(g, NULL);
    begin();
    CHECK_INT(throw_into(g, &some_error, V(1), NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(1));
    TRACED("throw(main,a) throw(a,main)");
    greenlet_unref(g);
    g = make_named(echoes, "b");
    SWITCH(g, NULL);
    begin();
    CHECK_INT(throw_into(g, &some_exit, V(2), NULL), 0);
    TRACED("throw(main,b) switch(b,main)");
    greenlet_unref(g);
}

static int catches_then_returns(void *value, void **result)
{
    CHECK_INT(
        greenlet_switch(greenlet_parent(greenlet_current()), NULL, &value),
        -EPROTO);
    *result = V(5);
    return 0;
}

CASE(G_134b, "a record that is caught ends as the switch of a value")
{
    struct greenlet *g = make_named(catches_then_returns, "a");
    void *result = NULL;

    SWITCH(g, NULL);
    begin();
    CHECK_INT(throw_into(g, &some_error, NULL, &result), 0);
    TRACED("throw(main,a) switch(a,main)");
    CHECK_PTR(result, V(5));
    greenlet_unref(g);
}

/* ---- G-135 ---- */

CASE(G_135, "run to its end: a switch there, a switch back")
{
    struct greenlet *g = make_named(returns_value, "g");

    begin();
    SWITCH(g, NULL);
    TRACED("switch(main,g) switch(g,main)");
    greenlet_unref(g);
}

CASE(G_135b, "a body that raises: a switch there, a throw back")
{
    struct greenlet *g = make_named(raises, "g");

    begin();
    CHECK_INT(greenlet_switch(g, NULL, NULL), -EPROTO);
    TRACED("switch(main,g) throw(g,main)");
    greenlet_unref(g);
}

CASE(G_135c, "thrown into a new one: a throw there, a throw back")
{
    struct greenlet *g = make_named(never_run, "g");

    begin();
    CHECK_INT(throw_into(g, &some_error, NULL, NULL), -EPROTO);
    TRACED("throw(main,g) throw(g,main)");
    greenlet_unref(g);
}

CASE(G_135d, "an exit thrown into a new one: a throw there, a switch back")
{
    struct greenlet *g = make_named(never_run, "g");

    begin();
    CHECK_INT(greenlet_throw(g, NULL, NULL), 0);
    TRACED("throw(main,g) switch(g,main)");
    greenlet_unref(g);
}

CASE(G_135e, "dropped while suspended: a throw there, a switch back")
{
    struct greenlet *g = make_named(echoes, "g");

    SWITCH(g, NULL);
    begin();
    greenlet_unref(g);
    TRACED("throw(main,g) switch(g,main)");
}

CASE(G_135f, "to a dead child, or to itself: a switch from main to main")
{
    struct greenlet *g = make_named(returns_value, "g");

    SWITCH(g, NULL);
    begin();
    CHECK_PTR(SWITCH(g, V(1)), V(1));
    TRACED("switch(main,main)");
    begin();
    CHECK_PTR(SWITCH(greenlet_current(), V(2)), V(2));
    TRACED("switch(main,main)");
    greenlet_unref(g);
}

CASE(G_135g, "an error thrown into a dead one: a throw from main to main")
{
    struct greenlet *g = make_named(returns_value, "g");

    SWITCH(g, NULL);
    begin();
    CHECK_INT(throw_into(g, &some_error, NULL, NULL), -EPROTO);
    TRACED("throw(main,main)");
    greenlet_unref(g);
}

static int finds_no_run(struct greenlet *g, struct greenlet_callable *run)
{
    (void)g;
    (void)run;
    return raise_here(&some_error, NULL);
}

CASE(G_135h, "a start that fails as run is looked up: no event")
{
    static const struct greenlet_type type = {"perverse", finds_no_run, NULL};
    struct greenlet *bare = make(NULL), *perverse = make_of(&type, never_run);

    begin();
    CHECK_INT(greenlet_switch(bare, NULL, NULL), -ENODATA);
    CHECK_INT(greenlet_throw(bare, NULL, NULL), -ENODATA);
    CHECK_INT(greenlet_switch(perverse, NULL, NULL), -EPROTO);
    TRACED("");
    CHECK(!greenlet_started(bare) && !greenlet_started(perverse));
    greenlet_unref(bare);
    greenlet_unref(perverse);
}

CASE(G_135i, "between siblings, and where the second one's end goes")
{
    struct greenlet *a = make_named(echoes, "a");
    struct greenlet *b = make_named(returns_value, "b");

    begin();
    SWITCH(a, NULL);
    CHECK_INT(greenlet_set_parent(b, a), 0);
    SWITCH(b, NULL);
    TRACED("switch(main,a) switch(a,main) switch(main,b) switch(b,a) "
           "switch(a,main)");
    greenlet_unref(b);
    greenlet_unref(a);
}

/* ---- G-136 ---- */

static struct greenlet *fails_for;

static int fails_in(enum greenlet_event event, struct greenlet *origin,
                    struct greenlet *target, void *data)
{
    (void)event;
    (void)origin;
    note("event");
    return target == fails_for ? raise_here(&some_error, data) : 0;
}

CASE(G_136, "a tracer that fails is removed; on a first start the body dies")
{
    struct greenlet *g = make(never_run);

    fails_for = g;
    greenlet_settrace(fails_in, V(7), NULL);
    CHECK_INT(greenlet_switch(g, NULL, NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(7));
    CHECK(greenlet_dead(g));
    CHECK_PTR(greenlet_gettrace(NULL), NULL);
    CHECK_STR(notes(), "event");
    greenlet_unref(g);
}

static int tells_what_it_caught(void *value, void **result)
{
    struct greenlet_exception caught;
    int rc;

    do
        rc =
            greenlet_switch(greenlet_parent(greenlet_current()), value, &value);
    while (rc == 0);
    CHECK(greenlet_caught(&caught));
    note("%d %s %ld", rc, caught.cls->name, (long)(intptr_t)caught.payload);
    greenlet_exception_clear(&caught);
    *result = V(3);
    return 0;
}

CASE(G_136b, "suspended, its switch ends by the error")
{
    struct greenlet *g = make(tells_what_it_caught);

    SWITCH(g, NULL);
    fails_for = g;
    greenlet_settrace(fails_in, V(7), NULL);
    CHECK_PTR(SWITCH(g, V(1)), V(3));
    CHECK_STR(notes(), "event -71 SomeError 7");
    CHECK_PTR(greenlet_gettrace(NULL), NULL);
    greenlet_unref(g);
}

CASE(G_136c, "a record in flight is replaced, and destroyed")
{
    struct greenlet *g = make(tells_what_it_caught);
    int destroyed = 0;
    struct greenlet_exception thrown = {
        .cls = &some_base, .payload = &destroyed, .destroy = count_destroy};

    SWITCH(g, NULL);
    fails_for = g;
    greenlet_settrace(fails_in, V(7), NULL);
    CHECK_INT(greenlet_throw(g, &thrown, NULL), 0);
    CHECK_STR(notes(), "event -71 SomeError 7");
    CHECK_INT(destroyed, 1);
    greenlet_unref(g);
}

CASE(G_136d, "it may fail on the way back: in the caller")
{
    struct greenlet *g = make(echoes);

    fails_for = greenlet_current();
    greenlet_settrace(fails_in, V(8), NULL);
    CHECK_INT(greenlet_switch(g, V(1), NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(8));
    CHECK_STR(notes(), "event event");
    CHECK(greenlet_active(g));
    CHECK_PTR(SWITCH(g, V(2)), V(2));
    greenlet_unref(g);
}

/* ---- G-137, G-138 ---- */

static struct greenlet *asked_by_tracer;
static int depth, deepest;

static int switches_itself(enum greenlet_event event, struct greenlet *origin,
                           struct greenlet *target, void *data)
{
    (void)event;
    (void)origin;
    (void)target;
    (void)data;
    depth++;
    if (depth > deepest)
        deepest = depth;
    note("%d", depth);
    if (depth == 1)
        CHECK_PTR(SWITCH(asked_by_tracer, V(9)), V(9));
    depth--;
    return 0;
}

CASE(G_137, "a tracer that switches is called for that too")
{
    struct greenlet *g = make(echoes);

    asked_by_tracer = make(echoes);
    SWITCH(asked_by_tracer, NULL);
    CHECK_INT(greenlet_set_parent(asked_by_tracer, g), 0);
    greenlet_settrace(switches_itself, NULL, NULL);
    CHECK_PTR(SWITCH(g, V(1)), V(1));
    greenlet_settrace(NULL, NULL, NULL);
    /* main calls it as well, and the helper then comes back to g. */
    CHECK_INT(deepest, 2);
    greenlet_unref(asked_by_tracer);
    greenlet_unref(g);
}

CASE(G_138, "setting the tracer that is set is fine")
{
    struct greenlet *g = make_named(returns_value, "g");

    begin();
    for (int i = 0; i < 3; i++)
        CHECK_PTR(greenlet_settrace(notes_events, NULL, NULL), notes_events);
    SWITCH(g, NULL);
    TRACED("switch(main,g) switch(g,main)");
    greenlet_unref(g);
}
