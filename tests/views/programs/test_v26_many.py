#!/usr/bin/python3
# label: ci, views
# timeout: 120
# serial
"""V-26: requests that wait and WebSockets of one application at once, with ordinary
connections beside.  test_v26_many_long.py does it with 10,000."""
import sys

import many


def test_both():
    many.check_crowd(400, 400, 50)


if __name__ == "__main__":
    sys.exit(many.harness.main(globals()))
