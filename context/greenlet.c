/* greenlet.c - the life of a greenlet: made, counted, dropped, freed
 *
 * Who frees: the one whose reference was the last.  A greenlet that is suspended,
 * or leaving its stack, is freed by its own thread alone: others queue it there.
 * Once it is dead its thread does not touch it any more, unless by a reference. */
#include "context/fresh.h"
#include "context/switch.h"
#include "context/testhook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void greenlet__first(struct greenlet__transfer transfer);

/* ---- making ---- */

static __attribute__((noinline)) struct greenlet *
take_slot(struct greenlet__thread *self, size_t size,
          const struct greenlet_type *type, greenlet_run *run,
          struct greenlet *parent)
{
    const struct greenlet__size_class *standard;
    struct greenlet__slot slot;
    struct greenlet *g;

    if (size == 0)
        size = GREENLET__STACK_DEFAULT;
    if (size < GREENLET__STACK_MIN)
        size = GREENLET__STACK_MIN;
    if (greenlet__slot_take(&self->os->pool, size, 4096, &slot) < 0)
        return NULL;
    g = greenlet__in_slot(&slot);
    greenlet__clear(g, self, type, run, parent);
    g->slot = slot;
    standard = self->os->pool.standard;
    g->odd_slot = standard == NULL || slot.size != standard->stride ||
                  slot.guard != standard->guard;
    greenlet__slot_owner(&slot, g);
    greenlet__count_made(self->os);
    return g;
}

static inline __attribute__((always_inline)) bool
may_reuse(const struct greenlet__thread *self, size_t stack_size)
{
    return stack_size == 0 && greenlet__may_reuse(self->os);
}

struct greenlet *greenlet__make(size_t stack_size)
{
    struct greenlet__thread *self = greenlet__thread_self();

    if (likely(may_reuse(self, stack_size)))
        return greenlet__make_again(self, NULL, NULL, NULL);
    return take_slot(self, stack_size, NULL, NULL, NULL);
}

void greenlet__prepare(struct greenlet *g, void *top,
                       void (*entry)(struct greenlet *g))
{
    greenlet__prepare_inline(g, top, entry);
    __atomic_store_n(&g->state, GREENLET_ACTIVE, __ATOMIC_RELEASE);
}

static struct greenlet *refused_new(const struct greenlet_callable *callable,
                                    int error)
{
    if (callable->destroy != NULL)
        callable->destroy(callable->closure);
    if (error == -ENOMEM)
        greenlet__fail(error, &greenlet_memory_class,
                       "no memory for a greenlet's stack");
    else
        greenlet__fail(error, &greenlet_error_class,
                       "greenlet is being finalized");
    return NULL;
}

static void set_closure(struct greenlet *g,
                        const struct greenlet_callable *callable)
{
    if (callable->closure != NULL || callable->destroy != NULL) {
        g->closure = callable->closure;
        g->destroy_closure = callable->destroy;
        g->has |= HAS_CLOSURE;
    }
}

static __attribute__((noinline)) struct greenlet *
new_slowly(const struct greenlet_type *type,
           const struct greenlet_callable *callable, struct greenlet *parent,
           size_t stack_size)
{
    struct greenlet__thread *self = greenlet__thread_self();
    struct greenlet *g;

    parent = greenlet_ref(parent != NULL ? parent : self->current);
    if (unlikely(greenlet__read(self->drop_queue) != NULL ||
                 greenlet__read(greenlet__attention) != 0 ||
                 (self->special & SPECIAL_UNUSED)))
        greenlet__maintain(self);
    if (unlikely(self->special & SPECIAL_FINALIZED)) {
        greenlet_unref(parent);
        return refused_new(callable, -ESHUTDOWN);
    }
    if (unlikely(self->cxx_asked != greenlet__read(greenlet__cxx_asks)))
        greenlet__cxx_thread(self);
    if (likely(may_reuse(self, stack_size)))
        g = greenlet__make_again(self, type, callable->run, parent);
    else
        g = take_slot(self, stack_size, type, callable->run, parent);
    if (unlikely(g == NULL)) {
        greenlet_unref(parent);
        return refused_new(callable, -ENOMEM);
    }
    set_closure(g, callable);
    return g;
}

