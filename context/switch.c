/* switch.c - switch and throw: who may, who is meant, what is sent
 *
 * What is sent lies in the target's own fields until the target runs, and there
 * it is taken into locals before anybody else can be called: destroy functions,
 * tracers and hooks may switch (G-049, G-050).  The check of the thread comes
 * before anything is stored (G-144). */
#include "context/switch.h"
#include "context/testhook.h"
#include "context/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void greenlet__cargo_clear(struct greenlet__cargo *cargo)
{
    if (cargo->kind & (ARRIVES_THROWN | ARRIVES_EXIT))
        greenlet_exception_clear(&cargo->record);
    if (cargo->kind & ARRIVES_MESSAGE)
        greenlet_message_free(cargo->value);
    cargo->kind = 0;
    cargo->value = NULL;
}

/* ---- who is meant, and who may ---- */

static struct greenlet__thread *tree_of_new(const struct greenlet *g)
{
    const struct greenlet *parent;

    while (greenlet__read(g->state) == GREENLET_NEW &&
           (parent = greenlet__read(g->parent)) != NULL)
        g = parent;
    return greenlet__read(g->thread);
}

/* The ancestors of a new one may be given up meanwhile by another thread, whose
 * it is; not so while the lock is held: see greenlet__set_parent(). */
struct greenlet__thread *greenlet__tree_of(const struct greenlet *g)
{
    struct greenlet__thread *tree;

    if (likely(greenlet__read(g->state) != GREENLET_NEW))
        return greenlet__read(g->thread);
    if (__libc_single_threaded)
        return tree_of_new(g);
    pthread_mutex_lock(&greenlet__threads_lock);
    tree = tree_of_new(g);
    pthread_mutex_unlock(&greenlet__threads_lock);
    return tree;
}

static bool has_ended(const struct greenlet *g)
{
    return greenlet__read(g->state) >= GREENLET_LEAVING;
}

void (*greenlet__unpark)(struct greenlet *g, int error);
void (*greenlet__hub_gone)(struct greenlet *g);

struct greenlet *greenlet__parent_of(const struct greenlet *g)
{
    const struct greenlet__thread *thread = greenlet__read(g->thread);

    if (g->parent != NULL || g->is_main)
        return g->parent;
    if (thread->os != NULL && thread->os->loop != NULL &&
        thread->os->loop != g)
        return thread->os->loop;
    return (struct greenlet *)&thread->main;
}

struct greenlet *greenlet__living(struct greenlet *g)
{
    while (g != NULL && has_ended(g))
        g = greenlet__parent_of(g);
    return g;
}

static int fail_other_thread(struct greenlet__thread *self,
                             struct greenlet__thread *other)
{
    enum { SIZE = 160 };
    struct greenlet_exception record = {
        .cls = &greenlet_error_class,
        .error = -EXDEV,
        .text = "Cannot switch to a different thread",
        .origin = __builtin_return_address(0)
    };
    char *text = greenlet__malloc(SIZE);

    if (text != NULL) {
        snprintf(text, SIZE,
                 "Cannot switch to a different thread\n\tCurrent:  "
                 "<greenlet %p main>\n\tExpected: <greenlet %p main>",
                 (void *)&self->main, (void *)&other->main);
        record.text = record.payload = text;
        record.destroy = free;
    }
    greenlet__set_caught(self->current, &record);
    return -EXDEV;
}

static __attribute__((noinline, cold)) int
refuse(struct greenlet__thread *self, const struct greenlet *g,
       struct greenlet__thread *tree)
{
    if (greenlet__read(g->state) == GREENLET_FREED)
        return greenlet__fail(-ESRCH, &greenlet_error_class,
                              "cannot switch to a garbage collected greenlet");
    if (tree == &greenlet__gone || greenlet__read(tree->exited))
        return greenlet__fail(-ESRCH, &greenlet_error_class,
                              "cannot switch to a different thread (which "
                              "happens to have exited)");
    return fail_other_thread(self, tree);
}

int greenlet__same_tree(struct greenlet__thread *self,
                        const struct greenlet *g)
{
    struct greenlet__thread *tree = greenlet__tree_of(g);

    if (likely(tree == self && greenlet__read(g->state) != GREENLET_FREED))
        return 0;
    return refuse(self, g, tree);
}

