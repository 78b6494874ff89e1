#!/usr/bin/python3
# label: long
"""A Java virtual machine: its collector and compiler threads, its signals, and
the JDK's HTTP server with a thread for each request."""
import os
import sys

import harness
from harness import NATIVE, check


def test_http_server():
    harness.need("java", "javac")
    source = os.path.join(harness.HERE, "JavaServer.java")
    ends = {}
    for mode in harness.modes():
        with harness.start_printing_server(
                ["java", "-Xmx128m", "-Dsun.net.httpserver.nodelay=true",
                 source], mode, limit=60) as server:
            harness.hold(server, 100, "java", requests=500)
            report, _ = harness.hold(server, 100, "java /sleep",
                                     path="/sleep", requests=500)
            check(report["seconds"] < 15, "%s: %.1f s", mode,
                  report["seconds"])
            ends[mode] = server.stop(timeout=20)
    check(set(ends.values()) == {ends[NATIVE]}, "exit statuses %s", ends)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
