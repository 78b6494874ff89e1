#!/usr/bin/python3
# label: ci
"""Debian's ThreadingHTTPServer with 1,000 connections."""
import signal
import sys

import harness
from harness import NATIVE, VIREO, check


def test_thousand_connections():
    for mode in harness.modes():
        with harness.start_threading_http(mode) as server:
            _, usage = harness.hold(server, 1000, "ThreadingHTTPServer",
                                    active=100, requests=3000)
            if mode == NATIVE:
                check(usage["threads"] >= 1000, "only %d threads",
                      usage["threads"])


def test_sleeping_threads_overlap():
    for mode in harness.modes():
        with harness.start_threading_http(mode) as server:
            report, _ = harness.hold(server, 200, "time.sleep",
                                     path="/sleep", requests=400)
            check(report["seconds"] < 5, "%s: %.1f s", mode,
                  report["seconds"])


def end_by(signum, mode):
    """Exit status, and the last line on stderr, of a server that is ended
    while it holds connections."""
    with harness.start_threading_http(mode) as server:
        with harness.Load(server.port, 100) as clients:
            clients.phase()
            server.popen.send_signal(signum)
            try:
                status = server.wait(10)
            except Exception:
                status = "did not end"
            said = server.output().strip().splitlines()
    return status, said[-1] if said else ""


def test_ended_by_signals_as_natively():
    for signum in (signal.SIGTERM, signal.SIGINT):
        ends = {mode: end_by(signum, mode) for mode in harness.modes()}
        native = ends[NATIVE]
        check(native[0] == -signum, "natively %s", native)
        check(ends.get(VIREO, native) == native, "signal %d: %s", signum,
              ends)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
