/* switch.c - switch and throw, the beginning and the end of a Python greenlet
 *
 * What is sent is a local of the sender until nothing can call back any more, lies
 * in the receiver over the jump, and is a local of the receiver's again before
 * anybody is told: lookups, tracers and finalizers may switch (G-045 ... G-051). */
#include "impl.h"

#include "context/switch.h"

void pyg__cargo_clear(struct pyg__cargo *cargo)
{
    struct pyg__cargo old = *cargo;

    cargo->kind = PYG_NOTHING;
    cargo->value = cargo->more = cargo->traceback = NULL;
    Py_XDECREF(old.value);
    Py_XDECREF(old.more);
    Py_XDECREF(old.traceback);
}

/* ---- what arrives ---- */

/* The exception that is set becomes cargo. */
static void take_error(struct pyg__cargo *cargo)
{
    if (!PyErr_Occurred()) /* G-174 */
        PyErr_SetString(pyg__error, "a greenlet ended without a result");
    cargo->kind = PYG_THROWN;
    PyErr_Fetch(&cargo->value, &cargo->more, &cargo->traceback);
}

static void told_badly(struct pyg__cargo *cargo)
{
    struct pyg__cargo error;

    take_error(&error);
    pyg__cargo_clear(cargo);
    *cargo = error;
}

/* In `me`, which runs now: take the cargo out, tell the tracer, give up the one
 * that ran before, which may end by it (G-051). */
static inline void take(struct pyg__thread *self, struct pyg *me,
                        struct pyg__cargo *cargo)
{
    struct pyg *origin = self->origin;

    *cargo = me->cargo;
    me->cargo.kind = PYG_NOTHING;
    self->origin = NULL;
    if (unlikely(self->tracer != NULL) &&
        pyg__trace(self, cargo->kind, origin, me) < 0)
        told_badly(cargo); /* G-136 */
    Py_DECREF(origin->object);
}

/* G-020.  The cargo is given. */
static PyObject *deliver(struct pyg__cargo *cargo)
{
    PyObject *both;

    if (cargo->kind == PYG_THROWN) {
        PyErr_Restore(cargo->value, cargo->more, cargo->traceback);
        return NULL;
    }
    if (likely(cargo->more == NULL))
        return cargo->value;
    if (PyTuple_GET_SIZE(cargo->value) == 0) {
        Py_DECREF(cargo->value);
        return cargo->more;
    }
    both = PyTuple_Pack(2, cargo->value, cargo->more);
    pyg__cargo_clear(cargo);
    return both;
}

/* ---- the jump ---- */

/* Run `to`, for whom its cargo lies ready.  The reference that `current` had to
 * whom we leave is the next one's to give up. */
static GREENLET__SWITCHES __attribute__((noinline)) void
jump(struct pyg__thread *self, struct pyg *from, struct pyg *to)
{
    PyThreadState *tstate = _PyThreadState_UncheckedGet();

    Py_INCREF(to->object);
    self->origin = from;
    if (unlikely(to == from))
        return;
    self->current = to;
    pyg__state_save(&from->state, tstate);
    self->tracing = pyg__state_tracing(tstate);
    greenlet__jump_from(self->vireo, from->stack, self->vireo, to->stack);
    pyg__state_load(&from->state, _PyThreadState_UncheckedGet(),
                    self->tracing);
}

static inline PyObject *switch_to(struct pyg__thread *self, struct pyg *to,
                                  const struct pyg__cargo *cargo)
{
    struct pyg *me = self->current;
    struct pyg__cargo arrived;

    to->cargo = *cargo;
    jump(self, me, to);
    take(self, me, &arrived);
    return deliver(&arrived);
}

/* ---- who is meant, and who may ---- */

struct pyg__thread *pyg__tree_of(const struct pyg *g)
{
    while (g->thread == NULL && g->parent != NULL)
        g = g->parent->pimpl;
    return g->thread;
}

static int refuse(const struct pyg__thread *tree)
{
    PyErr_SetString(pyg__error,
                    tree == NULL
                        ? "cannot switch to a garbage collected greenlet"
                    : pyg__has_exited(tree)
                        ? "cannot switch to a different thread (which happens "
                          "to have exited)"
                        : "cannot switch to a different thread");
    return -1;
}

static int same_thread(const struct pyg__thread *self, const struct pyg *g)
{
    const struct pyg__thread *tree = pyg__tree_of(g);

    return likely(tree == self) ? 0 : refuse(tree);
}

/* The first of g and its ancestors that is not dead (G-028). */
static struct pyg *living(struct pyg *g)
{
    while (g != NULL && g->started && !g->active)
        g = g->parent != NULL ? g->parent->pimpl : NULL;
    return g;
}

/* The body of a new g (G-010).  Returns 1 with *body set, 0 when the lookup has
 * changed what is to be done, or -1. */
