#!/usr/bin/python3
# label: ci, python
# timeout: 600
"""Our greenlet.h: upstream's test extensions are built with it, and pass; it compiles
alone, in C and C++; each slot does what it says."""
import os
import subprocess
import sysconfig

import support

SLOTS = """
#include <greenlet.h>
static PyObject *check(PyObject *module, PyObject *g)
{
    PyGreenlet *one = (PyGreenlet *)g, *now = PyGreenlet_GetCurrent();
    PyGreenlet *made = PyGreenlet_New(NULL, now);
    PyGreenlet *parent = PyGreenlet_GetParent(now);
    PyObject *answer;
    (void)module;
    if (made == NULL || !PyGreenlet_Check(made))
        return NULL;
    answer = Py_BuildValue(
        "(iiiiiiOiO)", PyGreenlet_MAIN(now), PyGreenlet_MAIN(one),
        PyGreenlet_STARTED(one), PyGreenlet_ACTIVE(one),
        PyGreenlet_STARTED(made), PyGreenlet_SetParent(made, one),
        parent != NULL ? (PyObject *)parent : Py_None,
        PyGreenlet_MAIN((PyGreenlet *)Py_None), PyExc_GreenletExit);
    PyErr_Clear();
    Py_XDECREF(parent);
    Py_DECREF(made);
    Py_DECREF(now);
    return answer;
}
static PyMethodDef methods[] = {{"check", check, METH_O, NULL},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "slots", NULL, -1,
                                    methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_slots(void)
{
    PyGreenlet_Import();
    return _PyGreenlet_API != NULL ? PyModule_Create(&module) : NULL;
}
"""


def build(compiler, source, output, *flags):
    done = subprocess.run(
        [compiler, *flags, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra",
         "-Werror", "-Wno-missing-field-initializers", "-Wno-cast-function-type",
         "-isystem", sysconfig.get_paths()["include"], "-o", output, source],
        capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)


class Header(support.TestCase):
    def test_slots(self):
        for compiler, language in ("gcc", "c"), ("g++", "c++"):
            with self.subTest(language), support.scratch() as folder:
                source = os.path.join(folder, "slots." + language)
                with open(source, "w", encoding="ascii") as stream:
                    stream.write(SLOTS)
                build(compiler, source, os.path.join(folder, "slots.so"),
                      "-x", language, "-I", support.PACKAGE)
                self.assertRuns("""
import greenlet, slots
main = greenlet.getcurrent()
g = greenlet.greenlet(main.switch)
print(slots.check(g)[:7])
g.switch()
print(slots.check(g)[:7])
print(slots.check(g)[7:] == (-1, greenlet.GreenletExit))
""", "(1, 0, 0, 0, 0, 0, None)\n(1, 0, 1, 1, 0, 0, None)\nTrue\n",
                                folder=support.FOLDER + ":" + folder)

    def test_upstreams_extensions(self):
        support.need_modules("objgraph", "psutil")
        with support.scratch() as folder:
            package = support.copy_with_upstream_tests(folder)
            tests = os.path.join(package, "tests")
            for name in os.listdir(tests):
                if name.endswith(".so"):
                    os.unlink(os.path.join(tests, name))
            suffix = sysconfig.get_config_var("EXT_SUFFIX")
            for compiler, name in (("gcc", "_test_extension.c"),
                                   ("g++", "_test_extension_cpp.cpp")):
                # The second includes a header that has only macros of upstream's.
                if name.endswith("cpp"):
                    os.symlink(
                        os.path.join(support.UPSTREAM,
                                     "greenlet_compiler_compat.hpp"),
                        os.path.join(package, "greenlet_compiler_compat.hpp"))
                build(compiler, os.path.join(tests, name),
                      os.path.join(tests, name.split(".")[0] + suffix),
                      "-Wno-unused-parameter")
            done = subprocess.run(
                [support.PYTHON, "-m", "unittest",
                 "greenlet.tests.test_extension_interface",
                 "greenlet.tests.test_cpp"], cwd=folder,
                env=support.environment(folder, GREENLET_SKIP_LEAKCHECKS="1"),
                text=True, capture_output=True, timeout=300, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("OK", done.stderr)


if __name__ == "__main__":
    support.not_cross()
    support.main()
