#!/usr/bin/python3
# label: ci
"""Flask on Werkzeug's threaded server and on gunicorn's threads: each view
with 100 connections at once (V-27).  test_flask_1000.py does it with 1,000."""
import functools
import sys

import harness
from harness import check

VIEWS = ("/", "/sleep", "/async", "/redis")


def views_of(start, mode, redis_port, connections, requests, limit):
    with start(mode, redis_port) as server:
        for view in VIEWS:
            report = harness.load(server.port, connections, path=view,
                                  requests=requests, limit=limit)
            harness.check_load(report, "%s %s" % (mode, view))
            check(report["requests"] >= requests, "%s %s: %d requests",
                  mode, view, report["requests"])


def each_view(start, connections, requests, limit=60):
    with harness.redis_server() as redis_port:
        for mode in harness.modes():
            run = functools.partial(views_of, start, mode, redis_port,
                                    connections, requests, limit)
            if mode == harness.NATIVE:
                harness.natively(run)
            else:
                run()


def test_werkzeug():
    each_view(harness.start_werkzeug, 100, 300)


def test_gunicorn():
    harness.need("gunicorn")
    each_view(harness.start_gunicorn, 100, 300)


def test_gunicorn_stops_as_natively():
    harness.need("gunicorn")
    ends = {}
    for mode in harness.modes():
        server = harness.start_gunicorn(mode, threads=50)
        harness.check_load(harness.load(server.port, 20), mode)
        ends[mode] = server.stop(timeout=15)
    check(set(ends.values()) == {0}, "exit statuses %s", ends)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
