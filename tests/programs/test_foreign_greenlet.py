#!/usr/bin/python3
# label: ci
"""Python's own greenlet module in a preloaded process: one line says whether
async views are safe with it.  A stand-in greenlet 0.4.17, which is one
extension, with the constant missing, false and true; a package around one; and
Debian's."""
import contextlib
import os
import subprocess
import sys
import tempfile

import harness
from harness import NATIVE, VIREO, PYTHON, Skip, check

# The interface of Python that is used, as it has been since 3.2: its headers
# need not be here.
SOURCE = r"""
#include <stddef.h>
#include <sys/types.h>

typedef struct object object;
struct module {
    ssize_t references;
    void *type;
    object *(*init)(void);
    ssize_t index;
    object *copy;
    const char *name, *doc;
    ssize_t size;
    void *methods, *slots, *traverse, *clear, *free;
};
object *PyModule_Create2(struct module *, int);
int PyModule_AddIntConstant(object *, const char *, long);
int PyModule_AddStringConstant(object *, const char *, const char *);

static struct module module = { 1, NULL, NULL, 0, NULL, "greenlet", NULL, -1,
                                NULL, NULL, NULL, NULL, NULL };

object *INIT(void)
{
    object *self = PyModule_Create2(&module, 1013);

    if (self == NULL)
        return NULL;
    PyModule_AddStringConstant(self, "__version__", "0.4.17");
#ifdef CONSTANT
    PyModule_AddIntConstant(self, "GREENLET_USE_CONTEXT_VARS", CONSTANT);
#endif
    return self;
}
"""

PROGRAM = ("import greenlet, sys; print(greenlet.__version__); "
           "print(hasattr(greenlet, 'GREENLET_USE_CONTEXT_VARS'))")
UNSAFE = ("vireo: greenlet %s (%s) has no context variables per greenlet: "
          "async views are not safe with it\n")
SAFE = "vireo: greenlet %s: async views are safe\n"


def suffix():
    return subprocess.run(
        [PYTHON, "-c", "import sysconfig; "
         "print(sysconfig.get_config_var('EXT_SUFFIX'))"],
        check=True, stdout=subprocess.PIPE).stdout.decode().strip()


def compiled(path, init="PyInit_greenlet", constant=None):
    harness.need("cc")
    flags = ["-DINIT=" + init]
    if constant is not None:
        flags.append("-DCONSTANT=%d" % constant)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", *flags, "-x", "c", "-",
                    "-o", path], input=SOURCE.encode(), check=True)
    return path


@contextlib.contextmanager
def stand_in(constant=None):
    """A folder with a greenlet 0.4.17, and the path of its extension."""
    with tempfile.TemporaryDirectory(prefix="vireo-greenlet-") as folder:
        yield folder, compiled(os.path.join(folder, "greenlet" + suffix()),
                               constant=constant)


def run_both(program, folder=None, verbose="0"):
    """Of both runs stdout and status are the same; what Vireo says."""
    env = {"VIREO_VERBOSE": verbose}
    if folder:
        env["PYTHONPATH"] = folder
    done = {mode: harness.run([PYTHON, "-c", program], mode, env)
            for mode in harness.modes()}
    native = done[NATIVE]
    if VIREO not in done:
        raise Skip("nothing to see natively")
    check(done[VIREO][:2] == native[:2], "gives %s, natively %s",
          done[VIREO], native)
    lines = done[VIREO][2].splitlines(True)
    own = [line for line in lines if line.startswith("vireo: ")]
    rest = "".join(line for line in lines if line not in own)
    check(rest == native[2], "stderr is %r, natively %r", rest, native[2])
    return native, own


def about_greenlet(lines):
    return [line for line in lines if "greenlet" in line]


def test_a_stand_in_0_4_17_without_the_constant_is_not_safe():
    with stand_in() as (folder, path):
        native, said = run_both(PROGRAM, folder)
    check(native[:2] == (0, "0.4.17\nFalse\n"), "natively %s", native)
    check(said == [UNSAFE % ("0.4.17", path)], "says %r", said)


def test_nor_with_a_false_one():
    with stand_in(0) as (folder, path):
        native, said = run_both(PROGRAM, folder)
    check(native[:2] == (0, "0.4.17\nTrue\n"), "natively %s", native)
    check(said == [UNSAFE % ("0.4.17", path)], "says %r", said)


def test_with_a_true_one_nothing_is_said_unless_asked():
    with stand_in(1) as (folder, _):
        _, said = run_both(PROGRAM, folder)
        check(said == [], "says %r", said)
        _, said = run_both(PROGRAM, folder, verbose="2")
    check(about_greenlet(said) == [SAFE % "0.4.17"], "says %r", said)


