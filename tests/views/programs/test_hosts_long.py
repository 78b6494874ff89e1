#!/usr/bin/python3
# label: long
# timeout: 900
"""As test_hosts.py, many times."""
import random
import sys

import hosts # finds the others
import harness


def test_two_hosts_many_times():
    seed = random.randrange(1 << 30)
    print("seed %d" % seed)
    hosts.rounds(10, people=12, chance=random.Random(seed))


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
