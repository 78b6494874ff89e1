/* gate_vars.c - the self-test: a context for each greenlet
 *
 * What async views rely on (G-113 ... G-120).  Values are addresses of marks
 * that nobody destroys. */
#include "context/gate_impl.h"

#include <signal.h>
#include <string.h>

static char marks[3];
#define ONE   ((void *)&marks[0])
#define TWO   ((void *)&marks[1])
#define THREE ((void *)&marks[2])

static bool var_is(struct greenlet__trial *trial, const void *value)
{
    void *found = NULL;

    return greenlet_var_get(trial->var, &found) == 0 && found == value;
}

static bool var_is_absent(struct greenlet__trial *trial)
{
    void *found = ONE;

    return greenlet_var_get(trial->var, &found) == -ENODATA && found == ONE &&
           greenlet_var_get_or(trial->var, THREE) == THREE;
}

/* The context of g is that one (NULL: it has none). */
static bool context_is(struct greenlet *g,
                       const struct greenlet_context *context)
{
    struct greenlet_context *found = NULL;
    int rc = greenlet_get_context(g, &found);

    if (rc == 0 && found != NULL)
        greenlet_context_unref(found);
    return rc == 0 && found == context;
}

/* Set the variable to ONE here, and make trial->context a copy of that. */
static int copy_with_one(struct greenlet__trial *trial)
{
    int rc = greenlet_var_set(trial->var, ONE, NULL);

    if (rc < 0)
        return rc;
    trial->context = greenlet_context_copy(NULL);
    return trial->context != NULL ? 0 : -ENOMEM;
}

/* ---- G-113 ---- */

static int looks_whether_absent(void *value, void **result)
{
    struct greenlet__trial *trial = value;

    (void)result;
    trial->seen = var_is_absent(trial);
    return 0;
}

static int starts_empty(struct greenlet__trial *trial)
{
    int rc = greenlet_var_set(trial->var, ONE, NULL);

    if (rc < 0)
        return rc;
    rc = greenlet__gate_start(trial, &trial->g, looks_whether_absent);
    return rc < 0 ? rc : greenlet__gate_verdict(trial->seen);
}

/* ---- G-114 ---- */

static int sets_and_comes_back(void *value, void **result)
{
    struct greenlet__trial *trial = value;
    int rc = greenlet_var_set(trial->var, TWO, NULL);

    (void)result;
    if (rc == 0)
        rc = greenlet_switch(trial->self, NULL, NULL);
    trial->seen = rc == 0 && var_is(trial, TWO);
    return rc;
}

static int sets_are_local(struct greenlet__trial *trial)
{
    bool good;
    int rc = greenlet_var_set(trial->var, ONE, NULL);

    if (rc < 0)
        return rc;
    rc = greenlet__gate_start(trial, &trial->g, sets_and_comes_back);
    good = var_is(trial, ONE);
    if (rc == 0)
        rc = greenlet_var_set(trial->var, THREE, NULL);
    if (rc == 0)
        rc = greenlet__gate_start(trial, &trial->other, looks_whether_absent);
    good = trial->seen && good;
    trial->seen = false;
    if (rc == 0)
        rc = greenlet_switch(trial->g, trial, NULL);
    if (rc < 0)
        return rc;
    return greenlet__gate_verdict(good && trial->seen && var_is(trial, THREE));
}

/* ---- G-115 ---- */

static int makes_its_context(void *value, void **result)
{
    struct greenlet__trial *trial = value;
    bool none = context_is(greenlet_current(), NULL);
    int rc = greenlet_var_set(trial->var, TWO, NULL);

    (void)result;
    trial->seen = none && rc == 0 && !context_is(greenlet_current(), NULL);
    return rc == 0 ? greenlet_switch(trial->self, NULL, NULL) : rc;
}

static int context_is_made_by_a_set(struct greenlet__trial *trial)
{
    void *value = NULL;
    bool none;
    int rc = greenlet__gate_make(&trial->g, makes_its_context);

    if (rc < 0)
        return rc;
    none = context_is(trial->g, NULL);
    rc = greenlet_switch(trial->g, trial, NULL);
    if (rc == 0)
        rc = greenlet_get_context(trial->g, &trial->context);
    if (rc < 0)
        return rc;
    return greenlet__gate_verdict(
        none && trial->seen && trial->context != NULL &&
        greenlet_context_get(trial->context, trial->var, &value) == 0 &&
        value == TWO);
}

/* ---- G-116 ---- */