static int may_switch(struct greenlet__thread *self, const struct greenlet *g)
{
    int rc = greenlet__same_tree(self, g);

    if (rc < 0)
        return rc;
    if (likely((self->special & (SPECIAL_SIGNAL | SPECIAL_FINALIZED)) == 0))
        return 0;
    if (self->special & SPECIAL_SIGNAL)
        return -EDEADLK;
    return greenlet__fail(-ESHUTDOWN, &greenlet_error_class,
                          "greenlet is being finalized");
}

/* ---- sending and arriving ---- */

/* Who sent it must live until the tracer has seen it; and a running greenlet
 * whose last reference went is held by running alone (G-051).  Both are given up
 * by whom it runs. */
static void note_origin(struct greenlet *from, struct greenlet *target)
{
    bool traced = (greenlet__read(from->thread)->special & SPECIAL_TRACED) != 0;
    bool dropped = greenlet__read(from->refs) == 0 && from != target;

    if (likely(!traced && !dropped))
        return;
    greenlet__read(from->thread)->special &= (uint8_t)~SPECIAL_DROPPED;
    target->origin = greenlet_ref(from);
    target->arrival |= ARRIVES_DROP;
    if (traced)
        target->arrival |= ARRIVES_TRACED;
}

void greenlet__load(struct greenlet *from, struct greenlet *target,
                    const struct greenlet__cargo *cargo)
{
    if (unlikely(target->state == GREENLET_WAITING))
        greenlet__unpark(target, cargo->kind & ARRIVES_THROWN
                                     ? greenlet__error_of(&cargo->record)
                                     : 0);
    target->value = cargo->value;
    target->arrival |= cargo->kind;
    if (cargo->kind & (ARRIVES_THROWN | ARRIVES_EXIT))
        target->transit = cargo->record;
    note_origin(from, target);
}

int greenlet__arrive(struct greenlet *self, struct greenlet__cargo *cargo)
{
    uint8_t flags = self->arrival;
    struct greenlet *origin = self->origin;
    struct greenlet_message *before = self->received;
    struct greenlet_exception raised;
    int rc = 0;

    self->arrival = 0;
    cargo->value = self->value;
    cargo->kind = flags & (ARRIVES_THROWN | ARRIVES_EXIT | ARRIVES_MESSAGE);
    if (flags & (ARRIVES_THROWN | ARRIVES_EXIT))
        cargo->record = self->transit;
    if (unlikely(flags & RECEIVED_BEFORE))
        greenlet_message_free(before);
    greenlet__drop_unused(self);
    if (flags & ARRIVES_TRACED)
        rc = greenlet__trace(greenlet__read(self->thread),
                             flags & ARRIVES_THROWN ? GREENLET_THREW
                                                    : GREENLET_SWITCHED,
                             origin, self, &raised);
    if (flags & ARRIVES_DROP)
        greenlet_unref(origin);
    if (unlikely(rc < 0)) { /* G-136: in place of what was sent */
        greenlet__cargo_clear(cargo);
        cargo->kind = ARRIVES_THROWN;
        cargo->record = raised;
    }
    return cargo->kind & ARRIVES_THROWN ? greenlet__error_of(&cargo->record)
                                        : 0;
}

/* A message of one value by position looks like that value to who does not ask
 * for the message. */
static void *plain_value(const struct greenlet_message *message)
{
    if (greenlet_message_shape(message) == GREENLET_SINGLE)
        return greenlet_message_at(message, 0);
    return (void *)message;
}

int greenlet__deliver(struct greenlet *self, struct greenlet__cargo *cargo,
                      int rc, void **result)
{
    void *value = cargo->value;

    if (cargo->kind & (ARRIVES_THROWN | ARRIVES_EXIT))
        greenlet__set_caught(self, &cargo->record);
    if (cargo->kind & ARRIVES_MESSAGE) {
        struct greenlet_message *before =
            self->arrival & RECEIVED_BEFORE ? self->received : NULL;

        self->received = cargo->value;
        self->arrival |= RECEIVED_BEFORE;
        value = plain_value(cargo->value);
        greenlet_message_free(before); /* of a switch made by the tracer */
    }
    if (rc == 0 && result != NULL)
        *result = value;
    return rc;
}

static __attribute__((noinline, cold)) int receive_cold(struct greenlet *self,
                                                        void **result)
{
    struct greenlet__cargo cargo;
    int rc = greenlet__arrive(self, &cargo);

    return greenlet__deliver(self, &cargo, rc, result);
}

