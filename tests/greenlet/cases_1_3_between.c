/* cases_1_3_between.c - what gets between a switch and its arrival
 * (G-049 ... G-052) */
#include "case.h"

static struct greenlet *g1, *g2;
static bool tracer_switches;

/* Switches away from the greenlet that is just being arrived in. */
static int interferes(enum greenlet_event event, struct greenlet *origin,
                      struct greenlet *target, void *data)
{
    (void)event;
    (void)origin;
    (void)target;
    (void)data;
    if (tracer_switches) {
        tracer_switches = false;
        note("tracer-got:%d", (int)(intptr_t)SWITCH(g2, V(2)));
    }
    return 0;
}

static int notes_and_parks(void *value, void **result)
{
    const char *name = greenlet_closure();

    (void)result;
    note("%s:%d", name, (int)(intptr_t)value);
    note("%s:%d", name, (int)(intptr_t)YIELD(V(10)));
    return 0;
}

CASE(G_049, "what was sent is safe from a tracer that switches elsewhere")
{
    g1 = make_with(notes_and_parks, "g1");
    g2 = make_with(notes_and_parks, "g2");
    greenlet_settrace(interferes, NULL, NULL);
    tracer_switches = true;
    CHECK_PTR(SWITCH(g1, V(1)), V(10)); /* from g2 */
    CHECK_STR(notes(), "g2:2");
    CHECK(greenlet_started(g1));
    CHECK_PTR(SWITCH(g1, V(3)), V(10)); /* the tracer's switch gets it */
    CHECK_STR(notes(), "g2:2 tracer-got:3 g1:1");
    greenlet_settrace(NULL, NULL, NULL);
    SWITCH(g1, V(4));
    SWITCH(g2, V(5));
    CHECK_STR(notes(), "g2:2 tracer-got:3 g1:1 g1:4 g2:5");
    greenlet_unref(g1);
    greenlet_unref(g2);
}

CASE(G_049b, "and so it is on the way into one that is suspended")
{
    g1 = make_with(notes_and_parks, "g1");
    g2 = make(echoes);
    SWITCH(g1, V(1));
    SWITCH(g2, V(1));
    greenlet_settrace(interferes, NULL, NULL);
    tracer_switches = true;
    CHECK_PTR(SWITCH(g1, V(6)), V(2)); /* g2's echo */
    CHECK_STR(notes(), "g1:1");
    SWITCH(g1, V(7));
    CHECK_STR(notes(), "g1:1 tracer-got:7 g1:6");
    greenlet_settrace(NULL, NULL, NULL);
    CHECK(greenlet_dead(g1));
    greenlet_unref(g1);
    greenlet_unref(g2);
}

static int switches_to_g1(void *value, void **result)
{
    (void)value;
    (void)result;
    note("g2");
    note("g2-got:%d", (int)(intptr_t)SWITCH(g1, V(8)));
    return 0;
}

/* On arrival in g1 the tracer starts g2, which switches to g1: the tracer's
 * own switch gets that, and g1 what main sent. */
CASE(G_049c, "a tracer that is re-entered through a third greenlet")
{
    g1 = make_with(notes_and_parks, "g1");
    g2 = make(switches_to_g1);
    greenlet_settrace(interferes, NULL, NULL);
    tracer_switches = true;
    CHECK_PTR(SWITCH(g1, V(1)), V(10));
    CHECK_STR(notes(), "g2 tracer-got:8 g1:1");
    greenlet_settrace(NULL, NULL, NULL);
    SWITCH(g2, V(9));
    SWITCH(g1, V(4));
    CHECK_STR(notes(), "g2 tracer-got:8 g1:1 g2-got:9 g1:4");
    greenlet_unref(g1);
    greenlet_unref(g2);
}

CASE(G_049d, "a record that is thrown is safe from it as well")
{
    g1 = make(waits);
    g2 = make(echoes);
    SWITCH(g1, NULL);
    SWITCH(g2, NULL);
    greenlet_settrace(interferes, NULL, NULL);
    tracer_switches = true;
    CHECK_INT(throw_into(g1, &some_error, V(49), NULL), 0);
    CHECK_STR(notes(), "");
    CHECK_INT(greenlet_switch(g1, V(11), NULL), -EPROTO);
    CHECK_STR(notes(), "tracer-got:11 some_error");
    CHECK_CAUGHT(some_error, V(49));
    greenlet_settrace(NULL, NULL, NULL);
    greenlet_unref(g1);
    greenlet_unref(g2);
}

/* A value whose end switches elsewhere and comes back. */
static int ended;

static void ends_by_switching(void *helper)
{
    ended++;
    CHECK_PTR(SWITCH(helper, V(77)), V(77));
}

