#!/usr/bin/python3
# label: ci
# timeout: 600
"""A program with all that C++20 has for threads: by g++ and clang++, with the
libraries of both."""
import os
import subprocess
import sys

import harness
from harness import check

SOURCE = os.path.join(harness.HERE, "clients", "threads.cpp")
seen = {}


def threads(name, compiler, *flags):
    harness.need(compiler)
    program = harness.built("cxx_threads-" + name, SOURCE,
                            [compiler, "-std=c++20", *flags])
    seen[name] = harness.same_as_native([program])[1]
    check(set(seen.values()) == {seen[name]}, "%s", seen)


def test_gcc():
    threads("gcc", "g++")


def test_clang():
    threads("clang", "clang++")


def test_clang_and_its_own_library():
    probe = ["clang++", "-stdlib=libc++", "-x", "c++", "-E", "-"]
    harness.need("clang++")
    if subprocess.run(probe, input=b"#include <latch>\n",
                      stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL).returncode != 0:
        raise harness.Skip("libc++-dev is not installed")
    threads("libcxx", "clang++", "-stdlib=libc++")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