static int find_body(struct pyg__thread *self, struct pyg *g, PyObject **body)
{
    if (Py_TYPE(g->object) == &PyGreenlet_Type) {
        if ((*body = g->run) == NULL) {
            PyErr_SetObject(PyExc_AttributeError, pyg__name_run);
            return -1;
        }
        Py_INCREF(*body);
        return 1;
    }
    *body = PyObject_GetAttr((PyObject *)g->object, pyg__name_run);
    if (*body == NULL)
        return -1;
    if (likely(!g->started && same_thread(self, g) == 0))
        return 1;
    if (g->started) {
        Py_DECREF(*body);
        return 0; /* it switched into it: look again (G-045) */
    }
    Py_CLEAR(*body); /* it gave it another parent (G-047) */
    return -1;
}

/* ---- the beginning and the end ---- */

static PyObject *call_body(struct pyg *me, struct pyg__cargo *cargo)
{
    PyObject *body = me->body, *result;

    me->body = NULL;
    Py_CLEAR(me->run); /* it may switch away (G-048) */
    if (cargo->kind == PYG_THROWN) { /* the body never runs (G-066) */
        Py_DECREF(body);
        return deliver(cargo);
    }
    if (cargo->kind == PYG_VALUE)
        result = PyObject_CallOneArg(body, cargo->value);
    else
        result = PyObject_Call(body, cargo->value, cargo->more);
    pyg__cargo_clear(cargo);
    Py_DECREF(body);
    return result;
}

/* A GreenletExit is a value where a greenlet ends by it, or is dead (G-025). */
static void quiet(struct pyg__cargo *cargo)
{
    if (cargo->kind != PYG_THROWN ||
        !PyErr_GivenExceptionMatches(cargo->value, pyg__exit))
        return;
    PyErr_NormalizeException(&cargo->value, &cargo->more, &cargo->traceback);
    Py_DECREF(cargo->value);
    Py_CLEAR(cargo->traceback);
    cargo->value = cargo->more;
    cargo->more = NULL;
    cargo->kind = PYG_VALUE;
    if (cargo->value == NULL)
        cargo->value = Py_NewRef(Py_None);
}

static void first(struct greenlet *stack);

/* A new g is as good as running from here on; the caller jumps. */
static int start(struct pyg__thread *self, struct pyg *g, PyObject *body)
{
    struct greenlet *stack = NULL;

    if (likely(!g->unswitchable) || pyg__try_switch(g) == 0)
        stack = pyg__stack_new(self, g, first);
    if (stack == NULL) {
        Py_DECREF(body);
        return -1;
    }
    g->stack = stack;
    g->body = body;
    g->thread = self;
    self->refs++;
    g->started = 1;
    g->active = likely(!g->unswitchable) ? 1 : ACTIVE_BUT_ODD;
    return 0;
}

/* Who gets what `me` ends with: the first ancestor that accepts it, its object
 * counted.  One that is new is started; if it cannot be, why is what the next one
 * gets (G-031).  A loop: chains may be long (G-034). */
static struct pyg *find_heir(struct pyg__thread *self, struct pyg *me,
                             struct pyg__cargo *cargo)
{
    struct pyg *heir = me->parent != NULL ? me->parent->pimpl : NULL;
    PyGreenlet *held = NULL;
    PyObject *body;
    int rc;

    while ((heir = living(heir)) != NULL) {
        Py_XSETREF(held, (PyGreenlet *)Py_NewRef(heir->object));
        rc = same_thread(self, heir);
        if (rc == 0 && heir->started)
            break;
        if (rc == 0)
            rc = find_body(self, heir, &body);
        if (rc == 1 && (rc = start(self, heir, body)) == 0)
            break;
        if (rc < 0) {
            told_badly(cargo);
            heir = heir->parent != NULL ? heir->parent->pimpl : NULL;
        }
    }
    if (heir == NULL)
        Py_FatalError("greenlet: ran out of parent greenlets while propagating "
                      "an exception; cannot go on");
    return heir; /* as `held` */
}

/* The stack is left for good, and freed on that of the heir, who is given. */
static _Noreturn void leave(struct pyg__thread *self, struct pyg *me,
                            struct pyg *heir, const struct pyg__cargo *cargo)
{
    PyThreadState *tstate = _PyThreadState_UncheckedGet();
    struct greenlet *stack = me->stack;

    pyg__state_end(&me->state, tstate);
    me->active = 0;
    me->stack = NULL;
    self->origin = me;
    self->current = heir;
    self->tracing = pyg__state_tracing(tstate);
    heir->cargo = *cargo;
    stack->on_left = greenlet__drop_itself;
    greenlet__leave_in(self->vireo, stack, heir->stack);
}

static void first(struct greenlet *stack)
{
    struct pyg *me = pyg__of_stack(stack);
    struct pyg__thread *self = me->thread;
    struct pyg__cargo cargo;
    struct pyg *heir;
    size_t size;
    void *chunk = pyg__stack_chunk(stack, &size);

    pyg__state_begin(&me->state, _PyThreadState_UncheckedGet(), self->tracing,
                     chunk, size, stack->slot.size);
    take(self, me, &cargo);
    cargo.value = call_body(me, &cargo);
    if (likely(cargo.value != NULL))
        cargo.kind = PYG_VALUE;
    else
        take_error(&cargo);
    quiet(&cargo);
    heir = find_heir(self, me, &cargo);
    leave(self, me, heir, &cargo);
}

