#!/usr/bin/python3
# label: ci, views
# timeout: 200
"""The blog on two hosts behind HAProxy, with PostgreSQL and Redis beside it: a rolling
restart that nobody notices, and the loss of a host, lose no request and no task that
was acknowledged."""
import sys

import hosts # finds the others
import harness


def test_two_hosts():
    hosts.rounds(1, people=6)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
