#!/usr/bin/python3
# label: ci, views
# timeout: 300
"""V-09: a task queue on Redis streams (examples/apps/taskqueue.c).  What was
acknowledged is done, though workers are killed at random instants, and Redis once."""
import sys

import apps
import harness
import queueing
from apps import check, until
from queueing import add, workers


def test_v09_whatever_dies():
    queueing.whatever_dies(5, 9)


def dead(redis):
    """{payload: (attempt, reason)} of those that were given up."""
    words = redis.lines("XRANGE", "{q}:dead", "-", "+")
    found, fields = {}, {}
    for name, value in zip(words, words[1:]):
        if name in ("payload", "attempt"):
            fields[name] = value
        elif name == "reason":
            found[fields["payload"]] = (int(fields["attempt"]), value)
    return found


def test_v09_what_goes_wrong():
    """Delayed, failing once, failing always, deadly, and longer than the time after
    which it would be another's."""
    with apps.Redis() as redis, \
            apps.start("enqueue", {"REDIS": redis.where,
                                   "QUEUE": queueing.QUEUE}) as app, \
            workers(redis, 2, 400, 3) as crew:
        first = add(app, "mail", "keyed", "k")
        check(add(app, "mail", "keyed", "k") == first, "two tasks for a key")
        late = add(app, "mail", "late", delay=700)
        nap = add(app, "nap", "1600")
        check(first and late and nap, "not acknowledged")
        check(add(app, "flaky", "flaky") and add(app, "fails", "fails")
              and add(app, "crash", "crash"), "not acknowledged")

        def all_there():
            for worker in crew:
                if worker.died():
                    worker.again()
            return (set(redis.lines("SMEMBERS", "outbox"))
                    == {"keyed", "late", "1600", "flaky"}
                    and set(dead(redis)) == {"fails", "crash"})

        until(all_there, "tasks are done or given up")
        given_up = dead(redis)
        check(given_up["fails"] == (3, "Input/output error"), "%s", given_up)
        check(given_up["crash"] == (1, "workers died with it"), "%s", given_up)
        until(lambda: redis.tell("XLEN", "{q}:tasks") == "0", "none is left")
        apps.stop(app)


def test_v09_long_ones_are_not_taken_away():
    with apps.Redis() as redis, \
            apps.start("enqueue", {"REDIS": redis.where,
                                   "QUEUE": queueing.QUEUE}) as app, \
            workers(redis, 2, 1500, 3):
        nap = add(app, "nap", "4000")
        until(lambda: redis.tell("HGET", "runs", nap) != "", "it is done")
        until(lambda: redis.tell("XLEN", "{q}:tasks") == "0", "none is left")
        check(redis.tell("HGET", "runs", nap) == "1", "it was done twice")
        apps.stop(app)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
