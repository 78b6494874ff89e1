/* gate_cases.c - the self-test: run, tracing, constants
 *
 * Those about contexts are in gate_vars.c. */
#include "context/gate_impl.h"

#include <string.h>

/* ---- G-007: Flask's own tests call the run of a greenlet that never ran ----
 */

static int does_nothing(void *value, void **result)
{
    (void)value;
    (void)result;
    return 0;
}

static bool run_is_closed(struct greenlet *g)
{
    struct greenlet_callable callable = {.run = does_nothing};

    return greenlet_get_run(g, &callable) == -ENODATA &&
           greenlet_set_run(g, &callable) == -EBUSY;
}

static int looks_at_its_run(void *value, void **result)
{
    struct greenlet__trial *trial = value;

    (void)result;
    trial->seen = run_is_closed(greenlet_current());
    return 0;
}

static bool run_is(struct greenlet *g, greenlet_run *run)
{
    struct greenlet_callable found;

    return greenlet_get_run(g, &found) == 0 && found.run == run;
}

static int run_while_new(struct greenlet__trial *trial)
{
    struct greenlet_callable other = {.run = looks_at_its_run};
    int rc = greenlet__gate_make(&trial->g, does_nothing);

    if (rc < 0)
        return rc;
    if (!run_is(trial->g, does_nothing) ||
        greenlet_set_run(trial->g, &other) < 0 ||
        !run_is(trial->g, looks_at_its_run))
        return -EPROTO;
    rc = greenlet_switch(trial->g, trial, NULL);
    if (rc < 0)
        return rc;
    return greenlet__gate_verdict(trial->seen && run_is_closed(trial->g));
}

/* ---- tracing ---- */

static int notes_events(enum greenlet_event event, struct greenlet *origin,
                        struct greenlet *target, void *data)
{
    struct greenlet__trial *trial = data;
    size_t count = strlen(trial->events);
    struct greenlet *current = greenlet_current();

    trial->traced_in = __builtin_frame_address(0);
    trial->seen =
        target == current && target == trial->expected && origin != NULL;
    if (count < GREENLET__GATE_EVENTS)
        trial->events[count] = event == GREENLET_SWITCHED ? 's'
                               : event == GREENLET_THREW  ? 't'
                                                          : '?';
    return 0;
}

static int notes_nothing(enum greenlet_event event, struct greenlet *origin,
                         struct greenlet *target, void *data)
{
    (void)event;
    (void)origin;
    (void)target;
    (void)data;
    return 0;
}

/* G-130 */
static int tracer_is_set_and_given_back(struct greenlet__trial *trial)
{
    void *data = trial;
    bool good;

    good = greenlet_settrace(notes_events, trial, &data) == NULL;
    good = greenlet_gettrace(&data) == notes_events && data == trial && good;
    data = NULL;
    good = greenlet_settrace(notes_nothing, NULL, &data) == notes_events &&
           data == trial && good;
    good = greenlet_gettrace(&data) == notes_nothing && data == NULL && good;
    good = greenlet_settrace(NULL, NULL, &data) == notes_nothing && good;
    return greenlet__gate_verdict(good && greenlet_gettrace(NULL) == NULL);
}

static bool is_on_stack_of(const struct greenlet *g, const char *address)
{
    void *base;
    size_t size;

    return greenlet_stack(g, &base, &size) == 0 && address >= (char *)base &&
           address < (char *)base + size;
}

/* G-133: what the body finds when it is entered, and when it is resumed. */
static int was_traced_before(void *value, void **result)
{
    struct greenlet__trial *trial = value;
    struct greenlet *self = greenlet_current();
    bool good = trial->seen && strcmp(trial->events, "s") == 0 &&
                is_on_stack_of(self, trial->traced_in);
    int rc;

    (void)result;
    trial->seen = false;
    trial->expected = trial->self;
    rc = greenlet_switch(trial->self, NULL, &value);
    if (rc < 0)
        return rc;
    trial->seen = good && trial->seen && value == trial &&
                  strcmp(trial->events, "sss") == 0 &&
                  is_on_stack_of(self, trial->traced_in);
    good = trial->seen;
    trial->expected = trial->self;
    *result = good ? trial : NULL;
    return 0;
}

