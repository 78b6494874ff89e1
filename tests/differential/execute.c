/* execute.c - running the operations of a script */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct status went_on(void)
{
    struct status status = {.outcome = WENT_ON};

    return status;
}

struct status skip(void)
{
    event("- skipped");
    return went_on();
}

bool caught(struct status *status, const struct greenlet_class *cls)
{
    if (status->outcome != RAISED ||
        !greenlet_class_is(status->raised.cls, cls))
        return false;
    event_begin("caught ");
    add_exception(&status->raised);
    event_end();
    greenlet_exception_clear(&status->raised);
    status->outcome = WENT_ON;
    return true;
}

static struct status run_try(const struct node *node, struct greenlet *it)
{
    const struct greenlet_class *cls = class_named(node->words[1]);
    struct status status = run_nodes(node->inner.first, it);

    if (!caught(&status, cls))
        return status;
    return run_nodes(node->handler.first, it);
}

/* `? operation`: whatever it raises is caught. */
static struct status guarded(const struct node *node, struct greenlet *it)
{
    struct node plain = *node;
    struct status status;

    plain.text += 2;
    plain.count--;
    memmove(plain.words, plain.words + 1,
            sizeof plain.words - sizeof *plain.words);
    status = run_node(&plain, it);
    caught(&status, &greenlet_base_class);
    return status;
}

struct status run_node(const struct node *node, struct greenlet *it)
{
    operation *perform;
    struct status status;

    if (world->dry)
        return went_on();
    if (strcmp(node->words[0], "?") == 0)
        return guarded(node, it);
    if (strcmp(node->words[0], "try") == 0)
        return run_try(node, it);
    if (++world->steps > world->script->limit) {
        say("limit");
        world->dry = true;
        return went_on();
    }
    perform = operation_named(node->words[0]);
    event("%s", node->text);
    status = perform(node, it);
    snapshot();
    return status;
}

struct status run_nodes(const struct node *node, struct greenlet *it)
{
    struct status status = went_on();

    while (node != NULL && status.outcome == WENT_ON) {
        status = run_node(node, it);
        node = node->next;
    }
    return status;
}

/* ---- the library calls us ---- */

static const char *closure_name(void)
{
    struct greenlet_callable callable = {run_body, greenlet_closure(), NULL};

    return callable_name(&callable);
}

int run_body(void *value, void **result)
{
    struct entry *entry = entry_of(greenlet_current());
    const char *name = closure_name();
    struct status status;

    entry->begun = entry->runs = true;
    event_begin("starts %s ", name);
    add_arrival(value);
    event_end();
    snapshot();
    status = run_nodes(script_body(world->script, name), NULL);
    if (status.outcome == RAISED) {
        event_begin("ends raise ");
        add_exception(&status.raised);
        event_end();
        entry->runs = false;
        return greenlet_raise(&status.raised);
    }
    event_begin("ends return ");
    add_plain(status.value);
    event_end();
    entry->runs = false;
    *result = status.value;
    return 0;
}

struct status enter(const char *body, struct greenlet *it)
{
    struct entry *entry = entry_of(greenlet_current());
    struct status status;

    if (entry->depth >= CALLBACK_DEPTH) {
        event("too deep");
        return went_on();
    }
    entry->depth++;
    status = run_nodes(script_body(world->script, body), it);
    entry->depth--;
    return status;
}

/* Where an error has nowhere to go. */
static void enter_silently(const char *body, struct greenlet *it)
{
    struct status status = enter(body, it);

    if (status.outcome != RAISED)
        return;
    event_begin("lost ");
    add_exception(&status.raised);
    event_end();
    greenlet_exception_clear(&status.raised);
}

void delete_hook(const char *name, const char *body)
{
    event("del %s", name);
    enter_silently(body, NULL);
}

/* Made equal (f): Python finalizes an object once in its life. */
void finalize_hook(struct greenlet *g)
{
    struct entry *entry = entry_of(g);

    if (entry->finalized)
        return;
    entry->finalized = true;
    event("fin %s", entry->label);
    enter_silently(entry->fin, g);
}

/* Made equal (i): upstream's greenlet is dead while it looks for a parent that
 * can be started, ours is dead when it has left.  A hook that is asked there
 * does nothing, and how often is not told. */
int resolve_hook(struct greenlet *g, struct greenlet_callable *run)
{
    struct entry *entry = entry_of(g);
    struct status status;

    (void)run;
    if (!entry_of(greenlet_current())->runs)
        return 0;
    event("hook %s", entry->label);
    status = enter(entry->hook, g);
    return status.outcome == RAISED ? greenlet_raise(&status.raised) : 0;
}

/* Made equal (e): one that has not begun and is thrown into, or whose run
 * cannot be called, is traced without the body. */
int trace_body(enum greenlet_event what, struct greenlet *origin,
               struct greenlet *target, void *body)
{
    struct entry *entry = entry_of(target);
    struct status status;

    event("trace %s %s->%s", what == GREENLET_THREW ? "throw" : "switch",
          label_of(origin), label_of(target));
    if (target != greenlet_current())
        event("the tracer runs elsewhere");
    if (!entry->begun && (what == GREENLET_THREW || entry->unable))
        return 0;
    entry->begun = true;
    greenlet_ref(origin);
    status = enter(body, origin);
    greenlet_unref(origin);
    return status.outcome == RAISED ? greenlet_raise(&status.raised) : 0;
}

void sweep(void)
{
    greenlet_settrace(NULL, NULL, NULL);
    drop_slots(false);
    for (struct entry *entry = world->entries; entry != NULL;
         entry = entry->next) {
        struct greenlet *g = entry->g;
        struct status status;
        void *value = NULL;
        int rc;

        if (g == NULL || !greenlet_active(g))
            continue;
        greenlet_ref(g);
        say("sweep %s", entry->label);
        rc = greenlet_throw(g, NULL, &value);
        status = switched(rc, value);
        greenlet_exception_clear(&status.raised);
        greenlet_unref(g);
    }
    greenlet_set_context(world->main, NULL);
    snapshot();
}
