/* greenlet.c - what a greenlet is: making, counting, switching, ending
 *
 * The clauses are those of the conformance cases (G-...); their meaning is
 * greenlet's.  Values and thrown records travel in the target's own fields:
 * the check of the thread comes before they are stored (G-144). */
#include "context/switch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct greenlet_class greenlet_exit_class = { "GreenletExit", NULL,
                                                    -ECANCELED };
const struct greenlet_class greenlet_error_class = { "error", NULL, -EIO };

void greenlet__entry(struct greenlet__transfer transfer);
_Noreturn void greenlet__first(struct greenlet__transfer transfer);

static void drop_queued(struct greenlet__thread *self);

bool greenlet_class_is(const struct greenlet_class *cls,
                       const struct greenlet_class *of)
{
    while (cls != NULL && cls != of)
        cls = cls->base;
    return cls != NULL;
}

/* ---- thrown records ---- */

static void discard_thrown(struct greenlet *g)
{
    if (g->has_thrown == THROWN_NONE)
        return;
    g->has_thrown = THROWN_NONE;
    if (g->thrown.destroy != NULL)
        g->thrown.destroy(g->thrown.payload);
}

static void give_thrown(struct greenlet *to,
                        const struct greenlet_exception *exception, int error)
{
    discard_thrown(to);
    to->thrown = *exception;
    to->thrown_error = error;
    to->has_thrown = THROWN_TRANSIT;
}

bool greenlet_caught(struct greenlet_exception *exception)
{
    struct greenlet *current = greenlet_current();

    if (current->has_thrown != THROWN_CAUGHT)
        return false;
    *exception = current->thrown;
    current->has_thrown = THROWN_NONE;
    return true;
}

static __attribute__((noinline, cold)) int receive_cold(struct greenlet *self)
{
    self->has_thrown = THROWN_CAUGHT;
    return self->thrown_error;
}

/* What the switch that `self` waited in delivers, now that it runs again. */
static int receive(struct greenlet *self, void **result)
{
    if (unlikely(self->has_thrown == THROWN_TRANSIT))
        return receive_cold(self);
    if (result != NULL)
        *result = self->value;
    return 0;
}

/* ---- making and freeing ---- */

/* In pieces that become a few stores each: gcc makes `rep stos` of the whole,
 * which takes longer to start than the rest of a spawn. */
static inline void clear(struct greenlet *g)
{
    char *at = (char *)g;
    size_t left = sizeof *g;

    for (; left >= 64; left -= 64, at += 64) {
        memset(at, 0, 64);
        __asm__ volatile("" : : "r"(at) : "memory");
    }
    memset(at, 0, sizeof *g % 64);
}

struct greenlet *greenlet__make(size_t stack_size)
{
    struct greenlet__thread *self = greenlet__thread_self();
    struct greenlet__slot slot;
    struct greenlet *g;
    size_t size = stack_size != 0 ? stack_size : GREENLET__STACK_DEFAULT;

    if (size < GREENLET__STACK_MIN)
        size = GREENLET__STACK_MIN;
    if (greenlet__slot_take(&self->os->pool, size, 4096, &slot) < 0)
        return NULL;
    g = (struct greenlet *)(((uintptr_t)slot.base + slot.size - sizeof *g) &
                            ~(uintptr_t)63);
    clear(g);
    g->slot = slot;
    g->thread = self;
    g->refs = 1;
    self->os->live++;
    return g;
}

void greenlet__prepare(struct greenlet *g, void *top,
                       void (*entry)(struct greenlet *g))
{
    char *bottom = g->slot.base + g->slot.guard;

    greenlet__asan_fresh(bottom, top);
    g->entry = entry;
    g->state = GREENLET_ACTIVE;
    g->context =
        make_fcontext(top, (size_t)((char *)top - bottom), greenlet__entry);
}

void greenlet__free(struct greenlet *g)
{
    struct greenlet__os *os = greenlet__word->os;
    struct greenlet__slot slot = g->slot;
    struct greenlet *parent = g->parent;

    if (unlikely(g->has_thrown != THROWN_NONE))
        discard_thrown(g);
    if (unlikely(g->destroy_userdata != NULL))
        g->destroy_userdata(g->userdata);
    os->live--;
    greenlet__slot_give(&os->pool, &slot);
    if (parent != NULL)
        greenlet_unref(parent);
}

