/* type.c - the type: making, the collector, the end of an object, its methods */
#include "impl.h"

PyObject *pyg__error, *pyg__exit, *pyg__name_run;
static PyObject *no_arguments; /* () */

/* ---- making ---- */

/* Through object's, which refuses abstract classes (G-014). */
static struct pyg *make(PyTypeObject *type)
{
    struct pyg *g = PyMem_Calloc(1, sizeof *g);
    PyGreenlet *object;

    if (g == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    object = (PyGreenlet *)(type == &PyGreenlet_Type
                                ? type->tp_alloc(type, 0)
                                : PyBaseObject_Type.tp_new(type, no_arguments,
                                                           NULL));
    if (object == NULL) {
        PyMem_Free(g);
        return NULL;
    }
    object->pimpl = g;
    g->object = object;
    return g;
}

/* A new one, whose parent is the current one (G-002). */
PyGreenlet *pyg__new(PyTypeObject *type)
{
    struct pyg *g = make(type);
    struct pyg__thread *self;

    if (g == NULL)
        return NULL;
    self = pyg__thread_ready(); /* after what may have collected garbage */
    if (self == NULL) {
        Py_DECREF(g->object);
        return NULL;
    }
    g->parent = (PyGreenlet *)Py_NewRef(self->current->object);
    return g->object;
}

struct pyg *pyg__new_main(void)
{
    struct pyg *g = make(&PyGreenlet_Type);

    if (g != NULL) {
        g->started = g->active = g->is_main = 1;
        pyg__mains++;
    }
    return g;
}

static PyObject *type_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return (PyObject *)pyg__new(type);
}

static int type_setup(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = { "run", "parent", NULL };
    PyObject *run = NULL, *parent = NULL;
    struct pyg *g = ((PyGreenlet *)object)->pimpl;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:green", names, &run,
                                     &parent))
        return -1;
    if (run != NULL && pyg__set_run(g, run) < 0)
        return -1;
    if (parent != NULL && parent != Py_None)
        return pyg__set_parent(g, parent);
    return 0;
}

/* ---- the collector ---- */

static int type_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct pyg *g = ((PyGreenlet *)object)->pimpl;

    Py_VISIT(((PyGreenlet *)object)->dict);
    if (g == NULL)
        return 0;
    Py_VISIT(g->parent);
    Py_VISIT(g->run);
    if (g->is_main && g->thread != NULL)
        Py_VISIT(g->thread->tracer);
    return pyg__state_traverse(&g->state, visit, arg);
}

static int type_clear(PyObject *object)
{
    PyGreenlet *greenlet = (PyGreenlet *)object;
    struct pyg *g = greenlet->pimpl;

    Py_CLEAR(greenlet->dict);
    Py_CLEAR(g->parent);
    Py_CLEAR(g->run);
    pyg__state_clear(&g->state);
    return 0;
}

/* What an active greenlet refers to is on its stack, out of the collector's sight:
 * it must not take it for garbage (G-107). */
static int type_is_collectable(PyObject *object)
{
    const struct pyg *g = ((PyGreenlet *)object)->pimpl;

    return g == NULL || g->is_main || !g->active;
}

/* ---- the end of an object ---- */

/* The object lives on, by references that were made meanwhile.  That to its type
 * was given up, or is about to be, by who called us for a subclass. */
static void resurrect(PyObject *object)
{
    if (Py_TYPE(object)->tp_flags & Py_TPFLAGS_HEAPTYPE)
        Py_INCREF(Py_TYPE(object));
    if (!PyObject_GC_IsTracked(object))
        PyObject_GC_Track(object);
}

static void say_alive(PyObject *object)
{
    PyObject *type, *value, *traceback, *err;

    PyErr_Fetch(&type, &value, &traceback);
    err = PySys_GetObject("stderr");
    if (err != NULL && err != Py_None) {
        PyFile_WriteString("GreenletExit did not kill ", err);
        PyFile_WriteObject(object, err, 0);
        PyFile_WriteString("\n", err);
    }
    PyErr_Restore(type, value, traceback);
}

