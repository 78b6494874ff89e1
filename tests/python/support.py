"""What the tests of python/ share: where the package is, and programs that run with
it in a process of their own.

A test that cannot run here ends with status 77 and says why."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE_DIR = os.environ.get("SOURCE_DIR") or os.path.dirname(
    os.path.dirname(HERE))
BUILD_DIR = os.path.abspath(os.environ.get("BUILD_DIR") or os.path.join(
    SOURCE_DIR, "build"))
CROSS = os.environ.get("CROSS", "0") == "1"
PYTHON = "/usr/bin/python3"
FOLDER = os.path.join(BUILD_DIR, "python")
PACKAGE = os.path.join(FOLDER, "greenlet")
PRELOAD = os.path.join(BUILD_DIR, "lib", "libvireo-preload.so")
UPSTREAM = "/usr/lib/python3/dist-packages/greenlet"


def skip(reason):
    print("skipped: " + reason)
    sys.exit(77)


def need_package():
    names = os.listdir(PACKAGE) if os.path.isdir(PACKAGE) else []
    if not any(name.startswith("_greenlet.") for name in names):
        skip("the package is not built: no python3-dev, or another release of "
             "CPython than python/state.h has a file for")
    if CROSS:
        use_emulator()


unless_emulated = unittest.skipIf(CROSS, "memory of qemu's own, or a package of "
                                  "Debian's")


def use_emulator():
    """Cross-built: the programs run on the sysroot's Python, under qemu."""
    global PYTHON, UPSTREAM
    sysroot = os.path.join(os.path.dirname(BUILD_DIR), "sysroot-aarch64")
    python = os.path.join(sysroot, "usr/bin/python3.11")
    if not os.path.exists(python):
        skip("no Python of arm64 in " + sysroot)
    UPSTREAM = sysroot + UPSTREAM
    PYTHON = os.path.join(FOLDER, "python-arm64")
    with open(PYTHON + ".new", "w", encoding="ascii") as script:
        script.write("#!/bin/sh\nexport PYTHONHOME=%s/usr\n"
                     "exec qemu-aarch64-static -L %s "
                     "${GUEST_PRELOAD:+-E LD_PRELOAD=$GUEST_PRELOAD} "
                     "%s \"$@\"\n" %
                     (sysroot, sysroot, python))
    os.chmod(PYTHON + ".new", 0o755)
    os.replace(PYTHON + ".new", PYTHON)


def not_cross():
    if CROSS:
        skip("what it needs has no arm64 package in the sysroot")


def need_modules(*names):
    """Debian's, of its own Python."""
    for name in names:
        probe = subprocess.run([PYTHON, "-c", "import " + name],
                               capture_output=True, check=False)
        if probe.returncode:
            skip("%s has no %s" % (PYTHON, name))


def environment(folder=FOLDER, **more):
    env = {name: value for name, value in os.environ.items()
           if name not in ("PYTHONPATH", "LD_PRELOAD")}
    env.update(PYTHONPATH=folder, PYTHONDONTWRITEBYTECODE="1", **more)
    return env


def run(source, *args, folder=FOLDER, timeout=120, preload=False, flags=(),
        **more):
    """Run a program given as text on the package; what it did."""
    env = environment(folder, **more)
    if preload:
        # Under qemu it is for the program, not for qemu and the shell.
        env.update({"GUEST_PRELOAD" if CROSS else "LD_PRELOAD": PRELOAD},
                   VIREO_REQUIRE="1")
    return subprocess.run([PYTHON, *flags, "-c", source, *args], env=env,
                          text=True, capture_output=True, timeout=timeout,
                          check=False)


class TestCase(unittest.TestCase):
    """assertRuns: the program ends well, and prints this."""

    def assertRuns(self, source, expected, *args, **more):
        done = run(source, *args, **more)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, expected, ""))


def copy_with_upstream_tests(into):
    """A copy of the package with upstream's tests, as Debian built them."""
    tests = os.path.join(UPSTREAM, "tests")
    if not os.path.isdir(tests):
        skip("no %s (package python3-greenlet)" % tests)
    package = os.path.join(into, "greenlet")
    shutil.copytree(PACKAGE, package)
    shutil.copytree(tests, os.path.join(package, "tests"))
    return package


def scratch():
    return tempfile.TemporaryDirectory(prefix="vireo-python-")


def import_ours():
    """The package, in this process."""
    need_package()
    sys.path.insert(0, FOLDER)
    sys.dont_write_bytecode = True
    import greenlet
    if os.path.dirname(greenlet.__file__) != PACKAGE:
        sys.exit("another greenlet is there: " + greenlet.__file__)
    return greenlet


def main():
    need_package()
    unittest.main(verbosity=2)