/* ---- the public calls ---- */

static int fail_injected(const struct greenlet *target)
{
    return greenlet__fail(
        -ENOSYS, &greenlet_system_class,
        target->state == GREENLET_NEW
            ? "Failed to switch stacks into a greenlet for the first time."
            : "Failed to switch stacks into a running greenlet.");
}

/* Into a dead one an exit is a value at once (G-068); not so into one that a
 * hook ends on the way. */
static void choose_kind(const struct greenlet *g, struct greenlet__cargo *cargo)
{
    bool quiet = greenlet_class_is(cargo->record.cls, &greenlet_exit_class);

    if (quiet && has_ended(g)) {
        cargo->kind = ARRIVES_EXIT;
        cargo->value = cargo->record.payload;
    } else {
        cargo->kind = ARRIVES_THROWN;
        cargo->value = NULL;
    }
}

/* g was held while hooks ran, and what other threads had dropped was killed: any
 * of them may have given up all other references.  Then running is what keeps g
 * (G-051).  False: it stood for an ancestor, and is gone. */
static bool let_go(struct greenlet *g, const struct greenlet *target)
{
    if (likely(!greenlet__drop_reference(g)) || g == target)
        return true;
    greenlet__write(g->refs, 1);
    greenlet_unref(g);
    return false;
}

/* Whom a switch to g reaches, with what body if it is new.  Returns 0 or a
 * negative errno. */
static int find_target(struct greenlet__thread *self, struct greenlet *g,
                       struct greenlet **target,
                       struct greenlet_callable *body)
{
    bool gone;
    int rc;

    do { /* a hook may have started it, or moved it: look again (G-045) */
        rc = may_switch(self, g);
        *target = rc == 0 ? greenlet__living(g) : NULL;
        if (*target != NULL && (self->special & SPECIAL_TESTED) &&
            GREENLET__SWITCH_FAILS())
            rc = fail_injected(*target);
        else if (*target != NULL && (*target)->state == GREENLET_NEW)
            rc = greenlet__resolve(self, *target, body, &gone);
    } while (rc > 0);
    return rc;
}

/* Everything but the fast path.  The cargo is given. */
static __attribute__((noinline)) int send(struct greenlet *g,
                                          struct greenlet__cargo *cargo,
                                          void **result)
{
    struct greenlet__thread *self = greenlet__thread_self();
    struct greenlet_callable body;
    struct greenlet *target = NULL, *current;
    int rc = 0;

    if (unlikely(self->special & SPECIAL_SIGNAL))
        rc = -EDEADLK; /* no record: that of whom it interrupts stays (G-147) */
    else if (unlikely(greenlet__read(g->state) == GREENLET_FREED))
        rc = refuse(self, g, self);
    else
        greenlet_ref(g);
    if (unlikely(rc == 0 && (greenlet__read(self->drop_queue) != NULL ||
                             greenlet__read(greenlet__attention) != 0 ||
                             (self->special & SPECIAL_UNUSED))))
        greenlet__maintain(self);
    if (rc == 0) {
        if (cargo->kind & ARRIVES_THROWN)
            choose_kind(g, cargo);
        rc = find_target(self, g, &target, &body);
        if (!let_go(g, rc == 0 ? target : NULL) && rc == 0) {
            if (target->state == GREENLET_NEW)
                greenlet__discard_body(target, &body);
            rc = greenlet__fail(-ESRCH, &greenlet_error_class,
                                "cannot switch to a garbage collected "
                                "greenlet");
        }
    }
    if (rc < 0) {
        greenlet__cargo_clear(cargo);
        return rc;
    }
    if (target->state == GREENLET_NEW)
        greenlet__start(target, &body);
    current = self->current;
    greenlet__load(current, target, cargo);
    if (unlikely(greenlet__read(target->refs) == 0))
        self->special |= SPECIAL_DROPPED;
    if (target != current)
        greenlet__jump_from(self, current, self, target);
    return receive_cold(current, result);
}

/* After a switch without cargo: here is what came, if it came without, too. */
static inline int receive(struct greenlet *current, void **result)
{
    if (unlikely(current->arrival != 0))
        return receive_cold(current, result);
    if (result != NULL)
        *result = current->value;
    return 0;
}

