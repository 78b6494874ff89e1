/* accessors.c - the attributes of a greenlet, and its textual form */
#include "impl.h"

#include <string.h>

static struct pyg *of(PyObject *object)
{
    return ((PyGreenlet *)object)->pimpl;
}

static bool is_current(const struct pyg *g)
{
    return pyg__word != NULL && pyg__word->current == g;
}

/* Asking is what makes one of a thread that has exited look dead for good. */
static bool is_dead(struct pyg *g)
{
    if (!g->started || pyg__is_active(g))
        return false;
    g->checked = 1;
    return true;
}

static int set_dict(PyObject *object, PyObject *dict, void *unused)
{
    if (dict != NULL && PyDict_Check(dict))
        return PyObject_GenericSetDict(object, dict, unused);
    PyErr_SetString(PyExc_TypeError, dict == NULL
                                         ? "__dict__ may not be deleted"
                                         : "__dict__ must be a dictionary");
    return -1;
}

/* ---- run ---- */

static void refuse_run_of_main(void)
{
    PyErr_SetString(PyExc_AttributeError,
                    "Main greenlets do not have a run attribute.");
}

static PyObject *get_run(PyObject *object, void *unused)
{
    struct pyg *g = of(object);

    (void)unused;
    if (!g->started && g->run != NULL)
        return Py_NewRef(g->run);
    if (g->is_main)
        refuse_run_of_main();
    else
        PyErr_SetObject(PyExc_AttributeError, pyg__name_run);
    return NULL;
}

int pyg__set_run(struct pyg *g, PyObject *run)
{
    if (g->is_main) {
        refuse_run_of_main();
        return -1;
    }
    if (g->started) {
        PyErr_SetString(PyExc_AttributeError,
                        "run cannot be set after the start of the greenlet");
        return -1;
    }
    Py_XINCREF(run);
    Py_XSETREF(g->run, run);
    return 0;
}

static int set_run(PyObject *object, PyObject *run, void *unused)
{
    (void)unused;
    return pyg__set_run(of(object), run);
}

/* ---- parent ---- */

static PyObject *get_parent(PyObject *object, void *unused)
{
    PyGreenlet *parent = of(object)->parent;

    (void)unused;
    return Py_NewRef(parent != NULL ? (PyObject *)parent : Py_None);
}

/* One that was left suspended by a thread that has exited is nobody's, once it was
 * seen to be dead. */
static bool is_of_other_thread(const struct pyg *g, const struct pyg *main)
{
    return g->thread != NULL && g->thread != main->thread &&
           !(g->active && g->checked);
}

int pyg__set_parent(struct pyg *g, PyObject *parent)
{
    const struct pyg *up, *top = NULL;

    if (parent == NULL || g->is_main) {
        PyErr_SetString(PyExc_AttributeError,
                        parent == NULL
                            ? "can't delete attribute"
                            : "cannot set the parent of a main greenlet");
        return -1;
    }
    if (!pyg__check(parent)) {
        PyErr_Format(PyExc_TypeError,
                     "GreenletChecker: Expected any type of greenlet, not %s",
                     Py_TYPE(parent)->tp_name);
        return -1;
    }
    for (up = of(parent); up != NULL;
         up = up->parent != NULL ? up->parent->pimpl : NULL) {
        if (up == g) {
            PyErr_SetString(PyExc_ValueError, "cyclic parent chain");
            return -1;
        }
        top = up;
    }
    if (!top->is_main || is_of_other_thread(g, top)) {
        PyErr_SetString(PyExc_ValueError,
                        top->is_main
                            ? "parent cannot be on a different thread"
                            : "parent must not be garbage collected");
        return -1;
    }
    Py_INCREF(parent);
    Py_XSETREF(g->parent, (PyGreenlet *)parent);
    return 0;
}

static int set_parent(PyObject *object, PyObject *parent, void *unused)
{
    (void)unused;
    return pyg__set_parent(of(object), parent);
}

/* ---- context ---- */