static struct greenlet_message *troublesome(struct greenlet *helper)
{
    struct greenlet_message *message = greenlet_message_new();

    CHECK(message != NULL);
    CHECK_INT(greenlet_message_add(message, NULL, helper, ends_by_switching),
              0);
    CHECK_INT(greenlet_message_add(message, "key", helper, ends_by_switching),
              0);
    return message;
}

static int sends_trouble(void *helper, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());

    (void)result;
    CHECK_INT(greenlet_switch_message(parent, troublesome(helper), NULL), 0);
    YIELD(V(50));
    CHECK_INT(greenlet_switch_message(parent, troublesome(helper), NULL), 0);
    return raise_here(&some_error, V(51));
}

CASE(G_050, "destructors that switch during a switch corrupt nothing")
{
    struct greenlet *helper = make(echoes), *g = make(sends_trouble);

    SWITCH(helper, NULL);
    SWITCH(g, helper);
    CHECK_PTR(SWITCH(g, NULL), V(50)); /* ends the message nobody took */
    CHECK_INT(ended, 2);
    SWITCH(g, NULL);
    CHECK_INT(greenlet_switch(g, NULL, NULL), -EPROTO);
    CHECK_INT(ended, 4);
    CHECK_CAUGHT(some_error, V(51));
    greenlet_unref(g);
    greenlet_unref(helper);
}

static int throws_trouble(void *helper, void **result)
{
    struct greenlet_exception exception = record(&some_error, helper);

    (void)result;
    exception.destroy = ends_by_switching;
    CHECK_INT(
        greenlet_throw(greenlet_parent(greenlet_current()), &exception, NULL),
        0);
    return greenlet_raise(&exception);
}

CASE(G_050b, "so do records, and data of one that is freed meanwhile")
{
    struct greenlet *helper = make(echoes), *g = make(throws_trouble);

    SWITCH(helper, NULL);
    CHECK_INT(greenlet_switch(g, helper, NULL), -EPROTO);
    CHECK_INT(ended, 0);
    CHECK_INT(greenlet_switch(g, NULL, NULL), -EPROTO); /* ends the first */
    CHECK_INT(ended, 1);
    CHECK_CAUGHT(some_error, helper);
    CHECK_INT(ended, 2);
    greenlet_set_userdata(g, helper, ends_by_switching);
    greenlet_unref(g);
    CHECK_INT(ended, 3);
    greenlet_unref(helper);
}

static void ends_by_dropping(void *g)
{
    ended++;
    greenlet_unref(g);
}

static int sends_a_greenlet(void *value, void **result)
{
    struct greenlet_message *message = greenlet_message_new();

    CHECK_INT(greenlet_message_add(message, NULL, value, ends_by_dropping), 0);
    CHECK_INT(greenlet_switch_message(greenlet_parent(greenlet_current()),
                                      message, NULL),
              0);
    *result = V(52);
    return 0;
}

CASE(G_050c, "so does one that kills a greenlet")
{
    struct greenlet *victim = make(waits), *g = make(sends_a_greenlet);

    SWITCH(victim, NULL);
    SWITCH(g, victim);
    CHECK_STR(notes(), "");
    CHECK_PTR(SWITCH(g, NULL), V(52));
    CHECK_STR(notes(), "exit");
    CHECK_INT(ended, 1);
    greenlet_unref(g);
}

static struct greenlet *worker, *initiator;

/* Its references go while it runs; that it switches out ends it. */
static int drops_itself(void *value, void **result)
{
    struct greenlet *self = greenlet_current();
    struct greenlet *main_greenlet = greenlet_parent(self);
    int rc;

    (void)value;
    value = YIELD(NULL);
    greenlet_unref(self);
    CHECK_INT(greenlet_set_parent(initiator, main_greenlet), 0);
    rc = greenlet_switch(main_greenlet, value, result);
    note("%s", caught_name());
    CHECK_PTR(greenlet_current(), self);
    return rc;
}

CASE(G_051, "one that loses its last reference switching out still delivers")
{
    worker = make(drops_itself);
    SWITCH(worker, NULL);
    initiator = make_below(returns_value, worker);
    CHECK_PTR(SWITCH(initiator, V(42)), V(42));
    CHECK_STR(notes(), "exit");
    CHECK(greenlet_dead(initiator));
    greenlet_unref(initiator);
}

static int drops_itself_and_stays(void *value, void **result)
{
    struct greenlet *self = greenlet_current();
    int rc;

    greenlet_unref(self);
    rc = greenlet_switch(greenlet_parent(self), value, NULL);
    note("%d %s", rc == -ECANCELED, caught_name());
    worker = greenlet_ref(self);
    *result = YIELD(NULL);
    return 0;
}

