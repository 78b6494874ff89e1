/* gate.c - is this compatible with greenlet?  A version, then a self-test
 *
 * It fails closed: whatever is not as it should be is a "no". */
#include "context/gate_impl.h"
#include "context/pep440.h"

#include <stdio.h>
#include <string.h>

/* ---- what the calling greenlet must find again ---- */

struct saved {
    greenlet_tracer *tracer;
    void *tracer_data;
    struct greenlet_context *context;
    struct greenlet_exception caught;
    bool has_caught;
};

/* The tracer goes first, and comes back last: it would be called for ours. */
static int save(struct greenlet *self, struct saved *saved)
{
    int rc;

    saved->tracer = greenlet_gettrace(&saved->tracer_data);
    greenlet_settrace(NULL, NULL, NULL);
    saved->context = NULL;
    rc = greenlet_get_context(self, &saved->context);
    if (rc < 0)
        greenlet_settrace(saved->tracer, saved->tracer_data, NULL);
    else
        saved->has_caught = greenlet_caught(&saved->caught);
    return rc;
}

static void forget_caught(void)
{
    struct greenlet_exception left;

    if (greenlet_caught(&left))
        greenlet_exception_clear(&left);
}

static void restore(struct greenlet *self, struct saved *saved)
{
    greenlet_set_context(self, saved->context);
    if (saved->context != NULL)
        greenlet_context_unref(saved->context);
    forget_caught();
    if (saved->has_caught)
        greenlet_raise(&saved->caught);
    greenlet_settrace(saved->tracer, saved->tracer_data, NULL);
}

/* ---- the self-test ---- */

/* What is suspended ends here, untraced, and may not see the trial's end. */
static void clear(struct greenlet__trial *trial)
{
    greenlet_settrace(NULL, NULL, NULL);
    if (trial->g != NULL)
        greenlet_unref(trial->g);
    if (trial->other != NULL)
        greenlet_unref(trial->other);
    if (trial->context != NULL)
        greenlet_context_unref(trial->context);
    if (trial->second != NULL)
        greenlet_context_unref(trial->second);
    greenlet_set_context(trial->self, NULL);
    greenlet_var_unref(trial->var);
}

static int try_case(const struct greenlet__gate_case *one,
                    struct greenlet *self)
{
    struct greenlet__trial trial = {.self = self};
    int rc = greenlet_set_context(self, NULL);

    if (rc < 0)
        return rc;
    trial.var = greenlet_var_new("gate", NULL);
    if (trial.var == NULL)
        return -ENOMEM;
    rc = one->holds(&trial);
    clear(&trial);
    return rc;
}

static void note_failure(struct greenlet_gate_report *report,
                         const struct greenlet__gate_case *one)
{
    if (report->failed < GREENLET_GATE_MAX) {
        report->failures[report->failed].id = one->id;
        report->failures[report->failed].what = one->what;
    }
    report->failed++;
}

static int try_all(struct greenlet *self, struct greenlet_gate_report *report)
{
    const struct greenlet__gate_case *one;

    for (size_t i = 0; (one = greenlet__gate_case(i)) != NULL; i++) {
        int rc = try_case(one, self);

        if (rc == -ENOMEM)
            return rc;
        if (rc == 0)
            report->passed++;
        else
            note_failure(report, one);
    }
    return report->failed == 0 && report->passed > 0 ? 0 : -ENOTSUP;
}

static int self_test(struct greenlet_gate_report *report)
{
    struct greenlet *self = greenlet_current();
    struct saved saved;
    int rc;

    if (self == NULL) {
        snprintf(report->line, sizeof report->line,
                 "no: the process is ending");
        return -ENOTSUP;
    }
    rc = save(self, &saved);
    if (rc < 0)
        return rc == -ENOMEM ? rc : -ENOTSUP;
    rc = try_all(self, report);
    restore(self, &saved);
    return rc;
}

/* ---- the verdict ---- */

static void describe(struct greenlet_gate_report *report, int rc)
{
    size_t size = sizeof report->line;

    if (rc == -ENOMEM)
        snprintf(report->line, size, "no: there is no memory to find out");
    else if (rc == 0)
        snprintf(report->line, size,
                 "yes: compatible with greenlet %s, all %d cases hold",
                 GREENLET_COMPATIBLE_VERSION, report->passed);
    else if (report->failed > 0)
        snprintf(report->line, size, "no: %d of %d cases fail, first %s (%s)",
                 report->failed, report->failed + report->passed,
                 report->failures[0].id, report->failures[0].what);
    else if (report->line[0] == '\0')
        snprintf(report->line, size, "no: the self-test could not be run");
}

int greenlet_gate(const char *requirement, struct greenlet_gate_report *report)
{
    struct greenlet_gate_report own;
    int rc;

    if (report == NULL)
        report = &own;
    memset(report, 0, sizeof *report);
    rc = requirement == NULL
             ? -EINVAL
             : greenlet__version_meets("greenlet", GREENLET_COMPATIBLE_VERSION,
                                       requirement);
    if (rc < 0) {
        snprintf(report->line, sizeof report->line,
                 "no: '%.80s' is no requirement on greenlet",
                 requirement != NULL ? requirement : "");
        return -EINVAL;
    }
    if (rc == 0) {
        snprintf(report->line, sizeof report->line,
                 "no: this is compatible with greenlet %s, not '%.80s'",
                 GREENLET_COMPATIBLE_VERSION, requirement);
        return -ENOTSUP;
    }
    rc = self_test(report);
    describe(report, rc);
    return rc;
}