/* Who runs in another thread has its context there. */
static bool runs_elsewhere(const struct pyg *g)
{
    return !is_current(g) && pyg__is_active(g) && g->thread->current == g;
}

static PyObject *get_context(PyObject *object, void *unused)
{
    struct pyg *g = of(object);
    PyObject *context;

    (void)unused;
    if (runs_elsewhere(g)) {
        PyErr_SetString(PyExc_ValueError, "cannot get context of a greenlet "
                                          "that is running in a different "
                                          "thread");
        return NULL;
    }
    context = is_current(g) ? PyThreadState_Get()->context : g->state.context;
    return Py_NewRef(context != NULL ? context : Py_None);
}

static int set_context(PyObject *object, PyObject *context, void *unused)
{
    struct pyg *g = of(object);
    PyThreadState *tstate = PyThreadState_Get();
    PyObject *old;

    (void)unused;
    if (context == NULL) {
        PyErr_SetString(PyExc_AttributeError, "can't delete context attribute");
        return -1;
    }
    if (context != Py_None && !PyContext_CheckExact(context)) {
        PyErr_SetString(PyExc_TypeError, "greenlet context must be a "
                                         "contextvars.Context or None");
        return -1;
    }
    if (runs_elsewhere(g)) {
        PyErr_SetString(PyExc_ValueError, "cannot set context of a greenlet "
                                          "that is running in a different "
                                          "thread");
        return -1;
    }
    context = context == Py_None ? NULL : Py_NewRef(context);
    if (is_current(g)) {
        old = tstate->context;
        pyg__state_set_context(tstate, context);
    } else {
        old = g->state.context;
        g->state.context = context;
    }
    Py_XDECREF(old);
    return 0;
}

/* ---- the rest ---- */

static PyObject *get_dead(PyObject *object, void *unused)
{
    (void)unused;
    return PyBool_FromLong(is_dead(of(object)));
}

/* G-160.  That of one whose thread has exited is there until somebody asks whether
 * it is dead. */
static PyObject *get_frame(PyObject *object, void *unused)
{
    struct pyg *g = of(object);
    PyObject *frame = NULL;

    (void)unused;
    if (g->active && !g->checked && g->thread->current != g)
        frame = pyg__state_frame(&g->state, PyThreadState_Get());
    return frame != NULL ? frame : Py_NewRef(Py_None);
}

static PyObject *get_stack_saved(PyObject *object, void *unused)
{
    const struct pyg *g = of(object);
    struct greenlet_stack_use use = { .used = 0 };

    (void)unused;
    if (pyg__is_active(g) && g->thread->current != g)
        greenlet_stack_use(g->stack, &use);
    return PyLong_FromSize_t(use.used);
}

PyGetSetDef pyg__accessors[] = {
    { "__dict__", PyObject_GenericGetDict, set_dict, NULL, NULL },
    { "run", get_run, set_run, NULL, NULL },
    { "parent", get_parent, set_parent, NULL, NULL },
    { "gr_frame", get_frame, NULL, NULL, NULL },
    { "gr_context", get_context, set_context, NULL, NULL },
    { "dead", get_dead, NULL, NULL, NULL },
    { "_stack_saved", get_stack_saved, NULL, NULL, NULL },
    { NULL, NULL, NULL, NULL, NULL }
};

/* G-016. */
PyObject *pyg__repr(PyObject *object)
{
    struct pyg *g = of(object);
    bool exited = g->thread != NULL && pyg__has_exited(g->thread);

    if (is_dead(g))
        return PyUnicode_FromFormat(
            "<%s object at %p (otid=%p) %sdead>", Py_TYPE(object)->tp_name,
            object, exited ? NULL : g->thread, exited ? "(thread exited) " : "");
    return PyUnicode_FromFormat(
        "<%s object at %p (otid=%p)%s%s%s%s>", Py_TYPE(object)->tp_name,
        object, g->thread,
        !g->active                                          ? ""
        : g->thread->current == g && g->thread == pyg__word ? " current"
                                                            : " suspended",
        g->active ? " active" : "", g->started ? " started" : " pending",
        g->is_main ? " main" : "");
}
