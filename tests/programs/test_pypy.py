#!/usr/bin/python3
# label: long
# timeout: 900
# serial
"""PyPy with a threaded HTTP server: held and sleeping connections, ends by
signals, threads of all kinds, deep recursion; and requests/s."""
import os
import signal
import sys

import harness
import webtalk
from harness import NATIVE, VIREO, check

PYPY = "/usr/bin/pypy3"


def start(mode):
    harness.need("pypy3")
    return harness.start_printing_server(
        [PYPY, os.path.join(harness.HERE, "threading_http.py")], mode)


def test_thousand_connections():
    for mode in harness.modes():
        with start(mode) as server:
            _, usage = harness.hold(server, 1000, "PyPy", active=100,
                                    requests=3000)
            print("%s: %d threads, %d kB" % (mode, usage["threads"],
                                             usage["rss_kb"]))


def test_sleeping_threads_overlap():
    for mode in harness.modes():
        with start(mode) as server:
            report, _ = harness.hold(server, 200, "time.sleep",
                                     path="/sleep", requests=400)
            check(report["seconds"] < 20, "%s: %.1f s", mode,
                  report["seconds"])


def end_by(signum, mode):
    with start(mode) as server:
        with harness.Load(server.port, 100) as clients:
            clients.phase()
            server.popen.send_signal(signum)
            try:
                status = server.wait(20)
            except Exception:
                status = "did not end"
            said = server.output().strip().splitlines()
    return status, said[-1] if said else ""


def test_ended_by_signals_as_natively():
    for signum in signal.SIGTERM, signal.SIGINT:
        ends = {mode: end_by(signum, mode) for mode in harness.modes()}
        native = ends[NATIVE]
        check(native[0] != "did not end", "natively %s", native)
        check(ends.get(VIREO, native) == native, "signal %d: %s", signum,
              ends)


def test_threads_of_all_kinds():
    harness.need("pypy3")
    script = os.path.join(harness.HERE, "pypy_threads.py")
    done = {mode: harness.run([PYPY, script], mode, limit=120)
            for mode in harness.modes()}
    native = done[NATIVE]
    check(native[0] == 0 and "recursion 8" in native[1], "natively %s",
          native)
    for mode, result in done.items():
        check(result == native, "%s: %s, natively %s", mode, result, native)


def test_no_slower():
    harness.need("pypy3")
    webtalk.race("PyPy", start, ("/",), pairs=2, rounds=5, warm=8)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
