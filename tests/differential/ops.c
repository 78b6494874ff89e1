/* ops.c - the operations of greenlet scripts, on our API
 *
 * Each holds a reference to what it works on until its result was printed, as
 * Python's interpreter does. */
#include "world.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct status switched(int rc, void *value)
{
    struct status status = went_on();

    if (rc == 0) {
        event_begin("= ");
        add_arrival(value);
        event_end();
        return status;
    }
    status.outcome = RAISED;
    status.raised = take_caught();
    event_begin("! ");
    add_exception(&status.raised);
    event_end();
    return status;
}

/* Something that is refused at once or done; not a switch. */
static struct status attempted(int rc)
{
    if (rc < 0)
        return switched(rc, NULL);
    event("= done");
    return went_on();
}

/* What was only asked leaves a record when the answer is no. */
static void quiet(void)
{
    struct greenlet_exception record = take_caught();

    greenlet_exception_clear(&record);
}

/* Stale records would be taken for what the next switch delivers. */
static void forget(void)
{
    struct greenlet_exception stale = take_caught();

    if (stale.cls != NULL) {
        event_begin("a record was left: ");
        add_exception(&stale);
        event_end();
    }
    greenlet_exception_clear(&stale);
}

static struct status op_new(const struct node *node, struct greenlet *it)
{
    struct greenlet *g = make_greenlet(node, it), *old;
    void **slot;

    if (g == NULL)
        return skip();
    event("made %s", label_of(g));
    slot = named(world->slots, node->words[1], true);
    old = *slot;
    *slot = greenlet_ref(g);
    if (old != NULL)
        greenlet_unref(old);
    greenlet_unref(g);
    return went_on();
}

/* One odd number by position goes as a plain pointer: the path without a
 * message. */
static int send(struct greenlet *g, const struct node *node, void **result)
{
    char *const *words = node->words + 2;
    int count = node->count - 2;

    if (count == 1 && strchr(words[0], '=') == NULL &&
        (strcmp(words[0], "none") == 0 || ((intptr_t)plain(words[0]) & 1)))
        return greenlet_switch(g, plain(words[0]), result);
    return greenlet_switch_message(g, make_message(words, count), result);
}

/* By `call`, to the greenlet that the operation names. */
static struct status transfer(const struct node *node, struct greenlet *it,
                              int (*call)(struct greenlet *g,
                                          const struct node *node,
                                          void **result))
{
    struct greenlet *g = find(node->words[1], it);
    struct status status;
    void *value = NULL;
    int rc;

    if (g == NULL)
        return skip();
    forget();
    greenlet_ref(g);
    rc = call(g, node, &value);
    status = switched(rc, value);
    greenlet_unref(g);
    return status;
}

static struct status op_switch(const struct node *node, struct greenlet *it)
{
    return transfer(node, it, send);
}

static struct greenlet_exception instance(char *const words[])
{
    return make_exception(class_named(words[0]), words[1]);
}

/* `inst class number [with number]`, `class inst class number` */
static int throw_instance(struct greenlet *g, char *const words[],
                          void **result)
{
    bool alone = strcmp(words[0], "inst") == 0;
    struct greenlet_exception one = instance(alone ? words + 1 : words + 2);
    struct greenlet_exception value = {0};
    struct greenlet_throw_form form = {.instance = &one};

    if (alone && words[3] != NULL) {
        value = make_exception(NULL, words[4]);
        form.payload = value.payload;
        form.destroy = value.destroy;
    } else if (!alone) {
        form.cls = class_named(words[0]);
    }
    return greenlet_throw_as(g, &form, result);
}

static int throw_class(struct greenlet *g, char *const words[], void **result)
{
    struct greenlet_exception one =
        make_exception(class_named(words[0]), words[1]);
    struct greenlet_throw_form form = {
        .cls = one.cls, .payload = one.payload, .destroy = one.destroy};

    if (words[1] != NULL && ((intptr_t)plain(words[1]) & 1))
        return greenlet_throw(g, &one, result);
    return greenlet_throw_as(g, &form, result);
}

static int throw(struct greenlet * g, const struct node *node, void **result)
{
    static const struct greenlet_exception bad = {0};
    char *const *words = node->words + 2;

    if (words[0] == NULL)
        return greenlet_throw(g, NULL, result);
    if (strcmp(words[0], "bad") == 0)
        return greenlet_throw(g, &bad, result);
    if (strcmp(words[0], "inst") == 0 ||
        (words[1] != NULL && strcmp(words[1], "inst") == 0))
        return throw_instance(g, words, result);
    return throw_class(g, words, result);
}

static struct status op_throw(const struct node *node, struct greenlet *it)
{
    return transfer(node, it, throw);
}

static struct status op_parent(const struct node *node, struct greenlet *it)
{
    struct greenlet *g = find(node->words[1], it);
    struct greenlet *parent = find(node->words[2], it);
    struct status status;

    if (g == NULL || (parent == NULL && strcmp(node->words[2], "null") != 0))
        return skip();
    greenlet_ref(g);
    if (parent != NULL)
        greenlet_ref(parent);
    status = attempted(greenlet_set_parent(g, parent));
    greenlet_unref(g); /* in the order in which Python's locals go */
    if (parent != NULL)
        greenlet_unref(parent);
    return status;
}