/* Nothing to do first, and a slot at hand. */
static inline __attribute__((always_inline)) bool
is_new_plain(const struct greenlet__thread *self, size_t stack_size)
{
    return self != NULL && greenlet__read(self->drop_queue) == NULL &&
           greenlet__read(greenlet__attention) == 0 &&
           (self->special & (SPECIAL_UNUSED | SPECIAL_FINALIZED)) == 0 &&
           self->cxx_asked == greenlet__read(greenlet__cxx_asks) &&
           may_reuse(self, stack_size);
}

struct greenlet *greenlet_new_of(const struct greenlet_type *type,
                                 const struct greenlet_callable *callable,
                                 struct greenlet *parent, size_t stack_size)
{
    static const struct greenlet_callable none = { NULL, NULL, NULL };

    return new_slowly(type, callable != NULL ? callable : &none, parent,
                      stack_size);
}

static __attribute__((noinline)) struct greenlet *
new_untyped(greenlet_run *run, struct greenlet *parent, size_t stack_size)
{
    const struct greenlet_callable callable = { run, NULL, NULL };

    return new_slowly(NULL, &callable, parent, stack_size);
}

/* The frequent case alone: it calls nothing, so that no register has to be
 * saved. */
struct greenlet *greenlet_new(greenlet_run *run, struct greenlet *parent,
                              size_t stack_size)
{
    struct greenlet__thread *self = greenlet__word;

    if (unlikely(!is_new_plain(self, stack_size)))
        return new_untyped(run, parent, stack_size);
    if (parent == NULL)
        parent = self->current;
    greenlet__add_reference(parent);
    return greenlet__make_again(self, NULL, run, parent);
}

/* ---- the first frame, and leaving ---- */

_Noreturn void greenlet__leave(struct greenlet *to)
{
    struct greenlet *self = greenlet__word->current;
    struct greenlet__thread *left = greenlet__read(self->thread),
                            *entered = greenlet__read(to->thread);

    if (entered != left)
        greenlet__enter_block(left, entered);
    greenlet__leave_for(left, self, entered, to);
}

/* What is on its way to who runs now is put aside: destroy functions that are
 * called here may switch. */
static void clean_up(struct greenlet *g, void (*function)(struct greenlet *))
{
    struct greenlet *self = greenlet__word->current;
    struct greenlet__cargo cargo;
    struct greenlet *origin = self->origin;
    uint8_t arrival = self->arrival;

    cargo.value = self->value;
    if (unlikely(arrival & (ARRIVES_THROWN | ARRIVES_EXIT)))
        cargo.record = self->transit;
    self->arrival = arrival & RECEIVED_BEFORE;
    function(g);
    self->arrival |= arrival & (uint8_t)~RECEIVED_BEFORE;
    self->value = cargo.value;
    self->origin = origin;
    if (unlikely(arrival & (ARRIVES_THROWN | ARRIVES_EXIT)))
        self->transit = cargo.record;
}

void greenlet__drop_itself(struct greenlet *g)
{
    if (greenlet__drop_reference(g))
        greenlet__free(g);
}

static inline __attribute__((always_inline)) void has_left(struct greenlet *g)
{
    void (*on_left)(struct greenlet *) = g->on_left;

    __atomic_store_n(&g->state, GREENLET_DEAD, __ATOMIC_RELEASE);
    if (likely(on_left == greenlet__drop_itself)) {
        if (unlikely(greenlet__drop_reference(g)))
            clean_up(g, greenlet__free);
    } else if (on_left != NULL) { /* it has a reference */
        clean_up(g, on_left);
    }
}

void greenlet__arrived_seen(struct greenlet__transfer transfer)
{
    greenlet__arrived(transfer);
}

void greenlet__left(struct greenlet *g)
{
    has_left(g);
}

/* Most often whoever ran before has ended. */
_Noreturn void greenlet__first(struct greenlet__transfer transfer)
{
    struct greenlet *self = greenlet__word->current, *previous = transfer.data;

    if (unlikely(greenlet__read(self->thread)->tools != 0))
        greenlet__tools_arrive(self, previous);
    previous->context = transfer.context;
    if (previous->state == GREENLET_LEAVING)
        has_left(previous);
    self->entry(self);
    abort(); /* an entry never returns */
}

