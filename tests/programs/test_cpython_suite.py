#!/usr/bin/python3
# label: long
# timeout: 7200
# serial
"""Modules of CPython's own test suite give, case by case, what they give
natively."""
import functools
import sys

import cpython_suite
import harness

MODULES = """
    test_socket test_select test_poll test_epoll test_selectors test_thread
    test_threading test_threading_local test_queue test_ssl test_asyncio
    test_subprocess test_signal test_socketserver test_httpservers
    test_concurrent_futures test_multiprocessing_fork
""".split()

if __name__ == "__main__":
    named = [a for a in sys.argv[1:] if a.startswith("test_")]
    sys.exit(harness.main({
        module: functools.partial(cpython_suite.compare, module)
        for module in dict.fromkeys(MODULES + named)}))
