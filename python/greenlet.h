/* greenlet.h - the C interface of Python's `greenlet` package
 *
 * The same names, types and numbers as upstream's header has, so that what was
 * compiled with one works with the other.  PyGreenlet_Import() first; then the
 * names below are what the package's capsule "greenlet._C_API" has in its twelve
 * slots. */
#ifndef Py_GREENLETOBJECT_H
#define Py_GREENLETOBJECT_H

#include <Python.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Says nothing: it has been this since 1.0.  See greenlet.__version__. */
#define GREENLET_VERSION "1.0.0"

#ifndef GREENLET_MODULE
#define implementation_ptr_t void *
#endif

/* Types that are made in C may begin with it; what it has is not to be touched. */
typedef struct _greenlet {
    PyObject_HEAD
    PyObject *weakreflist;
    PyObject *dict;
    implementation_ptr_t pimpl;
} PyGreenlet;

#define PyGreenlet_Check(op) (op && PyObject_TypeCheck(op, &PyGreenlet_Type))

/* The slots. */
#define PyGreenlet_Type_NUM       0
#define PyExc_GreenletError_NUM   1
#define PyExc_GreenletExit_NUM    2
#define PyGreenlet_New_NUM        3
#define PyGreenlet_GetCurrent_NUM 4
#define PyGreenlet_Throw_NUM      5
#define PyGreenlet_Switch_NUM     6
#define PyGreenlet_SetParent_NUM  7
#define PyGreenlet_MAIN_NUM       8
#define PyGreenlet_STARTED_NUM    9
#define PyGreenlet_ACTIVE_NUM     10
#define PyGreenlet_GET_PARENT_NUM 11
#define PyGreenlet_API_pointers   12

#ifndef GREENLET_MODULE
static void **_PyGreenlet_API = NULL;

/* Fills the table; NULL, with an exception set, where there is no package. */
#define PyGreenlet_Import()                                               \
    {                                                                     \
        _PyGreenlet_API = (void **)PyCapsule_Import("greenlet._C_API", 0); \
    }

#define PyGreenlet__SLOT(type, name) (*(type)_PyGreenlet_API[name##_NUM])

#define PyGreenlet_Type PyGreenlet__SLOT(PyTypeObject *, PyGreenlet_Type)
#define PyExc_GreenletError \
    ((PyObject *)_PyGreenlet_API[PyExc_GreenletError_NUM])
#define PyExc_GreenletExit ((PyObject *)_PyGreenlet_API[PyExc_GreenletExit_NUM])

/* PyGreenlet *PyGreenlet_New(PyObject *run, PyGreenlet *parent): greenlet(run,
 * parent); either may be NULL.  A new reference. */
#define PyGreenlet_New \
    PyGreenlet__SLOT(PyGreenlet * (*)(PyObject *, PyGreenlet *), PyGreenlet_New)

/* PyGreenlet *PyGreenlet_GetCurrent(void): a new reference. */
#define PyGreenlet_GetCurrent \
    PyGreenlet__SLOT(PyGreenlet * (*)(void), PyGreenlet_GetCurrent)

/* PyObject *PyGreenlet_Throw(PyGreenlet *g, PyObject *type, PyObject *value,
 * PyObject *traceback): g.throw(); the last two may be NULL. */
#define PyGreenlet_Throw                                                      \
    PyGreenlet__SLOT(PyObject *(*)(PyGreenlet *, PyObject *, PyObject *,      \
                                   PyObject *),                               \
                     PyGreenlet_Throw)

/* PyObject *PyGreenlet_Switch(PyGreenlet *g, PyObject *args, PyObject *kwargs):
 * g.switch(*args, **kwargs); either may be NULL.  A new reference. */
#define PyGreenlet_Switch                                               \
    PyGreenlet__SLOT(PyObject *(*)(PyGreenlet *, PyObject *, PyObject *), \
                     PyGreenlet_Switch)

/* int PyGreenlet_SetParent(PyGreenlet *g, PyGreenlet *parent): 0 or -1. */
#define PyGreenlet_SetParent \
    PyGreenlet__SLOT(int (*)(PyGreenlet *, PyGreenlet *), PyGreenlet_SetParent)

/* PyGreenlet *PyGreenlet_GetParent(PyGreenlet *g): a new reference; NULL, without
 * an exception, for a main greenlet. */
#define PyGreenlet_GetParent \
    PyGreenlet__SLOT(PyGreenlet * (*)(PyGreenlet *), PyGreenlet_GET_PARENT)
#define PyGreenlet_GET_PARENT PyGreenlet_GetParent

/* int: 1, 0, or -1 with an exception for what is no greenlet. */
#define PyGreenlet_MAIN    PyGreenlet__SLOT(int (*)(PyGreenlet *), PyGreenlet_MAIN)
#define PyGreenlet_STARTED \
    PyGreenlet__SLOT(int (*)(PyGreenlet *), PyGreenlet_STARTED)
#define PyGreenlet_ACTIVE \
    PyGreenlet__SLOT(int (*)(PyGreenlet *), PyGreenlet_ACTIVE)

#endif

#ifdef __cplusplus
}
#endif
#endif