CASE(G_051b, "it then sees the exit, and may keep itself")
{
    struct greenlet *g = make(drops_itself_and_stays);

    CHECK_PTR(SWITCH(g, V(42)), V(42));
    CHECK_STR(notes(), "1 exit");
    CHECK_PTR(worker, g);
    CHECK(!greenlet_dead(worker));
    CHECK_PTR(SWITCH(worker, V(43)), V(43));
    CHECK(greenlet_dead(worker));
    greenlet_unref(worker);
}

static void notes_who_runs(struct greenlet *g)
{
    note("%s", greenlet_current() == g ? "itself" : "another");
}

static int drops_itself_and_ends(void *value, void **result)
{
    greenlet_unref(greenlet_current());
    note("runs on");
    return returns_value(value, result);
}

static int drops_itself_and_switches(void *value, void **result)
{
    greenlet_unref(greenlet_current());
    note("runs on");
    return greenlet_switch(greenlet_parent(greenlet_current()), value, result);
}

CASE(G_051c, "running keeps it: its finalizer comes when it has ended, or switched")
{
    static const struct greenlet_type type = {"finalized", NULL,
                                              notes_who_runs};

    CHECK_PTR(SWITCH(make_of(&type, drops_itself_and_ends), V(1)), V(1));
    CHECK_STR(notes(), "runs on another");
    forget_notes();
    CHECK_PTR(SWITCH(make_of(&type, drops_itself_and_switches), V(2)), V(2));
    CHECK_STR(notes(), "runs on another");
}

static void needs_the_hook(void)
{
    if (greenlet_test_fail == NULL)
        SKIP("this library was built without the hook that makes single "
             "operations fail");
}

CASE(G_052, "a switch that fails on the first start leaves the caller intact")
{
    struct greenlet *self = greenlet_current(), *g = make(never_run);

    needs_the_hook();
    greenlet_test_fail(FAIL_SWITCH, 1);
    CHECK_INT(greenlet_switch(g, V(1), NULL), -ENOSYS);
    CHECK_HAS(greenlet_caught_peek()->text,
              "Failed to switch stacks into a greenlet for the first time.");
    CHECK_CAUGHT(greenlet_system_class, NULL);
    CHECK_PTR(greenlet_current(), self);
    greenlet_test_fail(FAIL_SWITCH, 0);
    greenlet_unref(g);
    g = make(returns_value);
    CHECK_PTR(SWITCH(g, V(52)), V(52));
    greenlet_unref(g);
}

CASE(G_052b, "one that fails into a running greenlet leaves that usable")
{
    struct greenlet *self = greenlet_current();
    struct greenlet *g = make_with(notes_and_parks, "g");

    needs_the_hook();
    SWITCH(g, V(1));
    greenlet_test_fail(FAIL_SWITCH, 1);
    CHECK_INT(greenlet_switch(g, V(2), NULL), -ENOSYS);
    CHECK_HAS(greenlet_caught_peek()->text,
              "Failed to switch stacks into a running greenlet.");
    CHECK_CAUGHT(greenlet_system_class, NULL);
    CHECK_PTR(greenlet_current(), self);
    CHECK(greenlet_active(g));
    CHECK_STR(notes(), "g:1");
    greenlet_test_fail(FAIL_SWITCH, 0);
    SWITCH(g, V(3));
    CHECK_STR(notes(), "g:1 g:3");
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

CASE(G_052c, "where there is no memory for a stack nothing is made")
{
    struct greenlet *g;

    needs_the_hook();
    greenlet_test_fail(FAIL_ALLOCATION, -1);
    g = greenlet_new(never_run, NULL, 3 << 20);
    greenlet_test_fail(FAIL_ALLOCATION, 0);
    CHECK_PTR(g, NULL);
    CHECK_CAUGHT(greenlet_memory_class, NULL);
}

CASE(G_052d, "a stack may be asked for as small as one likes, not 2^60 large")
{
    static const size_t sizes[] = {0, 1, 4096, 1 << 20};
    int destroyed = 0;
    struct greenlet_callable run = {never_run, &destroyed, count_destroy};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct greenlet *g = greenlet_new(returns_value, NULL, sizes[i]);

        CHECK(g != NULL);
        CHECK_PTR(SWITCH(g, V(52)), V(52));
        greenlet_unref(g);
    }
    CHECK_PTR(greenlet_new_of(NULL, &run, NULL, (size_t)1 << 60), NULL);
    CHECK_CAUGHT(greenlet_memory_class, NULL);
    CHECK_INT(destroyed, 1); /* given, also when that fails */
    CHECK_PTR(greenlet_new(never_run, NULL, SIZE_MAX), NULL);
    CHECK_CAUGHT(greenlet_memory_class, NULL);
}
