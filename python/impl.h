/* impl.h - what the files of python/ share
 *
 * A Python greenlet is an object of upstream's size (greenlet.h) and what it
 * points to, a struct pyg.  Its stack is a greenlet of context/, which it has from
 * its start to its end only: what is new or dead costs an object and no stack.
 * Everything that a switch means in Python (values, exceptions, parents, what is
 * whose) is decided here; context/ is asked for stacks and for the jump alone.
 *
 * Rules: the GIL is held everywhere, but where a comment says otherwise.  A
 * callback of Python (a lookup, a tracer, a Py_DECREF) may switch and may do
 * anything to any greenlet: what was read before it is read again after it.
 * Between the last callback and the jump there is none (G-050). */
#ifndef PYTHON_IMPL_H
#define PYTHON_IMPL_H

#define GREENLET_MODULE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

struct pyg;
typedef struct pyg *implementation_ptr_t;
#include "greenlet.h"

#include "state.h"

#include "context/greenlet_impl.h"

#include <stdbool.h>
#include <stdint.h>

/* What is sent. */
enum pyg__kind {
    PYG_NOTHING,   /* nothing is on its way */
    PYG_VALUE,     /* value: the one object that the switch returns */
    PYG_ARGUMENTS, /* value: a tuple; more: a dictionary with something in it, or
                      NULL */
    PYG_THROWN     /* value, more, traceback: a normalized exception */
};
struct pyg__cargo {
    enum pyg__kind kind;
    PyObject *value, *more, *traceback;
};

/* Not for the fast path of a switch. */
#define ACTIVE_BUT_ODD 2

struct pyg {
    PyGreenlet *object;     /* not counted */
    struct greenlet *stack; /* while active; that of a main is its thread's own */
    struct pyg__thread *thread; /* counted; NULL: new */
    uint8_t started;
    uint8_t active;   /* 1, or ACTIVE_BUT_ODD */
    uint8_t is_main;
    uint8_t unswitchable; /* see unswitchable.c */
    uint8_t checked; /* active, and seen to be of a thread that has exited */
    struct pyg__cargo cargo;    /* in transit to it */
    PyGreenlet *parent;         /* NULL: a main, or cleared by the collector */
    PyObject *run;              /* of a new one; NULL: none */
    PyObject *body;             /* from its start to the call of it */
    struct pyg *next_dropped;   /* on its thread's list */
    struct pyg__state state;    /* good while suspended; its context: also while
                                   new or dead */
};

/* One OS thread that uses greenlets. */
struct pyg__thread {
    struct greenlet__thread *vireo;
    struct pyg *current; /* its object counted */
    struct pyg *origin;  /* so too: who switched away last, until who runs now has
                            looked */
    uint8_t tracing; /* of whom ran last: pyg__state_tracing() */
    PyObject *tracer;    /* NULL: none */
    struct pyg *dropped; /* by other threads, counted (G-102); under the lock */
    struct pyg *main;    /* its object counted */
    size_t stack_size;   /* of its greenlets */
    int refs;            /* of greenlets that were started in it, and its own */
    bool exited;         /* atomic */
    struct pyg__thread *next;   /* all that have not exited; under the lock */
    struct pyg__thread *queued; /* of those that have and wait to be cleaned up */
    void *signal_stack;
};

/* ---- thread.c ---- */

extern __thread struct pyg__thread *pyg__word
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
struct pyg__thread *pyg__thread_make(void);

/* This thread; NULL with an exception set. */
static inline struct pyg__thread *pyg__thread_self(void)
{
    struct pyg__thread *self = pyg__word;

    return likely(self != NULL) ? self : pyg__thread_make();
}

/* The same, and what other threads left to be done is done (G-111). */
struct pyg__thread *pyg__maintain(struct pyg__thread *self);
extern int pyg__attention; /* atomic: threads that exited wait */
static inline struct pyg__thread *pyg__thread_ready(void)
{
    struct pyg__thread *self = pyg__thread_self();

    if (unlikely(self == NULL || greenlet__read(self->dropped) != NULL ||
                 greenlet__read(pyg__attention) != 0))
        return pyg__maintain(self);
    return self;
}

static inline bool pyg__has_exited(const struct pyg__thread *thread)
{
    return __atomic_load_n(&thread->exited, __ATOMIC_ACQUIRE);
}

