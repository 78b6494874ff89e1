/* module.c - greenlet._greenlet: what the package is made of */
#include "impl.h"

#include <time.h>

PyDoc_STRVAR(getcurrent_doc,
"getcurrent() -> greenlet\n\n"
"Returns the current greenlet (i.e. the one which called this function).");
PyDoc_STRVAR(settrace_doc,
"settrace(callback) -> object\n\n"
"Sets a new tracing function and returns the previous one.");
PyDoc_STRVAR(gettrace_doc,
"gettrace() -> object\n\n"
"Returns the currently set tracing function, or None.");
PyDoc_STRVAR(stack_size_doc,
"stack_size([bytes]) -> int\n\n"
"The size of the stacks of greenlets that this thread starts, and those that\n"
"start later, from now on; 0 for that of their thread's own.  Returns the one\n"
"before.");
PyDoc_STRVAR(trim_stacks_doc,
"trim_stacks() -> int\n\n"
"Gives memory that suspended greenlets of this thread have used, and do not use\n"
"now, back to the system.  Returns how many were looked at.");

PyDoc_STRVAR(set_thread_local_doc,
"set_thread_local(key, value)\n\n"
"For tests: what the thread's own dictionary keeps as long as the thread is.");
PyDoc_STRVAR(pending_doc,
"get_pending_cleanup_count() -> int\n\n"
"How many threads have exited and have not been cleaned up.");
PyDoc_STRVAR(mains_doc,
"get_total_main_greenlets() -> int\n\n"
"How many main greenlets there are.");
PyDoc_STRVAR(clocks_doc,
"get_clocks_used_doing_optional_cleanup() -> int or None\n\n"
"What the search for references that nobody will give up, at the end of a thread,\n"
"has taken, in ticks (CLOCKS_PER_SEC); None when it is off.");
PyDoc_STRVAR(enable_doc,
"enable_optional_cleanup(enable)\n\n"
"Turns that search on or off; see get_clocks_used_doing_optional_cleanup().");
#ifdef PYG__HAS_TRASH_NESTING
PyDoc_STRVAR(trash_nesting_doc,
"get_tstate_trash_delete_nesting() -> int\n\n"
"For tests: how deep this thread is in the interpreter's trash can.");
#endif

static PyObject *getcurrent(PyObject *module, PyObject *nothing)
{
    struct pyg__thread *self = pyg__thread_ready();

    (void)module;
    (void)nothing;
    return self != NULL ? Py_NewRef(self->current->object) : NULL;
}

/* For tests: what is alive only as long as the thread state is. */
static PyObject *set_thread_local(PyObject *module, PyObject *args)
{
    PyObject *key, *value, *all = PyThreadState_GetDict();

    (void)module;
    if (!PyArg_UnpackTuple(args, "set_thread_local", 2, 2, &key, &value))
        return NULL;
    if (all == NULL || PyDict_SetItem(all, key, value) < 0)
        return NULL;
    return Py_NewRef(Py_None);
}

#ifdef PYG__HAS_TRASH_NESTING
static PyObject *trash_nesting(PyObject *module, PyObject *nothing)
{
    (void)module;
    (void)nothing;
    return PyLong_FromLong(PyThreadState_Get()->trash_delete_nesting);
}
#endif

static PyMethodDef functions[] = {
    { "getcurrent", getcurrent, METH_NOARGS, getcurrent_doc },
    { "settrace", pyg__settrace, METH_VARARGS, settrace_doc },
    { "gettrace", pyg__gettrace, METH_NOARGS, gettrace_doc },
    { "stack_size", pyg__stack_size, METH_VARARGS, stack_size_doc },
    { "trim_stacks", pyg__trim_stacks, METH_NOARGS, trim_stacks_doc },
    { "set_thread_local", set_thread_local, METH_VARARGS,
      set_thread_local_doc },
    { "get_pending_cleanup_count", pyg__get_pending_cleanup_count, METH_NOARGS,
      pending_doc },
    { "get_total_main_greenlets", pyg__get_total_main_greenlets, METH_NOARGS,
      mains_doc },
    { "get_clocks_used_doing_optional_cleanup", pyg__get_clocks, METH_NOARGS,
      clocks_doc },
    { "enable_optional_cleanup", pyg__enable_optional_cleanup, METH_O, enable_doc },
#ifdef PYG__HAS_TRASH_NESTING
    { "get_tstate_trash_delete_nesting", trash_nesting, METH_NOARGS,
      trash_nesting_doc },
#endif
    { NULL, NULL, 0, NULL }
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "greenlet._greenlet", .m_size = -1,
    .m_methods = functions
};

static int add_constants(PyObject *module)
{
    static const char *const yes[] = { "GREENLET_USE_GC",
                                       "GREENLET_USE_TRACING",
                                       "GREENLET_USE_CONTEXT_VARS",
                                       "GREENLET_USE_STANDARD_THREADING" };
    size_t i;

    for (i = 0; i < sizeof yes / sizeof yes[0]; i++)
        if (PyModule_AddObjectRef(module, yes[i], Py_True) < 0)
            return -1;
    return PyModule_AddIntConstant(module, "CLOCKS_PER_SEC", CLOCKS_PER_SEC);
}

/* G-015. */
static int copy_to_type(PyObject *module)
{
    static const char *const names[] = { "getcurrent", "error", "GreenletExit",
                                         "settrace", "gettrace" };
    PyObject *value;
    size_t i;
    int rc = 0;

    for (i = 0; rc == 0 && i < sizeof names / sizeof names[0]; i++) {
        value = PyObject_GetAttrString(module, names[i]);
        if (value == NULL)
            return -1;
        rc = PyDict_SetItemString(PyGreenlet_Type.tp_dict, names[i], value);
        Py_DECREF(value);
    }
    PyType_Modified(&PyGreenlet_Type);
    return rc;
}

PyMODINIT_FUNC PyInit__greenlet(void);
PyMODINIT_FUNC PyInit__greenlet(void)
{
    PyObject *module = PyModule_Create(&definition);

    if (module == NULL)
        return NULL;
    if (pyg__threads_init() < 0 || pyg__type_init(module) < 0 ||
        add_constants(module) < 0 || copy_to_type(module) < 0 ||
        pyg__capi_init(module) < 0 || pyg__unswitchable_init(module) < 0 ||
        pyg__thread_self() == NULL)
        Py_CLEAR(module);
    return module;
}
