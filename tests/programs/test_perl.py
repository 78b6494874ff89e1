#!/usr/bin/python3
# label: ci
"""Perl's interpreter threads: sockets, a queue, condition variables."""
import os
import sys

import harness
from harness import NATIVE, check


def run(script, mode):
    """Perl 5.40's threads were once ended by SIGSEGV natively, on a busy machine: that
    says nothing of a run that is compared with it."""
    for _ in range(3 if mode == NATIVE else 1):
        done = harness.run(["perl", script], mode, limit=60)
        if done[0] >= 0:
            break
        print("         %s: ended by signal %d" % (mode, -done[0]), flush=True)
    return done


def test_threads():
    harness.need("perl")
    if harness.run(["perl", "-Mthreads", "-e", "1"])[0] != 0:
        raise harness.Skip("this perl has no threads")
    script = os.path.join(harness.HERE, "threads.pl")
    done = {mode: run(script, mode) for mode in harness.modes()}
    check(done[NATIVE] == (0, "right 20\nsum 125250\n", ""), "natively %s",
          done[NATIVE])
    for mode, result in done.items():
        check(result == done[NATIVE], "%s: %s", mode, result)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