def test_imported_in_a_thread():
    with stand_in() as (folder, path):
        _, said = run_both(
            "import threading\n"
            "def work():\n"
            "    import greenlet\n"
            "    print(greenlet.__version__)\n"
            "t = threading.Thread(target=work)\n"
            "t.start(); t.join()\n"
            "print(sum(i for i in range(1000)))\n", folder)
    check(said == [UNSAFE % ("0.4.17", path)], "says %r", said)


def test_imported_twice_it_is_said_once():
    with stand_in() as (folder, path):
        _, said = run_both(
            "import sys, greenlet\n"
            "for i in range(1000): pass\n"
            "del sys.modules['greenlet']\n"
            "import greenlet\n"
            "for i in range(1000): pass\n", folder)
    check(said == [UNSAFE % ("0.4.17", path)], "says %r", said)


PACKAGE = """
from threading import Event
__version__ = '0.5'
for i in range(20000):
    str(i).strip()
from greenlet._greenlet import __version__ as extension
for i in range(20000):
    str(i).strip()
%s
"""


def in_package(last_line):
    with tempfile.TemporaryDirectory(prefix="vireo-greenlet-") as folder:
        package = os.path.join(folder, "greenlet")
        os.mkdir(package)
        compiled(os.path.join(package, "_greenlet" + suffix()),
                 init="PyInit__greenlet")
        with open(os.path.join(package, "__init__.py"), "w") as f:
            f.write(PACKAGE % last_line)
        path = os.path.join(package, "__init__.py")
        return path, *run_both("import greenlet; print(greenlet.extension); "
                               "import wave; [str(i) for i in range(9)]",
                               folder, "2")


def test_a_package_whose_extension_has_it_not():
    path, native, said = in_package("")
    check(native[0] == 0, "natively %s", native)
    check(about_greenlet(said) == [UNSAFE % ("0.5", path)], "says %r", said)


def test_a_package_that_has_it_in_the_end():
    path, native, said = in_package("GREENLET_USE_CONTEXT_VARS = True")
    check(native[0] == 0, "natively %s", native)
    check(about_greenlet(said) == [SAFE % "0.5"], "says %r", said)


def in_python(name, constant):
    """A stand-in without an extension, imported for the first time and then
    from what was compiled of it."""
    with tempfile.TemporaryDirectory(prefix="vireo-greenlet-") as folder:
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write("__version__ = '0.4.17'\nimport json\n" + constant)
        for _ in range(2):
            native, said = run_both(
                "import sys; sys.dont_write_bytecode = False\n"
                "import greenlet; print(greenlet.__version__)\n"
                "[str(i) for i in range(9)]", folder, "2")
            check(native[0] == 0, "natively %s", native)
            yield path, about_greenlet(said)


def test_written_in_python():
    for name in "greenlet.py", "greenlet/__init__.py":
        for path, said in in_python(name, ""):
            check(said == [UNSAFE % ("0.4.17", path)], "says %r", said)
        for path, said in in_python(name, "GREENLET_USE_CONTEXT_VARS = True"):
            check(said == [SAFE % "0.4.17"], "says %r", said)


def test_an_import_that_fails_says_nothing():
    with tempfile.TemporaryDirectory(prefix="vireo-greenlet-") as folder:
        with open(os.path.join(folder, "greenlet" + suffix()), "w") as f:
            f.write("this is no library\n")
        native, said = run_both(
            "try:\n    import greenlet\nexcept ImportError as e:\n"
            "    print('no')\nfor i in range(9999): str(i)\n", folder)
    check(native[:2] == (0, "no\n"), "natively %s", native)
    check(said == [], "says %r", said)


def test_debians():
    found = subprocess.run([PYTHON, "-c", "import greenlet; "
                            "print(greenlet.__version__, end='')"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if found.returncode != 0:
        raise Skip("python3-greenlet is not installed")
    version = found.stdout.decode()
    program = ("import greenlet\n"
               "def body(x):\n"
               "    while True: x = greenlet.getcurrent().parent.switch(x)\n"
               "g = greenlet.greenlet(body)\n"
               "print([g.switch(i) for i in range(100)] == list(range(100)))\n")
    native, said = run_both(program)
    check(native[:2] == (0, "True\n"), "natively %s", native)
    check(said == [], "says %r", said)
    _, said = run_both(program, verbose="2")
    check(about_greenlet(said) == [SAFE % version], "says %r", said)


def test_who_imports_none_hears_nothing():
    _, said = run_both("import json; print(json.dumps([1]))", verbose="2")
    check(about_greenlet(said) == [], "says %r", said)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
