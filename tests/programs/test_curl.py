#!/usr/bin/python3
# label: ci
# timeout: 600
"""libcurl in a C program: easy handles in threads, multi handles, its resolver's
threads, wake-ups from another thread, timeouts with and without SIGALRM."""
import sys

import harness

WANTED = """resolver on threads: 1
easy: 250 right, 0 wrong
easy, slow answers: 250 right, 0 wrong
shared names: 50 right, 0 wrong
multi: 100 right, 0 wrong
multi in each thread: 200 right, 0 wrong
wakeup: 20 right, 0 wrong
timeouts: 100 right, 0 wrong
timeouts with signals: 7 right, 0 wrong
errors: 150 right, 0 wrong
"""


def test_a_server_in_both_modes():
    program = harness.c_client("curl_threads", "libcurl")
    for mode in harness.modes():
        with harness.start_threading_http(mode) as server:
            harness.same_as_native([program, str(server.port)], 120,
                                   wanted=WANTED)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