void pyg__thread_unref(struct pyg__thread *thread);
/* Of another thread, its last reference went here: its owner sees to it.  False:
 * the owner has exited. */
bool pyg__leave_to_owner(struct pyg *g);
/* A stack that nobody will run on again: freed as soon as context/ agrees. */
void pyg__stack_abandon(struct greenlet *stack);
int pyg__threads_init(void);
/* What the module shows (section 1.12 of the semantics). */
PyObject *pyg__get_pending_cleanup_count(PyObject *module, PyObject *nothing);
PyObject *pyg__get_total_main_greenlets(PyObject *module, PyObject *nothing);
PyObject *pyg__get_clocks(PyObject *module, PyObject *nothing);
PyObject *pyg__enable_optional_cleanup(PyObject *module, PyObject *flag);
extern Py_ssize_t pyg__mains;

/* ---- stack.c ---- */

/* A stack whose first frame is `entry`; NULL, with MemoryError, when there is no
 * memory.  The greenlet is found again by pyg__of_stack(). */
struct greenlet *pyg__stack_new(struct pyg__thread *self, struct pyg *g,
                                void (*entry)(struct greenlet *stack));
static inline struct pyg *pyg__of_stack(const struct greenlet *stack)
{
    return (struct pyg *)(uintptr_t)stack->hub_data[0];
}
/* It is free, for whichever thread asks next. */
void pyg__stack_spare(struct greenlet *stack);
/* Where the interpreter's own frames of it begin. */
void *pyg__stack_chunk(struct greenlet *stack, size_t *size);
size_t pyg__stack_default(void);
void pyg__stacks_watch(struct pyg__thread *self);
void pyg__stacks_unwatch(void *signal_stack);
PyObject *pyg__stack_size(PyObject *module, PyObject *args);
PyObject *pyg__trim_stacks(PyObject *module, PyObject *nothing);

/* ---- switch.c ---- */

/* Send cargo, which is given, to g.  Returns what comes back, or NULL. */
PyObject *pyg__send(struct pyg *g, struct pyg__cargo *cargo);
/* The arguments of throw(); false with an exception set. */
bool pyg__throwable(PyObject *type, PyObject *value, PyObject *traceback,
                    struct pyg__cargo *cargo);
PyObject *pyg__throw(struct pyg *g, struct pyg__cargo *cargo);
/* The last reference to g, suspended in this thread, went: it runs to its end. */
void pyg__kill(struct pyg__thread *self, struct pyg *g);
void pyg__cargo_clear(struct pyg__cargo *cargo);
/* The thread that g belongs to: the one it was started in, or that of the main at
 * the top of its chain while it is new (G-127); NULL: none. */
struct pyg__thread *pyg__tree_of(const struct pyg *g);

/* ---- type.c ---- */

extern PyTypeObject PyGreenlet_Type;
extern PyObject *pyg__error, *pyg__exit; /* greenlet.error, GreenletExit */
extern PyObject *pyg__name_run;          /* "run" */
PyGreenlet *pyg__new(PyTypeObject *type);
struct pyg *pyg__new_main(void);
int pyg__set_run(struct pyg *g, PyObject *run);
int pyg__set_parent(struct pyg *g, PyObject *parent);
int pyg__type_init(PyObject *module);
static inline bool pyg__check(PyObject *object)
{
    return object != NULL && PyObject_TypeCheck(object, &PyGreenlet_Type);
}
static inline bool pyg__is_active(const struct pyg *g)
{
    return g->active && !(g->thread != NULL && pyg__has_exited(g->thread));
}

/* ---- unswitchable.c ---- */
int pyg__unswitchable_init(PyObject *module);
/* 0, or -1 with an exception set. */
int pyg__try_switch(const struct pyg *g);

/* ---- accessors.c ---- */
extern PyGetSetDef pyg__accessors[];
PyObject *pyg__repr(PyObject *object);

/* ---- trace.c ---- */

/* Tell the tracer of the switch that brought us here.  -1: it failed, and has been
 * removed. */
int pyg__trace(struct pyg__thread *self, enum pyg__kind kind, struct pyg *origin,
               struct pyg *target);
PyObject *pyg__settrace(PyObject *module, PyObject *args);
PyObject *pyg__gettrace(PyObject *module, PyObject *nothing);

/* ---- capi.c ---- */
int pyg__capi_init(PyObject *module);

#endif