/* Its last reference went in its own thread.  True: it lives on. */
static bool kill_it(struct pyg__thread *self, struct pyg *g)
{
    PyObject *object = (PyObject *)g->object;

    Py_SET_REFCNT(object, 1);
    pyg__kill(self, g);
    if (Py_REFCNT(object) == 1 && g->active) { /* G-099 */
        say_alive(object);
        resurrect(object); /* by the reference that is given up nowhere */
        return true;
    }
    Py_SET_REFCNT(object, Py_REFCNT(object) - 1);
    if (Py_REFCNT(object) == 0)
        return false;
    resurrect(object); /* G-100 */
    return true;
}

/* Its thread has exited: nothing of it runs any more (G-104). */
static void abandon(struct pyg *g)
{
    struct greenlet *stack = g->stack;

    g->stack = NULL;
    g->active = 0;
    if (pyg__state_abandon(&g->state))
        pyg__stack_abandon(stack);
}

/* True: the object lives on. */
static bool end_active(struct pyg *g)
{
    PyObject *object = (PyObject *)g->object;

    if (g->thread == pyg__word && !pyg__finalizing())
        return kill_it(pyg__word, g);
    if (g->thread != pyg__word && !pyg__has_exited(g->thread)) {
        Py_SET_REFCNT(object, 1);
        if (pyg__leave_to_owner(g)) {
            resurrect(object);
            return true;
        }
        Py_SET_REFCNT(object, 0);
    }
    abandon(g);
    return false;
}

static void free_parts(PyGreenlet *greenlet)
{
    struct pyg *g = greenlet->pimpl;

    if (greenlet->weakreflist != NULL)
        PyObject_ClearWeakRefs((PyObject *)greenlet);
    if (g == NULL)
        return;
    if (g->is_main)
        pyg__mains--;
    type_clear((PyObject *)greenlet);
    Py_CLEAR(g->body);
    if (g->cargo.kind != PYG_NOTHING) /* else what it has is not its own */
        pyg__cargo_clear(&g->cargo);
    if (g->thread != NULL)
        pyg__thread_unref(g->thread);
    greenlet->pimpl = NULL;
    PyMem_Free(g);
}

static void type_dealloc(PyObject *object)
{
    PyGreenlet *greenlet = (PyGreenlet *)object;
    struct pyg *g = greenlet->pimpl;

    PyObject_GC_UnTrack(object);
    if (g != NULL && g->active && !g->is_main && end_active(g))
        return;
    Py_TRASHCAN_BEGIN(object, type_dealloc) /* chains of parents may be long */
    free_parts(greenlet);
    Py_TYPE(object)->tp_free(object);
    Py_TRASHCAN_END
}

/* ---- methods ---- */

PyDoc_STRVAR(switch_doc,
"switch(*args, **kwargs)\n\n"
"Switch to this greenlet.\n\n"
"One that is new starts by run(*args, **kwargs).  In one that is suspended the\n"
"switch that it waits in returns what is given: (), the one argument, the tuple\n"
"of them, the dictionary of keywords, or the pair of both.  One that is dead\n"
"stands for its parent.  Returns what is given to the switch that comes back.");

static PyObject *keywords(PyObject *const *values, PyObject *names)
{
    PyObject *all = PyDict_New();
    Py_ssize_t i;

    for (i = 0; all != NULL && i < PyTuple_GET_SIZE(names); i++)
        if (PyDict_SetItem(all, PyTuple_GET_ITEM(names, i), values[i]) < 0)
            Py_CLEAR(all);
    return all;
}

static PyObject *tuple(PyObject *const *values, Py_ssize_t count)
{
    PyObject *all = PyTuple_New(count);
    Py_ssize_t i;

    for (i = 0; all != NULL && i < count; i++)
        PyTuple_SET_ITEM(all, i, Py_NewRef(values[i]));
    return all;
}