/* ---- counting and freeing ---- */

struct greenlet *greenlet_ref(struct greenlet *g)
{
    greenlet__add_reference(g);
    return g;
}

static __attribute__((noinline)) void free_parts(struct greenlet *g)
{
    struct greenlet_exception caught;

    if (g->has_weak)
        greenlet__weak_clear(g);
    greenlet__drop_closure(g);
    greenlet__drop_unused(g);
    if (g->arrival & RECEIVED_BEFORE)
        greenlet_message_free(g->received);
    if (g->has & HAS_CAUGHT) {
        caught = g->caught;
        g->has &= (uint8_t)~HAS_CAUGHT;
        greenlet_exception_clear(&caught);
    }
    if (g->has & HAS_FIBER)
        greenlet__tools_gone(g);
    if (g->has & HAS_MORE) {
        greenlet__forget_deferred(g);
        if (greenlet__hub_gone != NULL)
            greenlet__hub_gone(g);
    }
    if (g->has & HAS_USERDATA && g->destroy_userdata != NULL)
        g->destroy_userdata(g->userdata);
    if (g->vars != NULL)
        greenlet__vars_free(g->vars);
}

/* Returns the parent, whose reference is the caller's now: chains are freed in
 * a loop, since they may be longer than a stack is deep. */
static struct greenlet *free_one(struct greenlet *g)
{
    struct greenlet *parent = g->parent;
    struct greenlet__os *os;

    if (unlikely(((unsigned)g->has | g->has_weak | g->arrival) != 0 ||
                 g->vars != NULL))
        free_parts(g);
    os = greenlet__thread_self()->os; /* after what may switch */
    greenlet__write(os->live, greenlet__read(os->live) - 1);
    greenlet__write(g->state, GREENLET_FREED);
    greenlet__slot_give(&os->pool, &g->slot);
    return parent;
}

/* In a signal handler nothing is killed: the thread does it when it next uses the
 * library (G-147). */
static __attribute__((noinline, cold)) void
queue_own(struct greenlet__thread *self, struct greenlet *g)
{
    pthread_mutex_lock(&greenlet__threads_lock);
    greenlet__write(g->refs, 1); /* the queue's */
    g->next_dropped = self->drop_queue;
    greenlet__write(self->drop_queue, g);
    pthread_mutex_unlock(&greenlet__threads_lock);
}

/* A suspended one whose last reference went: it runs to its end now (G-095),
 * or goes on living (G-099, G-100). */
static __attribute__((noinline)) struct greenlet *
drop_active(struct greenlet *g)
{
    struct greenlet__thread *self = greenlet__word;

    if (g == self->current) {
        self->special |= SPECIAL_DROPPED; /* ends when it switches (G-051) */
        return NULL;
    }
    if (unlikely(self->special & SPECIAL_SIGNAL)) {
        queue_own(self, g);
        return NULL;
    }
    greenlet__kill(g);
    if (!greenlet__drop_reference(g))
        return NULL;
    if (greenlet__is_active(g)) {
        char text[128];

        greenlet_describe(g, text, sizeof text);
        fprintf(stderr, "vireo: GreenletExit did not kill %s\n", text);
        greenlet__write(g->refs, 1); /* leaked: nobody gives this one up */
        return NULL;
    }
    return free_one(g);
}

/* refs has reached 0.  Returns a parent to be given up, or NULL. */
static __attribute__((noinline)) struct greenlet *
drop_last(struct greenlet *g)
{
    if (unlikely(g->is_main)) {
        struct greenlet__thread *thread = greenlet__thread_of_main(g);

        free_parts(g);
        if (thread->release != NULL)
            thread->release(thread);
        return NULL;
    }
    if (unlikely(greenlet__is_active(g) && greenlet__word != NULL &&
                 g == greenlet__word->current))
        return drop_active(g); /* kept by running, it is not finalized yet */
    if (unlikely(g->type != NULL && g->type->finalize != NULL &&
                 greenlet__read(g->state) != GREENLET_ORPHAN)) {
        greenlet__write(g->refs, 1);
        g->type->finalize(g);
        if (!greenlet__drop_reference(g))
            return NULL;
    }
    if (greenlet__is_active(g))
        return drop_active(g);
    return free_one(g);
}

