#!/usr/bin/python3
# label: ci
# timeout: 600
"""The short form of cpython_suite: the modules of CPython's tests that take
seconds."""
import functools
import sys

import cpython_suite
import harness
from test_cpython_suite import MODULES

QUICK = ["test_select", "test_epoll", "test_thread", "test_threading_local",
         "test_queue", "test_httpservers", "test_socketserver"]

if __name__ == "__main__":
    print("short form of programs/cpython_suite (label long): %d of its %d "
          "modules; not here: %s" % (
              len(QUICK), len(MODULES),
              " ".join(m for m in MODULES if m not in QUICK)), flush=True)
    sys.exit(harness.main({
        module: functools.partial(cpython_suite.compare, module)
        for module in QUICK}))
