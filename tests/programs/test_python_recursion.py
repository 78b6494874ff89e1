#!/usr/bin/python3
# label: ci
"""Infinite recursion in a Python thread ends in RecursionError as natively:
the default stack is large enough for CPython's own limit."""
import os
import sys

import harness
from harness import NATIVE, check


def test_recursion_error():
    script = os.path.join(harness.HERE, "recursion.py")
    done = {mode: harness.run([harness.PYTHON, script], mode)
            for mode in harness.modes()}
    native = done[NATIVE]
    check(native[0] == 0 and native[1].count("RecursionError") >= 12,
          "natively %s", native)
    for mode, result in done.items():
        check(result[:2] == native[:2], "%s: status %d, %s %s", mode,
              *result)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