_Noreturn void greenlet__first(struct greenlet__transfer transfer)
{
    struct greenlet *self;

    greenlet__asan_finish(NULL);
    greenlet__arrived(transfer);
    self = greenlet__word->current;
    self->entry(self);
    abort(); /* an entry never returns */
}

_Noreturn void greenlet__leave(struct greenlet *to)
{
    struct greenlet *self = greenlet__word->current;

    self->state = GREENLET_LEAVING;
    greenlet__jump(self, to);
    abort(); /* nobody resumes a greenlet that left */
}

__attribute__((cold)) void greenlet__left(struct greenlet *g)
{
    g->state = GREENLET_DEAD;
    if (g->on_left != NULL)
        g->on_left(g);
}

/* ---- ending ---- */

static void api_left(struct greenlet *g)
{
    if (__atomic_load_n(&g->refs, __ATOMIC_ACQUIRE) == 0)
        greenlet__free(g);
}

static void run_body(struct greenlet *self);

static void start(struct greenlet *g)
{
    g->thread = greenlet__word;
    g->on_left = api_left;
    greenlet__prepare(g, g, run_body);
}

/* The first ancestor that accepts what `self` ends with.  New parents are
 * started by a value (G-030) if they can be (G-031) and killed by a record
 * (G-066, G-068); a loop, so that any length of chain needs no stack (G-034). */
static struct greenlet *heir_of(struct greenlet *self,
                                const struct greenlet_exception *thrown)
{
    struct greenlet *heir = self->parent;

    for (; heir != NULL; heir = heir->parent) {
        if (heir->state == GREENLET_ACTIVE)
            return heir;
        if (heir->state != GREENLET_NEW)
            continue;
        if (thrown == NULL && heir->run != NULL) {
            start(heir);
            return heir;
        }
        if (thrown != NULL)
            heir->state = GREENLET_DEAD;
    }
    fputs("vireo: ran out of parent greenlets\n", stderr);
    abort();
}

/* Turn what the body left behind into one record in *out, or a value. */
static bool ended_by_throw(struct greenlet *self, int rc, void **value,
                           struct greenlet_exception *out, int *error)
{
    if (rc == 0)
        return false;
    if (self->has_thrown != THROWN_NONE && self->thrown_error == rc) {
        *out = self->thrown;
        self->has_thrown = THROWN_NONE;
    } else {
        *out = (struct greenlet_exception){ rc == -ECANCELED
                                                ? &greenlet_exit_class
                                                : &greenlet_error_class,
                                            NULL, NULL };
    }
    *error = rc;
    if (!greenlet_class_is(out->cls, &greenlet_exit_class))
        return true;
    *value = out->payload; /* G-025: the exit's object is the value */
    return false;
}

static void run_body(struct greenlet *self)
{
    struct greenlet_exception thrown;
    struct greenlet *heir;
    void *value = NULL;
    int error = 0;
    int rc = receive(self, NULL);

    if (rc == 0) /* else thrown into before it began: the body never runs */
        rc = self->run(self->value, &value);
    if (ended_by_throw(self, rc, &value, &thrown, &error)) {
        heir = heir_of(self, &thrown);
        give_thrown(heir, &thrown, error);
    } else {
        heir = heir_of(self, NULL);
        heir->value = value;
    }
    greenlet__leave(heir);
}

/* ---- the public surface ---- */

struct greenlet *greenlet_new(greenlet_run *run, struct greenlet *parent,
                              size_t stack_size)
{
    struct greenlet *current = greenlet_current();
    struct greenlet *g = greenlet__make(stack_size);

    if (g == NULL)
        return NULL;
    g->run = run;
    g->parent = greenlet_ref(parent != NULL ? parent : current);
    return g;
}

struct greenlet *greenlet_ref(struct greenlet *g)
{
    __atomic_add_fetch(&g->refs, 1, __ATOMIC_RELAXED);
    return g;
}

/* Throw the exit into a suspended greenlet whose last reference went, with the
 * dropper as its parent for the time being (G-088, G-095). */
