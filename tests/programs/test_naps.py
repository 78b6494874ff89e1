#!/usr/bin/python3
# label: long
# serial
"""usleep(100) in a thread takes at most 1.3 times what it takes natively."""
import statistics
import sys

import harness
from harness import NATIVE, VIREO, check

ROUNDS = 5
LIMIT = 1.3
NAP_NS = 100 * 1000


def test_usleep():
    naps = {mode: [] for mode in harness.modes()}
    for _ in range(ROUNDS):
        for mode, found in naps.items():
            status, out, err = harness.run([harness.c_program("naps")], mode)
            check(status == 0, "%s: %s %s", mode, status, err)
            check(int(out) >= NAP_NS, "%s: woke after %s ns", mode, out)
            found.append(int(out))
    median = {mode: statistics.median(found) for mode, found in naps.items()}
    print(", ".join("%s %.1f us" % (mode, ns / 1000)
                    for mode, ns in median.items()))
    if len(median) == 2:
        check(median[VIREO] <= LIMIT * median[NATIVE], "%.2f times native",
              median[VIREO] / median[NATIVE])


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
