/* cases_1_6_memory.c - many, cycles, and what a dead one keeps
 * (G-106 ... G-108) */
#include "case.h"

enum { MANY = 10000 };

static int exits;

static int counts_its_exit(void *value, void **result)
{
    int rc =
        greenlet_switch(greenlet_parent(greenlet_current()), value, result);

    exits += rc == -ECANCELED;
    return rc;
}

CASE(G_106, "10,000 suspended ones: one exit each, and the memory returns")
{
    static struct greenlet *all[MANY];
    struct case_state before;
    struct greenlet_counts warm, after;

    case_state(&before);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            all[i] = greenlet_new(counts_its_exit, NULL, 16 * 1024);
            CHECK(all[i] != NULL);
            SWITCH(all[i], NULL);
        }
        for (int i = 0; i < MANY; i++)
            greenlet_unref(all[i]);
        CHECK_INT(exits, MANY * (round + 1));
        CHECK_SAME_STATE(&before);
        greenlet_count(round == 0 ? &warm : &after);
    }
    CHECK_INT(after.slots_free, warm.slots_free);
}

static bool is_there(struct greenlet_weak *weak)
{
    struct greenlet *g = greenlet_weak_get(weak);

    if (g != NULL)
        greenlet_unref(g);
    return g != NULL;
}

static void drop(void *g)
{
    greenlet_unref(g);
}

/* Two that keep each other; there is no collector, so who made the cycle
 * breaks it. */
static void cycle_until_broken(struct greenlet *g, struct greenlet *h)
{
    struct greenlet_weak *weak_g = greenlet_weak_new(g);
    struct greenlet_weak *weak_h = greenlet_weak_new(h);

    greenlet_set_userdata(g, greenlet_ref(h), drop);
    greenlet_set_userdata(h, greenlet_ref(g), drop);
    greenlet_unref(g);
    greenlet_unref(h);
    CHECK(is_there(weak_g) && is_there(weak_h));
    greenlet_set_userdata(g, NULL, NULL);
    CHECK(!is_there(weak_g) && !is_there(weak_h));
    greenlet_weak_free(weak_g);
    greenlet_weak_free(weak_h);
}

CASE(G_107, "cycles of new, dead, suspended ones last until broken by hand")
{
    struct greenlet *pairs[3][2];

    for (int i = 0; i < 2; i++) {
        pairs[0][i] = make(never_run);
        pairs[1][i] = make(returns_value);
        pairs[2][i] = make(waits);
        SWITCH(pairs[1][i], NULL);
        SWITCH(pairs[2][i], NULL);
    }
    for (int i = 0; i < 3; i++)
        cycle_until_broken(pairs[i][0], pairs[i][1]);
    CHECK_STR(notes(), "exit exit");
}

/* Its stack owns a reference to itself. */
static int keeps_itself(void *value, void **result)
{
    struct greenlet *self = greenlet_ref(greenlet_current());
    int rc = greenlet_switch(greenlet_parent(self), value, result);

    note("%s", caught_name());
    greenlet_unref(self);
    return rc;
}

CASE(G_107b, "a suspended stack owns its references: throw, to break a cycle")
{
    struct greenlet *g = make(keeps_itself);
    struct greenlet_weak *weak = greenlet_weak_new(g);

    SWITCH(g, NULL);
    greenlet_unref(g);
    CHECK(is_there(weak));
    CHECK_STR(notes(), "");
    CHECK_INT(greenlet_throw(g, NULL, NULL), 0);
    CHECK_STR(notes(), "exit");
    CHECK_CAUGHT(greenlet_exit_class, NULL);
    CHECK(!is_there(weak));
    greenlet_weak_free(weak);
}

/* Destructors that use greenlets while one is being killed. */
static void makes_and_runs(void *name)
{
    struct greenlet *g = make(waits), *h = make(returns_value);

    SWITCH(g, NULL);
    CHECK_PTR(SWITCH(h, V(1)), V(1));
    greenlet_unref(g);
    greenlet_unref(h);
    note("%s", (const char *)name);
}

static int has_a_bad_end(void *value, void **result)
{
    int rc =
        greenlet_switch(greenlet_parent(greenlet_current()), value, result);

    makes_and_runs("handler");
    return rc;
}

CASE(G_107c, "destructors that make, run and kill greenlets during a kill")
{
    struct greenlet_callable run = {has_a_bad_end, "closure", makes_and_runs};
    struct greenlet *parent = make(waits);
    struct greenlet *g = greenlet_new_of(NULL, &run, NULL, 0);

    SWITCH(parent, NULL);
    SWITCH(g, NULL);
    greenlet_set_userdata(g, "data", makes_and_runs);
    CHECK_INT(greenlet_set_parent(g, parent), 0);
    greenlet_unref(parent);
    greenlet_unref(g);
    CHECK_STR(notes(), "exit handler exit closure exit data exit");
}

static struct greenlet_var *variable;

static int sets_variable(void *value, void **result)
{
    (void)result;
    return greenlet_var_set(variable, value, NULL);
}

CASE(G_108, "a dead one keeps its data and its context, not its body")
{
    int arguments = 0, closures = 0, data = 0;
    struct greenlet_callable run = {sets_variable, &closures, count_destroy};
    struct greenlet *g = greenlet_new_of(NULL, &run, NULL, 0);
    struct greenlet_message *message = greenlet_message_new();
    struct greenlet_context *context = NULL;
    void *value = NULL;

    variable = greenlet_var_new("variable", NULL);
    greenlet_set_userdata(g, &data, count_destroy);
    CHECK_INT(greenlet_message_add(message, NULL, &arguments, count_destroy),
              0);
    CHECK_INT(greenlet_switch_message(g, message, NULL), 0);
    CHECK(greenlet_dead(g));
    CHECK_INT(closures, 1);
    CHECK_INT(arguments, 1);
    CHECK_INT(data, 0);
    CHECK_PTR(greenlet_userdata(g), &data);
    CHECK_INT(greenlet_get_context(g, &context), 0);
    CHECK(context != NULL);
    CHECK_INT(greenlet_context_get(context, variable, &value), 0);
    CHECK_PTR(value, &arguments);
    greenlet_context_unref(context);
    greenlet_unref(g);
    CHECK_INT(data, 1);
    greenlet_var_unref(variable);
}

CASE(G_108b, "one that was thrown into before it began releases its body too")
{
    int closures = 0;
    struct greenlet_callable run = {never_run, &closures, count_destroy};
    struct greenlet *g = greenlet_new_of(NULL, &run, NULL, 0);

    CHECK_INT(greenlet_throw(g, NULL, NULL), 0);
    CHECK(greenlet_dead(g));
    CHECK_INT(closures, 1);
    greenlet_unref(g);
    CHECK_INT(closures, 1);
}