static int sees_what_is_set(void *value, void **result)
{
    struct greenlet__trial *trial = value;
    struct greenlet *self = greenlet_current();
    bool good = var_is(trial, ONE);
    int rc;

    (void)result;
    good =
        greenlet_set_context(self, NULL) == 0 && var_is_absent(trial) && good;
    good = greenlet_set_context(self, trial->context) == 0 &&
           var_is(trial, ONE) && good;
    rc = greenlet_switch(trial->self, NULL, NULL);
    trial->seen = good && var_is_absent(trial);
    return rc;
}

static int context_is_settable_in_every_state(struct greenlet__trial *trial)
{
    bool good;
    int rc = copy_with_one(trial);

    if (rc == 0)
        rc = greenlet__gate_make(&trial->g, sees_what_is_set);
    if (rc < 0)
        return rc;
    good = greenlet_set_context(trial->g, trial->context) == 0 &&
           context_is(trial->g, trial->context);
    rc = greenlet_switch(trial->g, trial, NULL);
    if (rc < 0)
        return rc;
    good = greenlet_set_context(trial->g, NULL) == 0 && good;
    rc = greenlet_switch(trial->g, trial, NULL);
    if (rc < 0)
        return rc;
    good = greenlet_set_context(trial->g, trial->context) == 0 && good;
    return greenlet__gate_verdict(good && trial->seen &&
                                  greenlet_dead(trial->g) &&
                                  context_is(trial->g, trial->context));
}

/* ---- G-117 ---- */

static int sets_two_then_sees_three(void *value, void **result)
{
    struct greenlet__trial *trial = value;
    bool good = var_is(trial, ONE);
    int rc = greenlet_var_set(trial->var, TWO, NULL);

    (void)result;
    if (rc == 0)
        rc = greenlet_switch(trial->self, NULL, NULL);
    trial->seen = rc == 0 && good && var_is(trial, THREE);
    return rc;
}

static int sets_two(void *value, void **result)
{
    struct greenlet__trial *trial = value;
    bool good = var_is(trial, ONE);

    (void)result;
    trial->seen = good;
    return greenlet_var_set(trial->var, TWO, NULL);
}

/* Sharing; the value is ONE before and after. */
static int shared(struct greenlet__trial *trial)
{
    bool good;
    int rc = greenlet_get_context(greenlet_current(), &trial->second);

    if (rc == 0)
        rc = greenlet__gate_make(&trial->g, sets_two_then_sees_three);
    if (rc == 0)
        rc = greenlet_set_context(trial->g, trial->second);
    if (rc == 0)
        rc = greenlet_switch(trial->g, trial, NULL);
    if (rc < 0)
        return rc;
    good = var_is(trial, TWO);
    rc = greenlet_var_set(trial->var, THREE, NULL);
    if (rc == 0)
        rc = greenlet_switch(trial->g, trial, NULL);
    return rc < 0 ? rc : greenlet__gate_verdict(good && trial->seen);
}

static int contexts_are_copied_or_shared(struct greenlet__trial *trial)
{
    int rc = copy_with_one(trial);

    if (rc == 0)
        rc = greenlet__gate_make(&trial->other, sets_two);
    if (rc == 0)
        rc = greenlet_set_context(trial->other, trial->context);
    if (rc == 0)
        rc = greenlet_switch(trial->other, trial, NULL);
    if (rc == 0)
        rc = greenlet__gate_verdict(trial->seen && var_is(trial, ONE));
    trial->seen = false;
    return rc < 0 ? rc : shared(trial);
}

/* ---- G-118 ---- */

static int waits_once(void *value, void **result)
{
    struct greenlet__trial *trial = value;
    int rc = greenlet_switch(trial->self, NULL, NULL);

    (void)result;
    trial->seen = rc == 0 && var_is(trial, ONE);
    return rc;
}

/* In a thread of its own, while the other one waits for its end. */
static void *looks_from_afar(void *arg)
{
    struct greenlet__trial *trial = arg;
    struct greenlet_context *running = NULL;

    trial->seen = greenlet_get_context(trial->self, &running) == -EBUSY &&
                  greenlet_set_context(trial->self, NULL) == -EBUSY &&
                  context_is(trial->g, NULL) &&
                  greenlet_set_context(trial->g, trial->context) == 0 &&
                  context_is(trial->g, trial->context);
    if (running != NULL)
        greenlet_context_unref(running);
    return NULL;
}

