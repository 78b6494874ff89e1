#!/usr/bin/python3
# label: long
# timeout: 900
"""1,000,000 requests, 20 restarts and 10 workers killed."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serving  # noqa: E402
from test_restart import hammer_under  # noqa: E402


def test_a_million_requests():
    hammer_under(1000000, 64, restarts=20, kills=10, pause=0.5)


if __name__ == "__main__":
    serving.main(globals())
