/* start.c - the beginning and the end of a greenlet's body
 *
 * Both ends are where others are called: the hook that finds the body, the
 * destroy functions of closures.  Each may switch, so each is followed by a
 * second look at what is still true. */
#include "context/switch.h"
#include "context/testhook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int greenlet_not_callable(void *value, void **result)
{
    (void)value;
    (void)result;
    return greenlet__fail(-EINVAL, &greenlet_type_class,
                          "object is not callable");
}

/* ---- the body ---- */

void greenlet__drop_closure(struct greenlet *g)
{
    void (*destroy)(void *) = g->destroy_closure;

    if (!(g->has & HAS_CLOSURE))
        return;
    g->has &= (uint8_t)~HAS_CLOSURE;
    if (destroy != NULL)
        destroy(g->closure);
}

void greenlet__drop_unused(struct greenlet *g)
{
    void (*destroy)(void *) = g->destroy_unused;

    if (likely(!(g->has & HAS_UNUSED)))
        return;
    g->has &= (uint8_t)~HAS_UNUSED;
    if (destroy != NULL)
        destroy(g->unused);
}

static struct greenlet_callable callable_of(const struct greenlet *g)
{
    struct greenlet_callable callable = { g->run, NULL, NULL };

    if (g->has & HAS_CLOSURE) {
        callable.closure = g->closure;
        callable.destroy = g->destroy_closure;
    }
    return callable;
}

static bool same_callable(const struct greenlet_callable *a,
                          const struct greenlet_callable *b)
{
    return a->run == b->run && a->closure == b->closure &&
           a->destroy == b->destroy;
}

void greenlet__discard_body(const struct greenlet *g,
                            const struct greenlet_callable *body)
{
    const struct greenlet_callable set = callable_of(g);

    if (!same_callable(&set, body) && body->destroy != NULL)
        body->destroy(body->closure);
}

static __attribute__((noinline)) int ask_hook(struct greenlet__thread *self,
                                              struct greenlet *g,
                                              struct greenlet_callable *body,
                                              bool *gone)
{
    const struct greenlet_callable before = *body;
    bool changed;
    int rc;

    greenlet_ref(g); /* the hook may drop the last one */
    rc = g->type->resolve_run(g, body);
    if (rc > 0)
        rc = 0; /* only a negative one says no */
    changed = rc == 0 && !same_callable(body, &before);
    *gone = greenlet__read(g->refs) == 1;
    if (rc < 0 && rc != -ENODATA && greenlet_caught_peek() == NULL)
        greenlet__fail(rc, &greenlet_error_class, "looking up run failed");
    if (rc == 0 && !*gone && g->state == GREENLET_NEW &&
        greenlet__tree_of(g) == self) {
        if (!changed) /* what is set, as it is now */
            *body = callable_of(g);
    } else {
        if (changed && body->destroy != NULL)
            body->destroy(body->closure);
        rc = rc < 0 ? rc : 1; /* what it raised, be g what it may: a kill, say */
    }
    greenlet_unref(g);
    return rc;
}

int greenlet__resolve(struct greenlet__thread *self, struct greenlet *g,
                      struct greenlet_callable *body, bool *gone)
{
    int rc = 0;

    *gone = false;
    *body = callable_of(g);
    if (unlikely(g->type != NULL && g->type->resolve_run != NULL))
        rc = ask_hook(self, g, body, gone);
    if (rc == 0 && unlikely(body->run == NULL))
        rc = greenlet__fail(-ENODATA, &greenlet_attribute_class, "run");
    return rc;
}

/* A callable that the hook gave takes the place of what was set; that one is
 * destroyed on the greenlet's own stack, before the body begins (G-048). */
static __attribute__((noinline)) void
replace_callable(struct greenlet *g, const struct greenlet_callable *body)
{
    if (g->has & HAS_CLOSURE) {
        g->unused = g->closure;
        g->destroy_unused = g->destroy_closure;
        g->has |= HAS_UNUSED;
    }
    g->closure = body->closure;
    g->destroy_closure = body->destroy;
    g->has |= HAS_CLOSURE;
    g->run = body->run;
}

/* ---- the end ---- */

static _Noreturn void no_heir(const struct greenlet *self)
{
    char text[128];

    greenlet_describe(self, text, sizeof text);
    fprintf(stderr, "vireo: ran out of parent greenlets: %s\n", text);
    abort();
}

static void replace_by_raised(struct greenlet *self, int rc,
                              struct greenlet__cargo *cargo)
{
    struct greenlet_exception raised;

    greenlet__take_raised(self, rc, &raised);
    greenlet__cargo_clear(cargo);
    cargo->kind = ARRIVES_THROWN;
    cargo->record = raised;
}

/* The first ancestor that accepts what self ends with.  A new one is started: by
 * a value its body runs (G-030), by a record it dies on the spot (G-066).  If it
 * cannot be, why not is what the next one gets (G-031).  Hooks may give self
 * another parent, and a kill does (G-086, G-088).  A loop, so that any length of
 * chain needs no stack (G-034). */
