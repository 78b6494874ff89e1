#!/usr/bin/python3
# label: ci
"""Threaded Python of every kind: pools, queues, locks, processes, servers,
event loops, signals.  Each trial in a process of its own, native first."""
import os
import re
import sys

import harness
from harness import NATIVE, check

# Since 3.12 fork() with threads warns, with the process's number in the text.
QUIET = ["-W", "ignore::DeprecationWarning"]
SCRIPT = os.path.join(harness.HERE, "python_threads.py")


def trial(name):
    def run():
        done = {mode: harness.run([harness.PYTHON, *QUIET, SCRIPT, name], mode,
                                  limit=40) for mode in harness.modes()}
        native = done[NATIVE]
        check(native[0] == 0 and native[1].startswith(name + ": "),
              "natively %s", native)
        for mode, result in done.items():
            check(result == native, "%s gives %s, natively %s", mode, result,
                  native)
    return run


with open(SCRIPT) as f:
    for found in re.findall(r"\w+", re.search(
            r"^TRIALS = \((.*?)\)", f.read(), re.M | re.S).group(1)):
        globals()["test_" + found] = trial(found)

if __name__ == "__main__":
    sys.exit(harness.main(globals()))