static void keep(const char *name, struct greenlet *g)
{
    void **slot = named(world->slots, name, true);
    struct greenlet *old = *slot;

    *slot = greenlet_ref(g);
    if (old != NULL)
        greenlet_unref(old);
}

static struct status op_let(const struct node *node, struct greenlet *it)
{
    struct greenlet *g = find(node->words[2], it);

    if (g == NULL)
        return skip();
    greenlet_ref(g);
    keep(node->words[1], g);
    greenlet_unref(g);
    return went_on();
}

static struct status op_drop(const struct node *node, struct greenlet *it)
{
    void **slot = named(world->slots, node->words[1], false);
    struct greenlet *g = slot != NULL ? *slot : NULL;

    (void)it;
    if (g == NULL)
        return skip();
    *slot = NULL;
    greenlet_unref(g);
    return went_on();
}

static struct status op_weak(const struct node *node, struct greenlet *it)
{
    struct greenlet *g = find(node->words[2], it);
    void **weak;

    if (g == NULL)
        return skip();
    weak = named(world->weaks, node->words[1], true);
    greenlet_weak_free(*weak);
    *weak = greenlet_weak_new(g);
    return went_on();
}

static struct status op_deref(const struct node *node, struct greenlet *it)
{
    void **weak = named(world->weaks, node->words[1], false);
    struct greenlet *g;

    (void)it;
    if (weak == NULL || *weak == NULL)
        return skip();
    g = greenlet_weak_get(*weak);
    event("= %s", label_of(g));
    if (g == NULL)
        return went_on();
    if (node->words[2] != NULL)
        keep(node->words[2], g);
    greenlet_unref(g);
    return went_on();
}

static struct status op_trace(const struct node *node, struct greenlet *it)
{
    void *old = NULL;
    greenlet_tracer *tracer;

    (void)it;
    if (strcmp(node->words[1], "off") == 0)
        tracer = greenlet_settrace(NULL, NULL, &old);
    else
        tracer = greenlet_settrace(trace_body, node->words[1], &old);
    event("= %s", tracer != NULL ? (char *)old : "off");
    return went_on();
}

static struct status op_gettrace(const struct node *node, struct greenlet *it)
{
    void *data = NULL;
    greenlet_tracer *tracer = greenlet_gettrace(&data);

    (void)node;
    (void)it;
    event("= %s", tracer != NULL ? (char *)data : "off");
    return went_on();
}

static struct status op_run(const struct node *node, struct greenlet *it)
{
    struct greenlet *g = find(node->words[1], it);
    struct greenlet_callable callable;
    struct status status;

    if (g == NULL)
        return skip();
    greenlet_ref(g);
    if (!greenlet_started(g)) /* its destructor must not meet the new one */
        greenlet_set_run(g, NULL);
    if (greenlet_get_run(g, &callable) == 0) { /* ... and has set one */
        status = skip();
        greenlet_unref(g);
        return status;
    }
    quiet();
    callable = make_callable(node->words[2], option(node, "del"));
    entry_of(g)->unable = strcmp(node->words[2], "!") == 0;
    status = attempted(greenlet_set_run(g, &callable));
    greenlet_unref(g);
    return status;
}

static struct status op_unrun(const struct node *node, struct greenlet *it)
{
    struct greenlet *g = find(node->words[1], it);
    struct status status;

    if (g == NULL)
        return skip();
    greenlet_ref(g);
    status = attempted(greenlet_set_run(g, NULL));
    greenlet_unref(g);
    return status;
}

/* greenlet_get_run() leaves no record: what Python would raise is made here. */
static struct status op_getrun(const struct node *node, struct greenlet *it)
{
    struct greenlet *g = find(node->words[1], it);
    struct greenlet_callable callable;
    struct status status = went_on();

    if (g == NULL)
        return skip();
    if (greenlet_get_run(g, &callable) == 0) {
        event("= %s", callable_name(&callable));
        return status;
    }
    status.outcome = RAISED;
    status.raised = take_caught();
    if (status.raised.cls == NULL)
        status.raised.cls = &greenlet_attribute_class;
    event_begin("! ");
    add_exception(&status.raised);
    event_end();
    return status;
}

static struct status op_return(const struct node *node, struct greenlet *it)
{
    struct status status = {.outcome = RETURNED,
                            .value = plain(node->words[1])};

    (void)it;
    return status;
}

static struct status op_raise(const struct node *node, struct greenlet *it)
{
    struct status status = {.outcome = RAISED};

    (void)it;
    status.raised = make_exception(class_named(node->words[1]), node->words[2]);
    return status;
}

static const struct {
    const char *name;
    operation *operation;
} operations[] = {
    {"new", op_new},           {"switch", op_switch}, {"throw", op_throw},
    {"parent", op_parent},     {"let", op_let},       {"drop", op_drop},
    {"weak", op_weak},         {"deref", op_deref},   {"trace", op_trace},
    {"gettrace", op_gettrace}, {"run", op_run},       {"unrun", op_unrun},
    {"getrun", op_getrun},     {"return", op_return}, {"raise", op_raise},
};

operation *operation_named(const char *name)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (strcmp(operations[i].name, name) == 0)
            return operations[i].operation;
    return context_operation_named(name);
}
