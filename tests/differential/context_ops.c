/* context_ops.c - the operations of greenlet scripts on context variables */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct greenlet_var *var_named(const char *name)
{
    return world->vars[name[0] >= 'x' && name[0] <= 'z' ? name[0] - 'x' : 0];
}

/* The library's record of a refusal is not what these print. */
static struct status instead(const char *text)
{
    struct greenlet_exception record = take_caught();

    greenlet_exception_clear(&record);
    event("%s", text);
    return went_on();
}

static struct status op_set(const struct node *node, struct greenlet *it)
{
    struct greenlet_token *token = NULL;
    void **slot;

    (void)it;
    if (greenlet_var_set(var_named(node->words[1]), value_new(node->words[2]),
                         &token) < 0)
        return instead("! no memory");
    if (node->words[3] == NULL) {
        greenlet_token_free(token);
        return went_on();
    }
    slot = named(world->tokens, node->words[3], true);
    greenlet_token_free(*slot);
    *slot = token;
    return went_on();
}

static struct status op_get(const struct node *node, struct greenlet *it)
{
    void *value;

    (void)it;
    if (greenlet_var_get(var_named(node->words[1]), &value) < 0)
        return instead("= unset");
    event("= %ld", value_of(value));
    return went_on();
}

static struct status op_reset(const struct node *node, struct greenlet *it)
{
    void **token = named(world->tokens, node->words[2], false);

    (void)it;
    if (token == NULL || *token == NULL)
        return skip();
    if (greenlet_var_reset(var_named(node->words[1]), *token) < 0)
        return instead("! refused");
    *token = NULL;
    event("= done");
    return went_on();
}

static void forget(void)
{
    struct greenlet_exception record = take_caught();

    greenlet_exception_clear(&record);
}

/* NULL is a context too: none. */
static struct greenlet_context *context_of(struct greenlet *g)
{
    struct greenlet_context *context = NULL;

    if (greenlet_get_context(g, &context) < 0)
        say("a context could not be read");
    return context;
}

static void give_context(struct greenlet *g, struct greenlet_context *context)
{
    if (greenlet_set_context(g, context) < 0)
        say("a context could not be given");
    greenlet_context_unref(context);
}

static struct status op_copyctx(const struct node *node, struct greenlet *it)
{
    struct greenlet *source = find(node->words[1], it);
    struct greenlet *target = find(node->words[2], it);
    struct greenlet_context *context, *copy = NULL;

    if (source == NULL || target == NULL)
        return skip();
    context = context_of(source);
    if (context != NULL)
        copy = greenlet_context_copy(context);
    greenlet_context_unref(context);
    give_context(target, copy);
    return went_on();
}

static struct status op_sharectx(const struct node *node, struct greenlet *it)
{
    struct greenlet *source = find(node->words[1], it);
    struct greenlet *target = find(node->words[2], it);

    if (source == NULL || target == NULL)
        return skip();
    give_context(target, context_of(source));
    return went_on();
}

static struct status op_clearctx(const struct node *node, struct greenlet *it)
{
    struct greenlet *g = find(node->words[1], it);

    if (g == NULL)
        return skip();
    give_context(g, NULL);
    return went_on();
}

static struct status op_showctx(const struct node *node, struct greenlet *it)
{
    struct greenlet *g = find(node->words[1], it);
    struct greenlet_context *context;
    const char *before = "";
    void *value;

    if (g == NULL)
        return skip();
    context = context_of(g);
    if (context == NULL) {
        event("= none");
        return went_on();
    }
    event_begin("= {");
    for (int i = 0; i < 3; i++) {
        if (greenlet_context_get(context, world->vars[i], &value) < 0)
            continue;
        event_add("%s%s=%ld", before, greenlet_var_name(world->vars[i]),
                  value_of(value));
        before = " ";
    }
    event_add("}");
    event_end();
    greenlet_context_unref(context);
    forget();
    return went_on();
}

static void save(const char *name, struct greenlet_context *context)
{
    void **slot = named(world->contexts, name, true);

    greenlet_context_unref(*slot);
    *slot = context;
}

static struct status op_newctx(const struct node *node, struct greenlet *it)
{
    (void)it;
    save(node->words[1], greenlet_context_new());
    return went_on();
}

static struct status op_savectx(const struct node *node, struct greenlet *it)
{
    struct greenlet *g = find(node->words[2], it);
    struct greenlet_context *context = g != NULL ? context_of(g) : NULL;

    if (context == NULL)
        return skip();
    save(node->words[1], context);
    return went_on();
}

static struct greenlet_context *saved(const char *name)
{
    void **slot = named(world->contexts, name, false);

    return slot != NULL && *slot != NULL ? greenlet_context_ref(*slot) : NULL;
}

static struct status op_givectx(const struct node *node, struct greenlet *it)
{
    struct greenlet *g = find(node->words[2], it);
    struct greenlet_context *context = saved(node->words[1]);

    if (g == NULL || context == NULL) {
        greenlet_context_unref(context);
        return skip();
    }
    give_context(g, context);
    return went_on();
}

struct inside {
    const struct node *node;
    struct greenlet *it;
    struct status status;
};

static int run_inside(void *arg)
{
    struct inside *inside = arg;

    inside->status = run_nodes(inside->node->inner.first, inside->it);
    return 0;
}

static bool poisoned(const struct greenlet_context *context)
{
    for (int i = 0; i < world->poisoned_count; i++)
        if (world->poisoned[i] == context)
            return true;
    return false;
}

/* Made equal (b): Python never leaves a context that was left in disorder. */
static struct status op_within(const struct node *node, struct greenlet *it)
{
    struct greenlet_context *context = saved(node->words[1]);
    struct inside inside = {.node = node, .it = it};
    int rc;

    if (context == NULL || poisoned(context)) {
        greenlet_context_unref(context);
        return skip();
    }
    rc = greenlet_context_run(context, run_inside, &inside, NULL);
    if (rc == -EDOM && world->poisoned_count < MAX_POISONED)
        world->poisoned[world->poisoned_count++] =
            greenlet_context_ref(context);
    greenlet_context_unref(context);
    if (rc == 0)
        return inside.status;
    greenlet_exception_clear(&inside.status.raised);
    return instead(rc == -EDOM ? "! disorder" : "! entered");
}

static const struct {
    const char *name;
    operation *operation;
} operations[] = {
    {"set", op_set},           {"get", op_get},
    {"reset", op_reset},       {"copyctx", op_copyctx},
    {"sharectx", op_sharectx}, {"clearctx", op_clearctx},
    {"showctx", op_showctx},   {"newctx", op_newctx},
    {"savectx", op_savectx},   {"givectx", op_givectx},
    {"within", op_within},
};

operation *context_operation_named(const char *name)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (strcmp(operations[i].name, name) == 0)
            return operations[i].operation;
    return NULL;
}