/* Where the process has a tool or C++, and nothing else is special. */
static GREENLET__SWITCHES __attribute__((noinline)) int
switch_with_tools(struct greenlet *g, void *value, void **result)
{
    struct greenlet__thread *self = greenlet__word;
    struct greenlet *current = self->current;

    g->value = value;
    greenlet__jump_from(self, current, self, g);
    return receive(current, result);
}

/* A new one of this thread's making to which nothing special happens: no hook, no
 * closure, and a parent that says at once whose it is. */
static inline bool starts_plainly(const struct greenlet__thread *self,
                                  const struct greenlet *g)
{
    return self != NULL && greenlet__read(g->thread) == self &&
           greenlet__read(g->state) == GREENLET_NEW && g->type == NULL &&
           ((unsigned)g->has | self->special) == 0 && g->run != NULL &&
           g->parent->state == GREENLET_ACTIVE &&
           greenlet__read(g->parent->thread) == self &&
           greenlet__read(self->drop_queue) == NULL &&
           greenlet__read(greenlet__attention) == 0;
}

static GREENLET__SWITCHES __attribute__((noinline)) int
switch_to_new(struct greenlet *g, void *value, void **result)
{
    struct greenlet__thread *self = greenlet__word;
    struct greenlet *current = self->current;

    g->value = value;
    if (unlikely(self->tools != 0)) {
        greenlet__start_plainly(self, g);
        greenlet__jump_from(self, current, self, g);
    } else {
        greenlet__arrived(greenlet__jump_new(self, current, g));
    }
    return receive(current, result);
}

static __attribute__((noinline)) int switch_slowly(struct greenlet *g,
                                                   void *value, void **result)
{
    struct greenlet__thread *self = greenlet__word;
    struct greenlet__cargo cargo;

    if (self != NULL && greenlet__read(g->thread) == self &&
        greenlet__read(g->state) == GREENLET_ACTIVE && self->special == 0 &&
        g != self->current)
        return switch_with_tools(g, value, result);
    if (likely(starts_plainly(self, g)))
        return switch_to_new(g, value, result);
    cargo.value = value;
    cargo.kind = 0;
    return send(g, &cargo, result);
}

/* The frequent case alone, so that it needs few registers to be saved.  Who is
 * suspended here has no tool to tell when it runs again: `slow` was 0.  A thread
 * without an identity (self NULL) owns no greenlet. */
GREENLET__SWITCHES int greenlet_switch(struct greenlet *g, void *value,
                                       void **result)
{
    struct greenlet__thread *self = greenlet__word;
    struct greenlet *current;

    if (unlikely(greenlet__read(g->thread) != self ||
                 g->state != GREENLET_ACTIVE || self->slow != 0 ||
                 g == self->current))
        return switch_slowly(g, value, result);
    current = self->current;
    g->value = value;
    greenlet__arrived(greenlet__jump_bare(self, current, self, g));
    return receive(current, result);
}

int greenlet_switch_message(struct greenlet *g,
                            struct greenlet_message *message, void **result)
{
    struct greenlet__cargo cargo = { .value = message,
                                     .kind = ARRIVES_MESSAGE };

    if (message == NULL && (greenlet__thread_self()->special & SPECIAL_SIGNAL))
        return -EDEADLK; /* which allocates nothing */
    if (message == NULL && (cargo.value = greenlet_message_new()) == NULL)
        return greenlet__fail(-ENOMEM, &greenlet_memory_class, "no memory");
    return send(g, &cargo, result);
}

static int throw_record(struct greenlet *g, struct greenlet_exception *record,
                        const void *origin, void **result)
{
    struct greenlet__cargo cargo;

    if (record->origin == NULL)
        record->origin = origin;
    cargo.record = *record;
    cargo.kind = ARRIVES_THROWN;
    cargo.value = NULL;
    return send(g, &cargo, result);
}

int greenlet_throw(struct greenlet *g,
                   const struct greenlet_exception *exception, void **result)
{
    struct greenlet_exception record = { .cls = &greenlet_exit_class };

    if (exception != NULL)
        record = *exception;
    if (record.cls == NULL) {
        greenlet_exception_clear(&record);
        return greenlet__fail(-EINVAL, &greenlet_type_class,
                              "exceptions must be classes, or instances");
    }
    return throw_record(g, &record, __builtin_return_address(0), result);
}

