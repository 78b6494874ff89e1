#!/usr/bin/python3
# label: long
# timeout: 900
# serial
"""V-26: 10,000 requests that wait, 10,000 WebSockets, or 8,000 of each, in one
process, with 1,000 ordinary connections beside."""
import sys

import many


def test_requests():
    many.check_crowd(10000, 0, 1000)


def test_sockets():
    many.check_crowd(0, 10000, 1000)


def test_both():
    many.check_crowd(8000, 8000, 1000)


if __name__ == "__main__":
    sys.exit(many.harness.main(globals()))