/* A real thread, which takes no signal. */
static int in_a_thread(void *(*function)(void *), void *arg)
{
    sigset_t all, before;
    pthread_t thread;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = greenlet__libc.pthread_create(&thread, NULL, function, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? -greenlet__libc.pthread_join(thread, NULL) : -rc;
}

static int running_elsewhere_is_refused(struct greenlet__trial *trial)
{
    bool good;
    int rc = copy_with_one(trial);

    if (rc == 0)
        rc = greenlet__gate_start(trial, &trial->g, waits_once);
    if (rc == 0)
        rc = in_a_thread(looks_from_afar, trial);
    if (rc < 0)
        return rc;
    good = trial->seen && var_is(trial, ONE);
    trial->seen = false;
    rc = greenlet_switch(trial->g, trial, NULL);
    return rc < 0 ? rc : greenlet__gate_verdict(good && trial->seen);
}

/* ---- G-119: a context or none, and nothing else; it is kept ---- */

static int only_a_context_or_none(struct greenlet__trial *trial)
{
    void *value = NULL;
    bool good;
    int rc = copy_with_one(trial);

    if (rc == 0)
        rc = greenlet__gate_make(&trial->g, looks_whether_absent);
    if (rc < 0)
        return rc;
    good = greenlet_set_context(trial->g, trial->context) == 0 &&
           context_is(trial->g, trial->context);
    greenlet_context_unref(trial->context); /* the greenlet has its own */
    trial->context = NULL;
    rc = greenlet_get_context(trial->g, &trial->context);
    if (rc < 0)
        return rc;
    good = good && trial->context != NULL &&
           greenlet_context_get(trial->context, trial->var, &value) == 0 &&
           value == ONE;
    good = greenlet_set_context(trial->g, NULL) == 0 &&
           context_is(trial->g, NULL) && good;
    rc = greenlet_switch(trial->g, trial, NULL);
    return rc < 0 ? rc : greenlet__gate_verdict(good && trial->seen);
}

/* ---- G-120 ---- */

static int does_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int inner(void *arg)
{
    struct greenlet__trial *trial = arg;
    int rc;

    trial->seen = var_is(trial, ONE);
    rc = greenlet_switch(trial->self, NULL, NULL);
    trial->seen = rc == 0 && var_is(trial, ONE);
    return rc;
}

/* Enters `second`, in another greenlet, and leaves it later than `self` left
 * the one that it entered before. */
static int enters_the_other(void *value, void **result)
{
    struct greenlet__trial *trial = value;
    int returned = 0;
    int rc = greenlet_context_run(trial->context, does_nothing, NULL, NULL);
    bool good = rc == -EBUSY;

    (void)result;
    rc = greenlet_context_run(trial->second, inner, trial, &returned);
    trial->seen = trial->seen && good && var_is_absent(trial);
    return rc < 0 ? rc : returned;
}

static int outer(void *arg)
{
    struct greenlet__trial *trial = arg;
    bool good =
        var_is(trial, ONE) && greenlet_context_run(trial->context, does_nothing,
                                                   NULL, NULL) == -EBUSY;
    int rc = greenlet_var_set(trial->var, THREE, NULL);

    if (rc == 0)
        rc = greenlet__gate_start(trial, &trial->g, enters_the_other);
    if (rc < 0)
        return rc;
    return greenlet__gate_verdict(good && trial->seen && var_is(trial, THREE));
}

static int scoped_runs_nest(struct greenlet__trial *trial)
{
    int returned = 0;
    int rc = copy_with_one(trial);

    if (rc < 0)
        return rc;
    trial->second = greenlet_context_copy(trial->context);
    if (trial->second == NULL)
        return -ENOMEM;
    rc = greenlet_context_run(trial->context, outer, trial, &returned);
    if (rc == 0)
        rc = returned;
    if (rc == 0)
        rc = greenlet__gate_verdict(var_is(trial, ONE));
    if (rc < 0)
        return rc;
    trial->seen = false;
    rc = greenlet_switch(trial->g, trial, NULL);
    return rc < 0 ? rc : greenlet__gate_verdict(trial->seen);
}

const struct greenlet__gate_case greenlet__gate_vars[] = {
    {"G-113", "a new greenlet starts with an empty context", starts_empty},
    {"G-114", "sets are local to a greenlet and survive its switches",
     sets_are_local},
    {"G-115", "a greenlet has no context until its first set makes one",
     context_is_made_by_a_set},
    {"G-116", "a context can be given in every state, and none",
     context_is_settable_in_every_state},
    {"G-117", "a copy is not shared, the context of another greenlet is",
     contexts_are_copied_or_shared},
    {"G-118", "the context of one that runs in another thread is refused",
     running_elsewhere_is_refused},
    {"G-119", "only a context or none is taken, and it is kept",
     only_a_context_or_none},
    {"G-120", "scoped runs nest, in whatever order greenlets leave them",
     scoped_runs_nest},
};
const size_t greenlet__gate_vars_count =
    sizeof greenlet__gate_vars / sizeof *greenlet__gate_vars;