static void kill_dropped(struct greenlet *g, struct greenlet *dropper)
{
    static const struct greenlet_exception quit = { &greenlet_exit_class, NULL,
                                                    NULL };
    struct greenlet *parent = g->parent;
    void *value = dropper->value;

    g->refs = 1;
    g->parent = dropper;
    give_thrown(g, &quit, -ECANCELED);
    greenlet__jump(dropper, g);
    dropper->value = value;
    if (dropper->has_thrown == THROWN_TRANSIT) { /* G-097 */
        fprintf(stderr, "vireo: a dropped greenlet ended by %s\n",
                dropper->thrown.cls->name);
        discard_thrown(dropper);
    }
    g->parent = parent;
    if (__atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return; /* resurrected (G-100) */
    if (g->state == GREENLET_ACTIVE)
        fputs("vireo: GreenletExit did not kill a dropped greenlet\n", stderr);
    else
        greenlet__free(g);
}

void greenlet_unref(struct greenlet *g)
{
    struct greenlet__thread *self;

    if (!greenlet__drop_reference(g) || g->is_main)
        return;
    self = greenlet__thread_self();
    if (unlikely(g->thread != self && g->state == GREENLET_ACTIVE)) {
        struct greenlet__thread *owner = g->thread; /* G-102 */

        g->next = __atomic_load_n(&owner->drop_queue, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&owner->drop_queue, &g->next, g,
                                            true, __ATOMIC_RELEASE,
                                            __ATOMIC_RELAXED))
            ;
        return;
    }
    if (g->state == GREENLET_ACTIVE && g != self->current)
        kill_dropped(g, self->current);
    else if (g->state != GREENLET_ACTIVE && g->state != GREENLET_LEAVING)
        greenlet__free(g);
}

static void drop_queued(struct greenlet__thread *self)
{
    struct greenlet *g =
        __atomic_exchange_n(&self->drop_queue, NULL, __ATOMIC_ACQUIRE);

    while (g != NULL) {
        struct greenlet *next = g->next;

        g->refs = 1;
        greenlet_unref(g);
        g = next;
    }
}

struct greenlet *greenlet_current(void)
{
    struct greenlet__thread *self = greenlet__thread_self();

    if (unlikely(self->drop_queue != NULL))
        drop_queued(self);
    return self->current;
}

/* Whose tree g belongs to: the main at the top of its chain (G-127). */
static struct greenlet__thread *tree_of(const struct greenlet *g)
{
    if (g->state == GREENLET_ACTIVE)
        return g->thread;
    while (g->parent != NULL)
        g = g->parent;
    return g->thread;
}

/* The greenlet that a switch to g really reaches: g or, for a dead one, the
 * first ancestor that is not (G-028). */
static struct greenlet *living(struct greenlet *g)
{
    while (g != NULL && (g->state == GREENLET_DEAD ||
                         g->state == GREENLET_LEAVING))
        g = g->parent;
    return g;
}

static int transfer(struct greenlet__thread *self, struct greenlet *target,
                    void **result)
{
    struct greenlet *current = self->current;

    if (target->state == GREENLET_NEW)
        start(target);
    if (target != current)
        greenlet__jump(current, target);
    return receive(current, result);
}

static int switch_slowly(struct greenlet__thread *self, struct greenlet *g,
                         void *value, void **result)
{
    struct greenlet *target;

    if (tree_of(g) != self)
        return -EXDEV;
    target = living(g);
    while (target != NULL && target->state == GREENLET_NEW &&
           target->run == NULL && target != g)
        target = living(target->parent);
    if (target == NULL || (target->state == GREENLET_NEW && !target->run))
        return -EINVAL;
    target->value = value;
    return transfer(self, target, result);
}

static __attribute__((noinline, cold)) int
switch_cold(struct greenlet *g, void *value, void **result)
{
    struct greenlet__thread *self = greenlet__thread_self();

    if (g->state != GREENLET_ACTIVE || g->thread != self)
        return switch_slowly(self, g, value, result);
    g->value = value; /* to itself (G-027) */
    return receive(self->current, result);
}

/* The frequent case alone, so that it needs few registers to be saved. */
GREENLET__SWITCHES int greenlet_switch(struct greenlet *g, void *value,
                                       void **result)
{
    struct greenlet__thread *self = greenlet__word;
    struct greenlet *current;

    if (unlikely(self == NULL || g->state != GREENLET_ACTIVE ||
                 g->thread != self || g == self->current))
        return switch_cold(g, value, result);
    current = self->current;
    g->value = value;
    greenlet__jump_same(current, g);
    if (unlikely(current->has_thrown == THROWN_TRANSIT))
        return receive_cold(current);
    if (result != NULL)
        *result = current->value;
    return 0;
}