/* One that was started in another thread may run there, and count itself, while
 * we look: its count must not reach 0 here.  What would be the last reference
 * goes to the queue of its owner instead (G-102).  True: done. */
static bool queue_reference(struct greenlet *g)
{
    struct greenlet__thread *owner;
    uint8_t state;
    int refs;

    pthread_mutex_lock(&greenlet__threads_lock);
    owner = greenlet__read(g->thread);
    state = __atomic_load_n(&g->state, __ATOMIC_ACQUIRE);
    if (state < GREENLET_ACTIVE || state > GREENLET_LEAVING) {
        pthread_mutex_unlock(&greenlet__threads_lock);
        return false;
    }
    refs = __atomic_load_n(&g->refs, __ATOMIC_ACQUIRE);
    while (refs > 1 && !__atomic_compare_exchange_n(&g->refs, &refs, refs - 1,
                                                    true, __ATOMIC_ACQ_REL,
                                                    __ATOMIC_ACQUIRE))
        ;
    if (refs == 1) {
        g->next_dropped = owner->drop_queue;
        greenlet__write(owner->drop_queue, g);
    }
    pthread_mutex_unlock(&greenlet__threads_lock);
    return true;
}

static bool is_elsewhere(const struct greenlet *g)
{
    return greenlet__read(g->thread) != greenlet__word &&
           greenlet__read(g->state) != GREENLET_NEW && !g->is_main;
}

/* The last reference to g went. */
static __attribute__((noinline)) void dropped(struct greenlet *g)
{
    do {
        if (likely(g->type == NULL && !g->is_main && !greenlet__is_active(g)))
            g = free_one(g);
        else
            g = drop_last(g);
        if (g == NULL || (unlikely(is_elsewhere(g)) && queue_reference(g)))
            return;
    } while (greenlet__drop_reference(g));
}

static __attribute__((noinline)) void unref_elsewhere(struct greenlet *g)
{
    if ((!is_elsewhere(g) || !queue_reference(g)) &&
        greenlet__drop_reference(g))
        dropped(g);
}

/* Nothing of it but its slot and its parent is left to be given up, by this
 * thread, whose it is. */
static inline __attribute__((always_inline)) bool
dies_plainly(const struct greenlet *g)
{
    unsigned state = greenlet__read(g->state);

    return (state == GREENLET_DEAD || state == GREENLET_NEW) &&
           ((unsigned)g->is_main | g->arrival | g->has | g->has_weak |
            g->odd_slot) == 0 &&
           ((uintptr_t)g->type | (uintptr_t)g->vars) == 0;
}

/* As greenlet_new() is: without a call. */
void greenlet_unref(struct greenlet *g)
{
    struct greenlet__thread *self = greenlet__word;
    struct greenlet__size_class *standard;
    struct greenlet *parent;

    if (g == NULL)
        return;
    if (unlikely(greenlet__read(g->thread) != self)) {
        unref_elsewhere(g);
        return;
    }
    if (!greenlet__drop_reference(g))
        return;
    standard = self->os->pool.standard;
    if (unlikely(!dies_plainly(g) || standard == NULL)) {
        dropped(g);
        return;
    }
    parent = g->parent;
    self->os->live--;
    greenlet__write(g->state, GREENLET_FREED);
    greenlet__slot_push(standard, greenlet__above(g));
    if (parent == NULL)
        return;
    if (unlikely(greenlet__read(parent->thread) != self))
        unref_elsewhere(parent);
    else if (unlikely(greenlet__drop_reference(parent)))
        dropped(parent);
}

void greenlet__free(struct greenlet *g)
{
    struct greenlet *parent = free_one(g);

    if (parent != NULL)
        greenlet_unref(parent);
}

/* ---- the current one ---- */

struct greenlet *greenlet_current(void)
{
    struct greenlet__thread *self = greenlet__thread_self();

    if (unlikely(greenlet__read(self->drop_queue) != NULL ||
                 greenlet__read(greenlet__attention) != 0 ||
                 (self->special & SPECIAL_UNUSED))) {
        greenlet__maintain(self);
        if (self->special & SPECIAL_FINALIZED)
            return NULL;
    }
    return self->current;
}