/* The instance, or a record of cls whose cause it is (G-061).  0 or -ENOMEM. */
static int from_instance(const struct greenlet_throw_form *form,
                         struct greenlet_exception *record)
{
    if (form->cls == NULL ||
        greenlet_class_is(form->instance->cls, form->cls)) {
        *record = *form->instance;
        return 0;
    }
    record->cls = form->cls;
    record->cause = greenlet__malloc(sizeof *record->cause);
    if (record->cause == NULL)
        return -ENOMEM;
    *record->cause = *form->instance;
    return 0;
}

int greenlet_throw_as(struct greenlet *g,
                      const struct greenlet_throw_form *form, void **result)
{
    struct greenlet_exception record = { 0 }, instance = { 0 };
    int rc = 0;

    if (form->instance != NULL) {
        instance = *form->instance;
        if (form->payload != NULL || instance.cls == NULL)
            rc = greenlet__fail(
                -EINVAL, &greenlet_type_class,
                instance.cls == NULL
                    ? "exceptions must be classes, or instances"
                    : "instance exception may not have a separate value");
        else if (from_instance(form, &record) < 0)
            rc = greenlet__fail(-ENOMEM, &greenlet_memory_class, "no memory");
        if (rc < 0)
            greenlet_exception_clear(&instance);
    } else {
        record.cls = form->cls != NULL ? form->cls : &greenlet_exit_class;
        record.payload = form->payload;
        record.destroy = form->destroy;
        if (form->cls == NULL && form->payload != NULL)
            rc = greenlet__fail(-EINVAL, &greenlet_type_class,
                                "exceptions must be classes, or instances");
    }
    if (rc < 0) {
        if (form->destroy != NULL)
            form->destroy(form->payload);
        return rc;
    }
    if (record.origin == NULL)
        record.origin = form->origin;
    return throw_record(g, &record, __builtin_return_address(0), result);
}

/* ---- kill ---- */

/* A kill is not a switch of the dropper's own: the message that it has not yet
 * taken from its last one stays (greenlet_received()). */
static struct greenlet_message *put_aside(struct greenlet *dropper)
{
    if (likely(!(dropper->arrival & RECEIVED_BEFORE)))
        return NULL;
    dropper->arrival &= (uint8_t)~RECEIVED_BEFORE;
    return dropper->received;
}

static void put_back(struct greenlet *dropper, struct greenlet_message *message)
{
    struct greenlet_message *since;

    if (likely(message == NULL))
        return;
    since = greenlet_received(); /* of a switch made by the tracer */
    dropper->received = message;
    dropper->arrival |= RECEIVED_BEFORE;
    greenlet_message_free(since);
}

/* G-088: the parent it had before, whatever it has set meanwhile; but not if that
 * has become its child.  Upstream makes a circle then, and searches it for ever. */
static struct greenlet *restore_parent(struct greenlet *g,
                                       struct greenlet *parent)
{
    struct greenlet *meanwhile = g->parent;

    if (unlikely(greenlet__word->reparented) && parent != NULL &&
        greenlet__is_ancestor(g, parent))
        return parent;
    greenlet__set_parent(g, parent);
    return meanwhile;
}

void greenlet__kill(struct greenlet *g)
{
    static const struct greenlet_exception quit = { .cls =
                                                        &greenlet_exit_class };
    struct greenlet__thread *self = greenlet__word;
    struct greenlet *dropper = self->current, *parent = g->parent, *other;
    struct greenlet__cargo cargo = { .kind = ARRIVES_THROWN, .record = quit };
    struct greenlet_message *message = put_aside(dropper);
    uint8_t reparented = self->reparented;
    int rc;

    self->reparented = 0;
    greenlet__write(g->refs, 1);
    greenlet__set_parent(g, greenlet_ref(dropper));
    greenlet__load(dropper, g, &cargo);
    greenlet__jump_from(self, dropper, self, g);
    rc = greenlet__arrive(dropper, &cargo);
    other = restore_parent(g, parent);
    self->reparented |= reparented;
    if (rc < 0) { /* G-097 */
        greenlet__unraisable(g, &cargo.record);
        cargo.kind = 0;
    }
    greenlet__cargo_clear(&cargo);
    put_back(dropper, message);
    if (other != NULL)
        greenlet_unref(other);
}
