#!/usr/bin/python3
# label: ci, views
# timeout: 300
"""V-29, V-30: views that read PostgreSQL by libpq's blocking calls.  Two hundred are
under way at once, each with a session of the server, on one OS thread; one that waits
in a task of an async view does not delay the other tasks.  Nothing depends on a time:
what is to be seen at once is held by a lock until it was seen."""
import json
import os
import sys
import threading
import time

import apps
import harness
from apps import BY_COMMAND, LINKED, ask, check, until

COUNT = 200


class Crowd:
    """So many requests at once, each from a thread with a connection."""

    def __init__(self, port, target, count):
        self.answers = []
        self.threads = [threading.Thread(target=self.one, args=(port, target))
                        for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def one(self, port, target):
        try:
            answer = ask(port, target, limit=120)[:2]
        except OSError as error:
            answer = (0, str(error))
        self.answers.append(answer)

    def all(self, status, text):
        for thread in self.threads:
            thread.join()
        wrong = [answer for answer in self.answers if answer != (status, text)]
        check(not wrong and len(self.answers) == len(self.threads),
              "%d of %d answers are wrong: %s", len(wrong),
              len(self.threads), wrong[:3])


def threads_of(app):
    """Those of the worker that may run code of the program: the monitor does not."""
    harness.settled_usage(app)
    worker = max(app.pids())
    names = []
    for thread in os.listdir("/proc/%d/task" % worker):
        with open("/proc/%d/task/%s/comm" % (worker, thread)) as file:
            names.append(file.read().strip())
    return sorted(name for name in names if name != "vireo-monitor")


def sync_views(app, database):
    """V-29"""
    begin = time.monotonic()
    Crowd(app.port, "/nap", COUNT).all(200, "slept\n")
    print("%d x SELECT pg_sleep(0.1) took %.2f s" % (COUNT,
                                                     time.monotonic() - begin))
    with database.locked("users"):
        crowd = Crowd(app.port, "/users/1", COUNT)
        until(lambda: database.active("SELECT name, pg_sleep%") == COUNT,
              "%d sessions are active at once" % COUNT)
        threads = threads_of(app)
        check(ask(app.port, "/users/none")[0] == 404, "others are not served")
    crowd.all(200, '{"name":"ada"}')
    check(ask(app.port, "/users/2")[0] == 404, "there is no user 2")
    return threads


def async_view(app, database):
    """V-30"""
    visits = lambda: int(database.sql("SELECT count(*) FROM visits"))
    before = visits()
    with database.locked("users"):
        crowd = Crowd(app.port, "/together", 1)
        until(lambda: database.active("SELECT count(*) FROM users") == 1,
              "the slow query is under way")
        until(lambda: visits() == before + 20, "the other task goes on")
    for thread in crowd.threads:
        thread.join()
    check(crowd.answers[0][0] == 200 and json.loads(crowd.answers[0][1]) == {
        "users": 1, "visits": 20, "ticks": 20}, "%s", crowd.answers)


def test_v29_v30():
    with apps.Postgres(["-c", "max_connections=250"]) as database:
        database.sql("CREATE TABLE users (id integer PRIMARY KEY, name text)",
                     "CREATE TABLE visits (id serial)",
                     "INSERT INTO users VALUES (1, 'ada')")
        for way in LINKED, BY_COMMAND:
            with apps.start("database", {"DATABASE": database.conninfo},
                            way) as app:
                threads = sync_views(app, database)
                check(len(threads) == 1, "%s: OS threads: %s", way, threads)
                async_view(app, database)
                apps.stop(app)
            left = lambda: int(database.sql(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend'"))
            until(lambda: left() == 1, "sessions are closed")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
