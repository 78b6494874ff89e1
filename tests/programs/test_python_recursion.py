#!/usr/bin/python3
# label: ci
"""Infinite recursion in a Python thread ends in RecursionError as natively:
the default stack is large enough for CPython's own limit."""
import os
import sys

import harness
from harness import NATIVE, check

# Of recursion.py without --greedy, in two rounds.
ERRORS = 12 if sys.version_info < (3, 12) else 6


def recurse(*args, env=None):
    script = os.path.join(harness.HERE, "recursion.py")
    done = {mode: harness.run([harness.PYTHON, script, *args], mode, env)
            for mode in harness.modes()}
    native = done[NATIVE]
    check(native[0] == 0 and native[1].count("RecursionError") >= ERRORS,
          "natively %s", native)
    for mode, result in done.items():
        check(result[:2] == native[:2], "%s: status %d, %s %s", mode,
              *result)


def test_with_the_default_stack():
    recurse()


def test_with_the_native_stack():
    """Some ways take more than the default of 1 MiB has for 1,000 levels
    (docs/limitations.md); with the stack that the program asks for, none."""
    recurse("--greedy", env={"VIREO_STACK": "native"})


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