/* ---- the calls ---- */

/* Everything but the frequent case. */
static __attribute__((noinline)) PyObject *
send_slowly(struct pyg__thread *self, struct pyg *g, struct pyg__cargo *cargo)
{
    struct pyg *target = NULL;
    PyObject *body, *result = NULL;
    int rc;

    Py_INCREF(g->object);
    do {
        rc = same_thread(self, g);
        target = rc == 0 ? living(g) : NULL;
        if (target != NULL && target != g)
            rc = same_thread(self, target);
        if (rc < 0 || (target != NULL && target->started))
            break;
        if (target == NULL) {
            rc = refuse(NULL);
            break;
        }
        Py_INCREF(target->object);
        rc = find_body(self, target, &body);
        if (rc == 1)
            rc = start(self, target, body) == 0 ? 1 : -1;
        if (rc == 1) /* it runs next, and does not need this one */
            Py_SET_REFCNT(target->object, Py_REFCNT(target->object) - 1);
        else
            Py_DECREF(target->object);
    } while (rc == 0);
    if (rc == 0 && target->unswitchable)
        rc = pyg__try_switch(target);
    if (rc < 0)
        pyg__cargo_clear(cargo);
    else
        result = switch_to(self, target, cargo);
    Py_DECREF(g->object);
    return result;
}

PyObject *pyg__send(struct pyg *g, struct pyg__cargo *cargo)
{
    struct pyg__thread *self = pyg__thread_ready();

    if (unlikely(self == NULL)) {
        pyg__cargo_clear(cargo);
        return NULL;
    }
    if (likely(g->thread == self && g->active == 1))
        return switch_to(self, g, cargo);
    return send_slowly(self, g, cargo);
}

/* The forms of throw() (G-061, G-062). */
bool pyg__throwable(PyObject *type, PyObject *value, PyObject *traceback,
                    struct pyg__cargo *cargo)
{
    if (traceback == Py_None)
        traceback = NULL;
    if (traceback != NULL && !PyTraceBack_Check(traceback)) {
        PyErr_SetString(PyExc_TypeError,
                        "throw() third argument must be a traceback object");
        return false;
    }
    if (type == NULL)
        type = pyg__exit;
    cargo->kind = PYG_THROWN;
    if (PyExceptionClass_Check(type)) {
        cargo->value = Py_NewRef(type);
        cargo->more = Py_XNewRef(value);
        cargo->traceback = Py_XNewRef(traceback);
        PyErr_NormalizeException(&cargo->value, &cargo->more,
                                 &cargo->traceback);
        return true;
    }
    if (!PyExceptionInstance_Check(type)) {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes, or instances, not %s",
                     Py_TYPE(type)->tp_name);
        return false;
    }
    if (value != NULL && value != Py_None) {
        PyErr_SetString(PyExc_TypeError,
                        "instance exception may not have a separate value");
        return false;
    }
    cargo->value = Py_NewRef(PyExceptionInstance_Class(type));
    cargo->more = Py_NewRef(type);
    cargo->traceback = traceback != NULL ? Py_NewRef(traceback)
                                         : PyException_GetTraceback(type);
    return true;
}

PyObject *pyg__throw(struct pyg *g, struct pyg__cargo *cargo)
{
    if (g->started && !pyg__is_active(g) &&
        (g->thread == NULL || !pyg__has_exited(g->thread)))
        quiet(cargo); /* G-068 */
    return pyg__send(g, cargo);
}

/* ---- kill ---- */

static bool is_ancestor(const struct pyg *g, const PyGreenlet *of)
{
    for (; of != NULL; of = of->pimpl->parent)
        if (of->pimpl == g)
            return true;
    return false;
}

/* G-088: while it is killed its parent is whoever gave up the last reference.
 * It is held by one reference meanwhile, the caller's. */
void pyg__kill(struct pyg__thread *self, struct pyg *g)
{
    struct pyg__cargo cargo = { PYG_THROWN, NULL, NULL, NULL };
    PyObject *type, *value, *traceback, *result;
    PyGreenlet *parent = g->parent;

    PyErr_Fetch(&type, &value, &traceback);
    g->parent = (PyGreenlet *)Py_NewRef(self->current->object);
    cargo.value = Py_NewRef(pyg__exit);
    PyErr_NormalizeException(&cargo.value, &cargo.more, &cargo.traceback);
    result = switch_to(self, g, &cargo);
    if (is_ancestor(g, parent)) /* it has become its child meanwhile */
        Py_DECREF(parent);
    else
        Py_XSETREF(g->parent, parent);
    if (result == NULL) /* G-097 */
        PyErr_WriteUnraisable((PyObject *)g->object);
    Py_XDECREF(result);
    PyErr_Restore(type, value, traceback);
}