static int tracer_runs_in_the_target(struct greenlet__trial *trial)
{
    void *result = NULL;
    bool good;
    int rc;

    rc = greenlet__gate_make(&trial->g, was_traced_before);
    if (rc < 0)
        return rc;
    greenlet_settrace(notes_events, trial, NULL);
    trial->expected = trial->g;
    rc = greenlet_switch(trial->g, trial, NULL);
    if (rc < 0)
        return rc;
    good = trial->seen && strcmp(trial->events, "ss") == 0;
    trial->expected = trial->g;
    rc = greenlet_switch(trial->g, trial, &result);
    if (rc < 0)
        return rc;
    return greenlet__gate_verdict(good && trial->seen && result == trial);
}

static int waits_for_ever(void *value, void **result)
{
    struct greenlet__trial *trial = value;
    int rc;

    (void)result;
    do
        rc = greenlet_switch(trial->self, NULL, NULL);
    while (rc == 0);
    return rc;
}

static const struct greenlet_class gate_error = {
    "gate error", &greenlet_exception_class, -EBADE};

/* What is thrown into a new greenlet that waits; and the events by then. */
static int thrown_into(struct greenlet__trial *trial,
                       const struct greenlet_class *cls, const char *events)
{
    struct greenlet_exception exception = {.cls = cls};
    int rc;

    memset(trial->events, 0, sizeof trial->events);
    if (trial->g != NULL)
        greenlet_unref(trial->g);
    rc = greenlet__gate_start(trial, &trial->g, waits_for_ever);
    if (rc < 0)
        return rc;
    rc = greenlet_throw(trial->g, &exception, NULL);
    if (rc < 0 && rc != cls->error)
        return rc;
    return greenlet__gate_verdict(strcmp(trial->events, events) == 0 &&
                                  greenlet_dead(trial->g));
}

/* G-134: an error comes out as it went in; an exit comes out as a value. */
static int throws_are_told_from_switches(struct greenlet__trial *trial)
{
    int rc;

    greenlet_settrace(notes_events, trial, NULL);
    rc = thrown_into(trial, &gate_error, "sstt");
    if (rc == 0)
        rc = thrown_into(trial, &greenlet_exit_class, "ssts");
    return rc;
}

/* ---- G-176 ---- */

static int constants_are_true(struct greenlet__trial *trial)
{
    (void)trial;
    return greenlet__gate_verdict(
        greenlet_feature("GREENLET_USE_GC") == 1 &&
        greenlet_feature("GREENLET_USE_TRACING") == 1 &&
        greenlet_feature("GREENLET_USE_CONTEXT_VARS") == 1);
}

/* ---- all of them ---- */

static const struct greenlet__gate_case cases[] = {
    {"G-007", "run is readable and writable while new, then no more",
     run_while_new},
    {"G-130", "settrace gives the tracer before; gettrace the present one",
     tracer_is_set_and_given_back},
    {"G-133", "the tracer runs in the target, before what is delivered",
     tracer_runs_in_the_target},
    {"G-134", "a throw is traced as one, an exit that became a value is not",
     throws_are_told_from_switches},
    {"G-176", "the constants are true", constants_are_true},
};

const struct greenlet__gate_case *greenlet__gate_case(size_t i)
{
    size_t count = sizeof cases / sizeof *cases;

    /* In the order of their numbers: G-007, then those about contexts. */
    if (i == 0)
        return &cases[0];
    if (i <= greenlet__gate_vars_count)
        return &greenlet__gate_vars[i - 1];
    i -= greenlet__gate_vars_count;
    return i < count ? &cases[i] : NULL;
}
