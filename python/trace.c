/* trace.c - settrace and gettrace: who is told of switches */
#include "impl.h"

/* G-133, G-134.  The interpreter's own tracers are not told of what it does. */
int pyg__trace(struct pyg__thread *self, enum pyg__kind kind,
               struct pyg *origin, struct pyg *target)
{
    PyThreadState *tstate = PyThreadState_Get();
    PyObject *tracer = Py_NewRef(self->tracer), *result;

    PyThreadState_EnterTracing(tstate);
    result = PyObject_CallFunction(
        tracer, "s(OO)", kind == PYG_THROWN ? "throw" : "switch",
        origin->object, target->object);
    PyThreadState_LeaveTracing(tstate);
    Py_DECREF(tracer);
    if (result != NULL) {
        Py_DECREF(result);
        return 0;
    }
    Py_CLEAR(self->tracer); /* G-136 */
    return -1;
}

PyObject *pyg__settrace(PyObject *module, PyObject *args)
{
    struct pyg__thread *self = pyg__thread_ready();
    PyObject *old, *tracer;

    (void)module;
    if (self == NULL || !PyArg_ParseTuple(args, "O", &tracer))
        return NULL;
    old = self->tracer;
    self->tracer = tracer == Py_None ? NULL : Py_NewRef(tracer);
    return old != NULL ? old : Py_NewRef(Py_None);
}

PyObject *pyg__gettrace(PyObject *module, PyObject *nothing)
{
    struct pyg__thread *self = pyg__thread_ready();

    (void)module;
    (void)nothing;
    if (self == NULL)
        return NULL;
    return Py_NewRef(self->tracer != NULL ? self->tracer : Py_None);
}
