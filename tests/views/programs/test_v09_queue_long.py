#!/usr/bin/python3
# label: long
# timeout: 900
"""V-09: as test_v09_queue.py, for minutes and with other instants each time."""
import random
import sys

import queueing # finds the others
import harness


def test_v09_for_long():
    for _ in range(3):
        seed = random.randrange(1 << 30)
        print("seed %d" % seed)
        queueing.whatever_dies(40, seed, clients=8, crew=4)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
