#!/usr/bin/python3
# label: ci
"""C++ that a C program loads after it has made greenlets: its exceptions are kept
for each greenlet too, since what includes greenlet.h says that it is there."""
import os
import subprocess
import sys
import tempfile

import harness
from harness import check

HOSTS = os.path.join(harness.HERE, "hosts")
LIBRARY = os.path.join(harness.BUILD_DIR, "lib")


def late(c, cxx, *flags):
    harness.need(c, cxx)
    include = "-I" + os.path.join(harness.BUILD_DIR, "include")
    with tempfile.TemporaryDirectory(prefix="vireo-late-") as folder:
        program = os.path.join(folder, "late")
        plugin = os.path.join(folder, "plugin.so")
        subprocess.run([c, "-O1", include, os.path.join(HOSTS, "late.c"),
                        "-o", program, "-L" + LIBRARY, "-lvireo", "-ldl",
                        "-Wl,-rpath," + LIBRARY], check=True)
        subprocess.run([cxx, "-std=c++17", "-O1", "-fPIC", "-shared", *flags,
                        include, os.path.join(HOSTS, "late_plugin.cpp"),
                        "-o", plugin],
                       check=True)
        done = subprocess.run([program, plugin], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              env=harness.environment(harness.NATIVE),
                              timeout=60)
    check(done.returncode == 0 and done.stdout == "fine\n", "%d\n%s",
          done.returncode, done.stdout)


def test_gcc():
    late("gcc", "g++")


def test_clang():
    late("clang", "clang++")


def test_clang_and_its_own_library():
    harness.need_libcxx()
    late("clang", "clang++", "-stdlib=libc++")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
