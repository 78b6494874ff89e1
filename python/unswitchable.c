/* unswitchable.c - greenlets for tests, into which a switch can be made to fail
 *
 * As upstream's of that name (G-052): force_switch_error refuses the switch, and
 * nothing has happened; force_slp_switch_error breaks the jump itself, after which
 * nothing can go on. */
#include "impl.h"

#include <stddef.h>
#include <structmember.h>

struct unswitchable {
    PyGreenlet greenlet;
    char refuses, breaks;
};

int pyg__try_switch(const struct pyg *g)
{
    const struct unswitchable *one = (struct unswitchable *)g->object;

    if (one->breaks)
        Py_FatalError("greenlet: the low-level switch failed; the stack is "
                      "probably corrupt");
    if (!one->refuses)
        return 0;
    PyErr_SetString(PyExc_SystemError,
                    g->started
                        ? "Failed to switch stacks into a running greenlet."
                        : "Failed to switch stacks into a greenlet for the "
                          "first time.");
    return -1;
}

static PyObject *new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyGreenlet *object = pyg__new(type);

    (void)args;
    (void)kwargs;
    if (object != NULL)
        object->pimpl->unswitchable = 1;
    return (PyObject *)object;
}

static PyMemberDef members[] = {
    { "force_switch_error", T_BOOL, offsetof(struct unswitchable, refuses), 0,
      NULL },
    { "force_slp_switch_error", T_BOOL, offsetof(struct unswitchable, breaks), 0,
      NULL },
    { NULL, 0, 0, 0, NULL }
};

static PyTypeObject type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "greenlet._greenlet.UnswitchableGreenlet",
    .tp_basicsize = sizeof(struct unswitchable),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "For tests of greenlet itself.",
    .tp_members = members,
    .tp_base = &PyGreenlet_Type,
    .tp_new = new
};

int pyg__unswitchable_init(PyObject *module)
{
    if (PyType_Ready(&type) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "UnswitchableGreenlet",
                                 (PyObject *)&type);
}
