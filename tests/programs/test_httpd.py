#!/usr/bin/python3
# label: ci
"""The C server: 1,000 connections, each on a pthread of its own."""
import signal
import sys

import harness
from harness import VIREO, check


def test_thousand_connections():
    for mode in harness.modes():
        with harness.start_httpd(mode) as server:
            report, usage = harness.hold(server, 1000, "httpd",
                                         active=100, requests=5000)
            if mode != VIREO:
                check(usage["threads"] >= 1000, "only %d threads",
                      usage["threads"])
            check(report["requests"] == 5000, "%d requests",
                  report["requests"])


def test_sleeping_threads_overlap():
    """500 answers that take 100 ms each, at once, take far less than one
    after the other (50 s)."""
    for mode in harness.modes():
        with harness.start_httpd(mode) as server:
            report, _ = harness.hold(server, 500, "httpd /sleep",
                                     path="/sleep", requests=1000)
            check(report["seconds"] < 5, "%s: %.1f s", mode,
                  report["seconds"])


def test_connections_come_and_go():
    """Threads that end give everything back: the second thousand costs no
    more memory than the first."""
    for mode in harness.modes():
        with harness.start_httpd(mode) as server:
            sizes = []
            for _ in range(3):
                _, usage = harness.hold(server, 500, "httpd", active=0)
                sizes.append(usage["rss_kb"] + usage["pte_kb"])
            check(sizes[2] <= sizes[0] * 1.1 + 512, "%s: %s kB", mode, sizes)


def test_ended_by_signals_as_natively():
    for signum in (signal.SIGTERM, signal.SIGINT):
        for mode in harness.modes():
            server = harness.start_httpd(mode)
            harness.check_load(harness.load(server.port, 50))
            status = server.stop(signum, timeout=5)
            check(status == -signum, "%s: status %s after signal %d", mode,
                  status, signum)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
