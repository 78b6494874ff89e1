#!/usr/bin/python3
# label: ci
"""OpenMP in threads, by gcc with libgomp and by clang with libomp: its threads
stay the kernel's."""
import os
import subprocess
import sys

import harness

SOURCE = os.path.join(harness.HERE, "clients", "openmp.c")


def openmp(compiler):
    harness.need(compiler)
    probe = subprocess.run(
        [compiler, "-fopenmp", "-x", "c", "-", "-o", "/dev/null"],
        input=b"#include <omp.h>\nint main(void) { return 0; }\n",
        stderr=subprocess.DEVNULL)
    if probe.returncode != 0:
        raise harness.Skip("%s has no OpenMP here" % compiler)
    program = harness.built("openmp-" + compiler, SOURCE,
                            [compiler, "-std=gnu11", "-D_GNU_SOURCE",
                             "-fopenmp"])
    harness.same_as_native([program], 120, wanted="right 9\n")


def test_gcc():
    openmp("gcc")


def test_clang():
    openmp("clang")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
