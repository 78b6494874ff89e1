#!/usr/bin/python3
# timeout: 600
"""V-30: blocking drivers in greenlets, each with a pool of connections: the
programs of examples/drivers against servers of their own.  100 greenlets ask at
once; are killed while the server works; ask again, and nobody gets the answer to
a question of before; lose the server in the middle, and find it when it is
back."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import harness
import mariadb
import postgres
from harness import NATIVE, check

COUNT = 100
SECONDS = 0.2
# One after the other they would take COUNT * SECONDS.
AT_MOST_S = COUNT * SECONDS / 2
LINE = re.compile(r"(\w+) (\d+(?:\.\d+)?)")


class Rounds:
    """A program of examples/drivers: linked to the preload library, or started
    by `vireo run`."""

    def __init__(self, name, where, by_command=False):
        place = os.path.join(harness.BUILD_DIR, "examples", "drivers")
        command = [os.path.join(place, name + "_run" * by_command), where,
                   str(COUNT)]
        if not os.path.exists(command[0]):
            raise harness.Skip("%s was not built: its driver is not installed"
                               % command[0])
        if by_command:
            command = [os.path.join(harness.BUILD_DIR, "bin", "vireo"), "run",
                       "--", *command]
        self.name = " ".join(command)
        self.program = harness.Program(command, NATIVE,
                                       {"VIREO_REQUIRE": "1"},
                                       stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)

    # "kill" and what takes a second or more first says that all are under way,
    # each with a question that the server has not answered.
    def begin(self, what, seconds):
        self.program.popen.stdin.write(
            ("%s %f\n" % (what, seconds)).encode())
        self.program.popen.stdin.flush()

    def line(self):
        line = self.program.line(90)
        check(line, "%s says nothing more: %s", self.name,
              self.program.output()[-800:])
        return line

    def under_way(self):
        line = self.line()
        check(line == "%d under way\n" % COUNT, "%s: %s %s", self.name, line,
              self.program.output()[-800:])

    def result(self, **wanted):
        line = self.line()
        found = {name: float(value) for name, value in LINE.findall(line)}
        for name, value in dict(wanted, wrong=0, taken=0, lost=0).items():
            check(found.get(name) == value, "%s: %s is not %s: %s %s",
                  self.name, name, value, line,
                  self.program.output()[-800:])
        return found

    def few_threads(self):
        threads = harness.settled_usage(self.program)["threads"]
        check(threads <= harness.MAX_OS_THREADS, "%s: %d OS threads",
              self.name, threads)

    def end(self):
        self.program.popen.stdin.close()
        found = self.result(right=0, failed=0, open=0)
        check(found["opened"] == found["closed"], "%s: %s", self.name, found)
        status = self.program.wait(30)
        check(status == 0, "%s ends with %s: %s", self.name, status,
              self.program.output()[-800:])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.program.stop(timeout=3)


def together(rounds):
    """All at once; then killed in the middle, each with its connection."""
    rounds.begin("ask", SECONDS)
    found = rounds.result(right=COUNT, failed=0, open=COUNT)
    check(found["took"] < AT_MOST_S, "%s: %s", rounds.name, found)
    rounds.few_threads()
    rounds.begin("kill", 30)
    rounds.under_way()
    rounds.result(right=0, failed=COUNT, open=0, closed=COUNT)
    rounds.begin("ask", 0)
    rounds.result(right=COUNT, failed=0)
    return found["took"]


def bereft(rounds, witness, lose, find):
    """The server is lost in the middle, is found, lost while nobody asks, and
    found again."""
    rounds.begin("ask", 30)
    rounds.under_way()
    witness()
    lose()
    rounds.result(right=0, failed=COUNT, open=0)
    rounds.begin("ask", 0)
    rounds.result(right=0, failed=COUNT, open=0)
    find()
    rounds.begin("ask", SECONDS)
    rounds.result(right=COUNT, failed=0)
    lose()
    find()
    rounds.begin("ask", 0)
    rounds.result(right=COUNT, failed=0)


class Server:
    """What loses and finds one.  start(port) gives a Program; None: any."""

    def __init__(self, start, signum=signal.SIGKILL):
        self.start, self.signum = start, signum
        self.running = start(None)
        self.port = self.running.port

    def lose(self):
        self.running.stop(self.signum, timeout=30)

    def find(self):
        self.running = self.start(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.lose()


def all_of_it(name, where, server, witness=lambda: None):
    with Rounds(name, where, by_command=True) as rounds:
        together(rounds)
        rounds.end()
    with Rounds(name, where) as rounds:
        took = together(rounds)
        bereft(rounds, witness, server.lose, server.find)
        rounds.end()
    print("%s: %d x %.1f s took %.2f s" % (name, COUNT, SECONDS, took))


def postgres_of(folder):
    """It finds out that a client is gone when it next looks: until then there
    are twice as many."""
    return lambda port: postgres.start(
        folder, options=["-c", "max_connections=%d" % (2 * COUNT + 20),
                         "-c", "client_connection_check_interval=200"],
        again=port)


def all_active(port):
    """The server says so, too."""
    end = time.monotonic() + 20
    while True:
        status, out, err = harness.run(
            [postgres.program("psql"), "-h", "127.0.0.1", "-p", str(port),
             "-U", "postgres", "-Atc",
             "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
             "AND query LIKE 'SELECT pg_sleep%'"])
        if status == 0 and int(out) == COUNT:
            return
        check(time.monotonic() < end, "psql: %s %s %s", status, out, err)


def test_libpq():
    with postgres.cluster() as folder:
        # At once, but so that it ends its processes.
        with Server(postgres_of(folder), signal.SIGQUIT) as server:
            all_of_it("pq_pool", "host=127.0.0.1 port=%d user=postgres "
                      "sslmode=disable gssencmode=disable" % server.port,
                      server, lambda: all_active(server.port))


def redis_in(folder):
    return lambda port: harness.start_server(lambda port: [
        "redis-server", "--port", str(port), "--bind", "127.0.0.1",
        "--save", "", "--appendonly", "no", "--dir", folder], again=port)


def test_hiredis():
    harness.need("redis-server")
    with tempfile.TemporaryDirectory(prefix="vireo-redis-") as folder:
        with Server(redis_in(folder)) as server:
            all_of_it("redis_pool", str(server.port), server)


def test_mariadb():
    harness.need("mariadbd", "mariadb-install-db")
    with tempfile.TemporaryDirectory(prefix="vireo-db-") as folder:
        data = mariadb.install(folder)
        with Server(lambda port: mariadb.start(data, NATIVE,
                                               again=port)) as server:
            all_of_it("mariadb_pool", str(server.port), server)


UPSTREAM = """
import socketserver, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        seconds, number = self.path.split("/")[-2:]
        time.sleep(float(seconds))
        self.send_response(200)
        self.send_header("Content-Length", str(len(number)))
        self.end_headers()
        self.wfile.write(number.encode())
    def log_message(self, *args):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 500
    daemon_threads = True

Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_libcurl():
    def start(again):
        return harness.start_server(
            lambda port: [harness.PYTHON, "-c", UPSTREAM, str(port)],
            again=again)

    with Server(start) as server:
        all_of_it("curl_pool", "http://127.0.0.1:%d" % server.port, server)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
