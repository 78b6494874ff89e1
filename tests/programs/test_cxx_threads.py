#!/usr/bin/python3
# label: ci
# timeout: 600
"""A program with all that C++20 has for threads: by g++ and clang++, with the
libraries of both."""
import os
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
    harness.need_libcxx()
    threads("libcxx", "clang++", "-stdlib=libc++")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