int greenlet_throw(struct greenlet *g,
                   const struct greenlet_exception *exception, void **result)
{
    static const struct greenlet_exception quit = { &greenlet_exit_class, NULL,
                                                    NULL };
    struct greenlet__thread *self = greenlet__thread_self();
    struct greenlet *target = living(g);

    if (exception == NULL)
        exception = &quit;
    if (tree_of(g) != self)
        return -EXDEV;
    if (g->state == GREENLET_NEW && g->run == NULL)
        return -EINVAL;
    if (target != g && greenlet_class_is(exception->cls, &greenlet_exit_class))
        return switch_slowly(self, target, exception->payload, result);
    while (target->state == GREENLET_NEW && target != g) {
        target->state = GREENLET_DEAD; /* G-068: killed by it */
        target = living(target);
    }
    give_thrown(target, exception, exception->cls->error);
    return transfer(self, target, result);
}

struct greenlet *greenlet_parent(const struct greenlet *g)
{
    return g->parent;
}

int greenlet_set_parent(struct greenlet *g, struct greenlet *parent)
{
    const struct greenlet *at;
    struct greenlet *old = g->parent;

    if (g->is_main)
        return -EPERM;
    if (parent == NULL)
        return -EINVAL;
    for (at = parent; at != NULL; at = at->parent)
        if (at == g)
            return -ELOOP;
    if (g->state != GREENLET_NEW && tree_of(parent) != g->thread)
        return -EXDEV;
    g->parent = greenlet_ref(parent);
    if (old != NULL)
        greenlet_unref(old);
    return 0;
}

bool greenlet_dead(const struct greenlet *g)
{
    return g->state == GREENLET_DEAD || g->state == GREENLET_LEAVING;
}

bool greenlet_started(const struct greenlet *g)
{
    return g->state != GREENLET_NEW;
}

bool greenlet_active(const struct greenlet *g)
{
    return g->state == GREENLET_ACTIVE;
}

bool greenlet_main(const struct greenlet *g)
{
    return g->is_main != 0;
}

void greenlet_set_userdata(struct greenlet *g, void *userdata,
                           void (*destroy)(void *userdata))
{
    g->userdata = userdata;
    g->destroy_userdata = destroy;
}

void *greenlet_userdata(const struct greenlet *g)
{
    return g->userdata;
}

int greenlet_stack(const struct greenlet *g, void **base, size_t *size)
{
    if (g->slot.size == 0)
        return -EINVAL;
    *base = g->slot.base + g->slot.guard;
    *size = (size_t)((const char *)g - (char *)*base);
    return 0;
}

#ifdef GREENLET__ASAN
/* The sanitizer keeps a shadow of each stack's bounds; it must hear of every
 * switch on both sides. */
void __sanitizer_start_switch_fiber(void **fake, const void *bottom,
                                    size_t size);
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom,
                                     size_t *size);

void __asan_unpoison_memory_region(const void *start, size_t size);

/* Frames that were left and not returned from have their red zones still. */
void greenlet__asan_fresh(char *bottom, char *top)
{
    __asan_unpoison_memory_region(bottom, (size_t)(top - bottom));
}

static __thread const void *main_bottom;
static __thread size_t main_size;

void greenlet__asan_start(struct greenlet *from, struct greenlet *to)
{
    const void *bottom = main_bottom;
    size_t size = main_size;

    if (to->slot.size != 0) {
        bottom = to->slot.base + to->slot.guard;
        size = to->slot.size - to->slot.guard;
    }
    __sanitizer_start_switch_fiber(
        from->state == GREENLET_LEAVING ? NULL : &from->fake_stack, bottom,
        size);
}

void greenlet__asan_finish(struct greenlet *self)
{
    const void *bottom;
    size_t size;

    __sanitizer_finish_switch_fiber(self != NULL ? self->fake_stack : NULL,
                                    &bottom, &size);
    if (main_size == 0) { /* the first switch ever leaves the main stack */
        main_bottom = bottom;
        main_size = size;
    }
}
#endif
