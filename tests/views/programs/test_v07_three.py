#!/usr/bin/python3
# label: ci, views
# timeout: 200
"""V-07: a view asks PostgreSQL, Redis and an HTTP service at once, each by its
blocking driver: all three are seen to be under way before any of them answers."""
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import apps
import harness
from apps import BY_COMMAND, LINKED, ask, check, until


class Upstream(ThreadingHTTPServer):
    """An HTTP service that says how many wait in it, and lets them go."""

    daemon_threads = True
    waiting = 0

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Weather)
        self.gate = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Who asked was cancelled."""


class Weather(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.waiting += 1
        self.server.gate.wait(60)
        self.server.waiting -= 1
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"sunny")

    def log_message(self, *args):
        pass


def at_once(app, database, redis, upstream):
    answer = []
    upstream.gate.clear()
    with database.locked("users"):
        view = threading.Thread(
            target=lambda: answer.append(ask(app.port, "/home/1")))
        view.start()
        until(lambda: database.active("SELECT name FROM users%") == 1
              and upstream.waiting == 1
              and "cmd=blpop" in redis.tell("CLIENT", "LIST"),
              "three servers work at once")
        upstream.gate.set()
        redis.tell("RPUSH", "messages:1", "hello")
        view.join(0.2)
        check(not answer, "it does not wait for PostgreSQL: %s", answer)
    view.join()
    check(answer[0][0] == 200 and json.loads(answer[0][1]) == {
        "name": "ada", "message": "hello", "weather": "sunny"}, "%s", answer)


def errors(app, database, redis):
    """One that fails ends the others: nobody waits for the message."""
    status, _, _ = ask(app.port, "/home/2")
    check(status == 404, "no such user: %d", status)
    until(lambda: "cmd=blpop" not in redis.tell("CLIENT", "LIST"),
          "its question is given up")
    database.kill()
    status, _, fields = ask(app.port, "/home/1")
    check(status == 503 and fields["Retry-After"] == "1", "%d", status)
    database.start()
    redis.tell("RPUSH", "messages:1", "again")
    check(ask(app.port, "/home/1")[0] == 200, "PostgreSQL is back")


def test_v07():
    upstream = Upstream()
    with apps.Postgres() as database, apps.Redis() as redis:
        database.sql("CREATE TABLE users (id integer PRIMARY KEY, name text)",
                     "INSERT INTO users VALUES (1, 'ada')")
        env = {"DATABASE": database.conninfo, "REDIS": redis.where,
               "UPSTREAM": "http://127.0.0.1:%d" % upstream.server_port}
        for way in LINKED, BY_COMMAND:
            with apps.start("three", env, way) as app:
                begin = time.monotonic()
                at_once(app, database, redis, upstream)
                errors(app, database, redis)
                print("%s: %.1f s" % (way, time.monotonic() - begin))
                apps.stop(app)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