static PyObject *type_switch(PyObject *object, PyObject *const *args,
                             Py_ssize_t count, PyObject *names)
{
    struct pyg__cargo cargo = { PYG_VALUE, NULL, NULL, NULL };

    if (names != NULL && PyTuple_GET_SIZE(names) > 0) {
        cargo.more = keywords(args + count, names);
        if (cargo.more == NULL)
            return NULL;
    }
    if (count == 1 && cargo.more == NULL) {
        cargo.value = Py_NewRef(args[0]);
    } else {
        cargo.kind = PYG_ARGUMENTS;
        cargo.value = count == 0 ? Py_NewRef(no_arguments) : tuple(args, count);
        if (cargo.value == NULL) {
            Py_XDECREF(cargo.more);
            return NULL;
        }
    }
    return pyg__send(((PyGreenlet *)object)->pimpl, &cargo);
}

PyDoc_STRVAR(throw_doc,
"throw(type=GreenletExit, value=None, traceback=None)\n\n"
"Switch to this greenlet and raise the exception there, as `raise` would.  In\n"
"one that is new the body never runs; one that is dead stands for its parent.\n"
"A GreenletExit that ends a greenlet is what its parent's switch returns.");

static PyObject *type_throw(PyObject *object, PyObject *args)
{
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    struct pyg__cargo cargo;

    if (!PyArg_ParseTuple(args, "|OOO:throw", &type, &value, &traceback) ||
        !pyg__throwable(type, value, traceback, &cargo))
        return NULL;
    return pyg__throw(((PyGreenlet *)object)->pimpl, &cargo);
}

static PyObject *type_getstate(PyObject *object, PyObject *nothing)
{
    (void)nothing;
    return PyErr_Format(PyExc_TypeError, "cannot serialize '%s' object",
                        Py_TYPE(object)->tp_name); /* G-012 */
}

static int type_bool(PyObject *object)
{
    return pyg__is_active(((PyGreenlet *)object)->pimpl);
}

static PyMethodDef methods[] = {
    { "switch", (PyCFunction)(void (*)(void))type_switch,
      METH_FASTCALL | METH_KEYWORDS, switch_doc },
    { "throw", type_throw, METH_VARARGS, throw_doc },
    { "__getstate__", type_getstate, METH_NOARGS, NULL },
    { NULL, NULL, 0, NULL }
};

PyDoc_STRVAR(type_doc,
"greenlet(run=None, parent=None) -> greenlet\n\n"
"Creates a new greenlet object (without running it).\n\n"
" - *run* -- The callable to invoke.\n"
" - *parent* -- The parent greenlet. The default is the current greenlet.");

static PyNumberMethods numbers = { .nb_bool = type_bool };

PyTypeObject PyGreenlet_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "greenlet.greenlet",
    .tp_basicsize = sizeof(PyGreenlet),
    .tp_dealloc = type_dealloc,
    .tp_repr = pyg__repr,
    .tp_as_number = &numbers,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = type_doc,
    .tp_traverse = type_traverse,
    .tp_clear = type_clear,
    .tp_weaklistoffset = offsetof(PyGreenlet, weakreflist),
    .tp_methods = methods,
    .tp_getset = pyg__accessors,
    .tp_dictoffset = offsetof(PyGreenlet, dict),
    .tp_init = type_setup,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = type_new,
    .tp_free = PyObject_GC_Del,
    .tp_is_gc = type_is_collectable
};

int pyg__type_init(PyObject *module)
{
    no_arguments = PyTuple_New(0);
    pyg__name_run = PyUnicode_InternFromString("run");
    pyg__error = PyErr_NewException("greenlet.error", NULL, NULL);
    pyg__exit = PyErr_NewException("greenlet.GreenletExit",
                                   PyExc_BaseException, NULL);
    if (no_arguments == NULL || pyg__name_run == NULL || pyg__error == NULL ||
        pyg__exit == NULL || PyType_Ready(&PyGreenlet_Type) < 0)
        return -1;
    if (PyModule_AddObjectRef(module, "greenlet",
                              (PyObject *)&PyGreenlet_Type) < 0 ||
        PyModule_AddObjectRef(module, "error", pyg__error) < 0 ||
        PyModule_AddObjectRef(module, "GreenletExit", pyg__exit) < 0)
        return -1;
    return 0;
}