static struct greenlet *find_heir(struct greenlet *self,
                                  struct greenlet__cargo *cargo)
{
    struct greenlet *heir = self->parent, *first = heir;
    struct greenlet_callable body;

    while (heir != NULL && (heir = greenlet__living(heir)) != NULL) {
        int rc = greenlet__same_tree(greenlet__read(self->thread), heir);
        bool gone = false;

        if (unlikely(greenlet__read(self->thread)->special & SPECIAL_TESTED) &&
            GREENLET__SWITCH_FAILS())
            rc = greenlet__fail(-ENOSYS, &greenlet_system_class,
                                "Failed to switch stacks at the end.");
        if (rc == 0 && greenlet__is_active(heir))
            return heir;
        if (rc == 0)
            rc = greenlet__resolve(greenlet__read(self->thread), heir, &body,
                                   &gone);
        if (rc == 0 && self->parent == first) {
            greenlet__start(heir, &body);
            return heir;
        }
        if (rc < 0) {
            if (!gone)
                heir = greenlet__parent_of(heir);
            replace_by_raised(self, rc, cargo);
        } else if (rc == 0) {
            greenlet__discard_body(heir, &body);
        }
        if (rc > 0 || gone || self->parent != first)
            heir = first = self->parent; /* a hook saw to it, or a kill */
    }
    no_heir(self);
}

/* What the body left behind: a value, an exit that becomes one (G-025), or a
 * record. */
static void pack_result(struct greenlet *self, int rc, void *value,
                        struct greenlet__cargo *cargo)
{
    cargo->kind = 0;
    cargo->value = value;
    if (likely(rc == 0))
        return;
    if (rc > 0)
        rc = -EIO; /* no errno of ours, and no value */
    greenlet__take_raised(self, rc, &cargo->record);
    cargo->kind = ARRIVES_THROWN;
    if (greenlet_class_is(cargo->record.cls, &greenlet_exit_class)) {
        cargo->kind = ARRIVES_EXIT;
        cargo->value = cargo->record.payload;
    }
}

/* What nobody took goes with the body, while there is a stack to do it on. */
static void drop_leftovers(struct greenlet *self)
{
    struct greenlet_exception caught;

    if (self->has & HAS_MORE)
        greenlet__run_deferred(self);
    greenlet__drop_closure(self);
    greenlet_message_free(greenlet_received());
    if ((self->has & HAS_CAUGHT) && greenlet_caught(&caught))
        greenlet_exception_clear(&caught);
}

/* Who ends without anything special, under a parent that waits. */
static inline bool ends_plainly(const struct greenlet *self, int rc)
{
    const struct greenlet *parent = self->parent;

    return rc == 0 && ((unsigned)self->has | self->arrival) == 0 &&
           greenlet__read(self->thread)->special == 0 &&
           parent->state == GREENLET_ACTIVE &&
           greenlet__read(parent->thread) == greenlet__read(self->thread) &&
           greenlet__read(self->refs) != 0;
}

static __attribute__((noinline, noreturn)) void
end_specially(struct greenlet *self, int rc, void *value)
{
    struct greenlet__cargo cargo;
    struct greenlet *heir;

    pack_result(self, rc, value, &cargo);
    if (unlikely((self->has & (HAS_CLOSURE | HAS_CAUGHT | HAS_MORE)) != 0 ||
                 self->arrival != 0))
        drop_leftovers(self);
    heir = find_heir(self, &cargo);
    greenlet__load(self, heir, &cargo);
    greenlet__leave(heir);
}

/* The body, with what has come for it; or without, if that was a record. */
static __attribute__((noinline, noreturn)) void
run_specially(struct greenlet *self)
{
    struct greenlet__cargo cargo;
    void *value = NULL;
    int rc = greenlet__arrive(self, &cargo);

    rc = greenlet__deliver(self, &cargo, rc, &self->value);
    if (rc == 0) /* else: thrown into, the body never runs (G-066) */
        rc = self->run(self->value, &value);
    end_specially(self, rc, value);
}

void greenlet__run(struct greenlet *self)
{
    void *value = NULL;
    int rc;

    if (unlikely(self->arrival != 0 || self->has != 0))
        run_specially(self);
    rc = self->run(self->value, &value);
    if (likely(ends_plainly(self, rc))) {
        struct greenlet *parent = self->parent;

        parent->value = value;
        greenlet__leave_in(greenlet__read(self->thread), self, parent);
    }
    end_specially(self, rc, value);
}

void greenlet__start_plainly(struct greenlet__thread *self, struct greenlet *g)
{
    self->started = 1;
    greenlet__write(g->thread, self);
    greenlet__prepare(g, g, greenlet__run);
}

void greenlet__start(struct greenlet *g, const struct greenlet_callable *body)
{
    const struct greenlet_callable set = callable_of(g);

    if (unlikely(!same_callable(&set, body)))
        replace_callable(g, body);
    greenlet__start_plainly(greenlet__word, g);
}
