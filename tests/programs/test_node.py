#!/usr/bin/python3
# label: long
# timeout: 600
"""Node.js: its event loop beside worker threads, and the thread pool with its
look-ups, files, keys and archives."""
import os
import sys

import harness
from harness import NATIVE, check


def test_each_scene():
    harness.need("node")
    script = os.path.join(harness.HERE, "clients", "node_threads.js")
    done = {mode: harness.run(["node", script], mode, limit=200)
            for mode in harness.modes()}
    check(done[NATIVE][0] == 7 and len(done[NATIVE][1].splitlines()) > 6,
          "natively %s", done[NATIVE])
    for mode, result in done.items():
        check(result == done[NATIVE], "%s: %s, natively %s", mode, result,
              done[NATIVE])


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
