"""What the tests of examples/apps share: a server of each kind, the programs, and
requests to them."""
import contextlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.environ["SOURCE_DIR"], "tests", "programs"))

# pylint: disable=wrong-import-position
import harness  # noqa: E402
import postgres  # noqa: E402
from harness import Skip, check  # noqa: E402

# Both ways to make a driver's calls cooperative.
LINKED, BY_COMMAND = "linked", "vireo run"


def program(name):
    path = os.path.join(harness.BUILD_DIR, "examples", "apps", name)
    if not os.path.exists(path):
        raise Skip("%s was not built: a driver is not installed" % path)
    return path


def command(name, way=LINKED, *args):
    if way == LINKED:
        return [program(name), *args]
    return [os.path.join(harness.BUILD_DIR, "bin", "vireo"), "run", "--",
            program(name + "_run"), *args]


def start(name, env, way=LINKED, args=(), again=None, bind="127.0.0.1"):
    """An application, on a port of the kernel's choice."""
    return harness.start_server(
        lambda port: command(name, way, "--bind", "%s:%d" % (bind, port),
                             *args),
        env=dict(env, VIREO_REQUIRE="1"), again=again)


def stop(running, what="the application"):
    """It ends as it was asked to, and has said nothing of leaks or failures."""
    running.popen.send_signal(signal.SIGTERM)
    status = running.wait(60)
    said = running.output()
    running.stop()
    check(status == 0, "%s ends with %s: %s", what, status, said[-1500:])
    return said


def ask(port, target, method="GET", body=None, fields=None, limit=60,
        host="127.0.0.1"):
    """(status, text, fields) of one request on a connection of its own."""
    connection = http.client.HTTPConnection(host, port, timeout=limit)
    try:
        connection.request(method, target, body, fields or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def form(**fields):
    return urllib.parse.urlencode(fields)


def until(condition, what, limit=60):
    """Wait for it: what is looked at is never a time."""
    end = time.monotonic() + limit
    while True:
        found = condition()
        if found:
            return found
        check(time.monotonic() < end, "in vain: %s", what)
        time.sleep(0.02)


class Redis:
    """A Redis that keeps what it was told, in a folder of its own."""

    def __init__(self, options=(), more=()):
        """more: addresses beside the loopback's"""
        harness.need("redis-server", "redis-cli")
        self.folder = tempfile.TemporaryDirectory(prefix="vireo-redis-")
        self.options, self.more = list(options), list(more)
        self.port = None
        self.start()

    def start(self):
        self.running = harness.start_server(lambda port: [
            "redis-server", "--port", str(port), "--bind", "127.0.0.1",
            *self.more, "--protected-mode", "no", "--save", "", "--dir", self.folder.name,
            *self.options], again=self.port)
        self.port = self.running.port
        until(lambda: self.tell("PING") == "PONG", "Redis is ready")

    def kill(self):
        self.running.stop(signal.SIGKILL)

    @property
    def where(self):
        return "127.0.0.1:%d" % self.port

    def tell(self, *words):
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), *words], timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False)
        return done.stdout.decode().strip()

    def lines(self, *words):
        return self.tell(*words).split("\n")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()
        self.folder.cleanup()


class Postgres:
    """A PostgreSQL of its own; SIGQUIT ends it at once, with its processes."""

    def __init__(self, options=(), more=()):
        """more: addresses beside the loopback's, for networks of 30 bits"""
        self.options = list(options)
        self.stack = contextlib.ExitStack()
        self.folder = self.stack.enter_context(postgres.cluster())
        if more:
            self.options += ["-c", "listen_addresses=" + ",".join(
                ["127.0.0.1", *more])]
        with open(os.path.join(self.folder, "data", "pg_hba.conf"), "a",
                  encoding="ascii") as hba:
            for address in more:
                hba.write("host all all %s/30 trust\n" % address)
        self.port = None
        self.start()

    def start(self):
        self.running = postgres.start(self.folder, options=self.options,
                                      again=self.port)
        self.port = self.running.port

    def kill(self):
        self.running.stop(signal.SIGQUIT, timeout=30)

    def conninfo_at(self, address):
        return ("host=%s port=%d user=postgres dbname=postgres "
                "sslmode=disable gssencmode=disable" % (address, self.port))

    @property
    def conninfo(self):
        return self.conninfo_at("127.0.0.1")

    def sql(self, *commands):
        """What psql prints of each, without ornaments."""
        words = [word for one in commands for word in ("-c", one)]
        status, out, err = harness.run(
            [postgres.program("psql"), "-d", self.conninfo, "-qAt", "-v",
             "ON_ERROR_STOP=1", *words])
        check(status == 0, "psql: %s", err)
        return out.strip()

    def active(self, like):
        return int(self.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
            "AND query LIKE '%s'" % like))

    @contextlib.contextmanager
    def locked(self, table):
        """Nobody reads it: queries begin, and wait."""
        with subprocess.Popen(
                [postgres.program("psql"), "-d", self.conninfo, "-qAt"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE) as psql:
            try:
                psql.stdin.write(b"BEGIN; LOCK TABLE %s; SELECT 'held';\n"
                                 % table.encode())
                psql.stdin.flush()
                check(psql.stdout.readline() == b"held\n", "no lock")
                yield
            finally:
                psql.stdin.close() # it ends, and so does the lock
                psql.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()
        self.stack.close()
