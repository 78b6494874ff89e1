#!/usr/bin/python3
# label: ci
# timeout: 600
"""A GLib main loop beside threads: locks, pools, queues, sources from threads,
signals, children, sockets, tasks."""
import sys

import harness

WANTED = """turns: 1000
timeouts: 50
reads and writes: 1001
thread pool: 125250
exclusive pool: 125250
async queue: 125250
empty queue: 1
idle sources from threads: 1000
ticks: 20
contexts: 50
signal sources: 3
children watched: 20
children read: 50
threaded socket service: 500
tasks and names: 100
"""


def test_each_scene():
    program = harness.c_client("glib_loop", "gio-2.0", "gio-unix-2.0")
    harness.same_as_native([program], 120, wanted=WANTED)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
