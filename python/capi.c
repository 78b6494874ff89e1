/* capi.c - the twelve slots of "greenlet._C_API" (greenlet.h) */
#include "impl.h"

static struct pyg *checked(PyGreenlet *g)
{
    if (pyg__check((PyObject *)g))
        return g->pimpl;
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "Expected a greenlet, not %s",
                     g != NULL ? Py_TYPE(g)->tp_name : "NULL");
    return NULL;
}

static PyGreenlet *new(PyObject *run, PyGreenlet *parent)
{
    PyGreenlet *g = pyg__new(&PyGreenlet_Type);

    if (g == NULL)
        return NULL;
    g->pimpl->run = Py_XNewRef(run);
    if (parent != NULL && (PyObject *)parent != Py_None &&
        pyg__set_parent(g->pimpl, (PyObject *)parent) < 0)
        Py_CLEAR(g);
    return g;
}

static PyGreenlet *get_current(void)
{
    struct pyg__thread *self = pyg__thread_ready();

    return self != NULL ? (PyGreenlet *)Py_NewRef(self->current->object)
                        : NULL;
}

static PyObject *throw(PyGreenlet *g, PyObject *type, PyObject *value,
                       PyObject *traceback)
{
    struct pyg__cargo cargo;
    struct pyg *to = checked(g);

    if (to == NULL || !pyg__throwable(type, value, traceback, &cargo))
        return NULL;
    return pyg__throw(to, &cargo);
}

static PyObject *switch_(PyGreenlet *g, PyObject *args, PyObject *kwargs)
{
    struct pyg__cargo cargo = { PYG_ARGUMENTS, NULL, NULL, NULL };
    struct pyg *to = checked(g);

    if (to == NULL)
        return NULL;
    if (args != NULL && !PyTuple_Check(args))
        return PyErr_Format(PyExc_TypeError, "args must be a tuple, not %s",
                            Py_TYPE(args)->tp_name);
    if (kwargs != NULL && PyDict_Check(kwargs) && PyDict_GET_SIZE(kwargs) > 0)
        cargo.more = Py_NewRef(kwargs);
    if (args != NULL && cargo.more == NULL && PyTuple_GET_SIZE(args) == 1) {
        cargo.kind = PYG_VALUE;
        args = PyTuple_GET_ITEM(args, 0);
    }
    cargo.value = args != NULL ? Py_NewRef(args) : PyTuple_New(0);
    return pyg__send(to, &cargo);
}

static int set_parent(PyGreenlet *g, PyGreenlet *parent)
{
    struct pyg *child = checked(g);

    return child != NULL ? pyg__set_parent(child, (PyObject *)parent) : -1;
}

static int is_main(PyGreenlet *g)
{
    const struct pyg *is = checked(g);

    return is != NULL ? is->is_main : -1;
}

static int is_started(PyGreenlet *g)
{
    const struct pyg *is = checked(g);

    return is != NULL ? is->started : -1;
}

static int is_active(PyGreenlet *g)
{
    const struct pyg *is = checked(g);

    return is != NULL ? pyg__is_active(is) : -1;
}

static PyGreenlet *get_parent(PyGreenlet *g)
{
    const struct pyg *child = checked(g);

    return child != NULL ? (PyGreenlet *)Py_XNewRef(child->parent) : NULL;
}

int pyg__capi_init(PyObject *module)
{
    static void *slots[PyGreenlet_API_pointers];
    PyObject *capsule;
    int rc;

    slots[PyGreenlet_Type_NUM] = &PyGreenlet_Type;
    slots[PyExc_GreenletError_NUM] = pyg__error;
    slots[PyExc_GreenletExit_NUM] = pyg__exit;
    slots[PyGreenlet_New_NUM] = (void *)new;
    slots[PyGreenlet_GetCurrent_NUM] = (void *)get_current;
    slots[PyGreenlet_Throw_NUM] = (void *)throw;
    slots[PyGreenlet_Switch_NUM] = (void *)switch_;
    slots[PyGreenlet_SetParent_NUM] = (void *)set_parent;
    slots[PyGreenlet_MAIN_NUM] = (void *)is_main;
    slots[PyGreenlet_STARTED_NUM] = (void *)is_started;
    slots[PyGreenlet_ACTIVE_NUM] = (void *)is_active;
    slots[PyGreenlet_GET_PARENT_NUM] = (void *)get_parent;
    capsule = PyCapsule_New(slots, "greenlet._C_API", NULL);
    if (capsule == NULL)
        return -1;
    rc = PyModule_AddObjectRef(module, "_C_API", capsule);
    Py_DECREF(capsule);
    return rc;
}
