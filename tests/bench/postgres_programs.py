"""postgres_programs.py - two hundred queries at once: views that make them by libpq's
blocking calls, beside pgbench, over one PostgreSQL.
"""
import atexit
import functools
import os
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time

from programs import Unavailable

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
COUNT = 200
QUERY = "SELECT pg_sleep(0.1)"
SETTLE = 1              # seconds until sessions have begun, or ended


@functools.cache
def helpers(build):
    """What the tests of such programs share, which looks at the environment."""
    os.environ.update(SOURCE_DIR=SOURCE, BUILD_DIR=build)
    sys.path.insert(0, os.path.join(SOURCE, "tests", "views", "programs"))
    import apps  # pylint: disable=import-outside-toplevel
    return apps


@functools.cache
def cluster(build):
    apps = helpers(build)
    try:
        server = apps.Postgres(["-c", "max_connections=250"])
    except apps.Skip as reason:
        raise Unavailable(str(reason)) from None
    atexit.register(server.__exit__)
    return server


def build_of(place):
    return os.path.dirname(os.path.dirname(place.programs))


def read_answers(sockets):
    """Until each has one."""
    with selectors.DefaultSelector() as waiting:
        for connection in sockets:
            waiting.register(connection, selectors.EVENT_READ, b"")
        while waiting.get_map():
            for key, _ in waiting.select(60):
                data = key.fileobj.recv(4096)
                seen = key.data + data
                if not data or seen.startswith(b"HTTP/1.1 5"):
                    raise Unavailable("no answer: %r" % seen[:200])
                if seen.endswith(b"slept\n"):
                    waiting.unregister(key.fileobj)
                else:
                    waiting.modify(key.fileobj, selectors.EVENT_READ, seen)


def views(place):
    """Wall time from the first of the requests to the last of the answers."""
    build = build_of(place)
    apps, database = helpers(build), cluster(build)
    try:
        app = apps.start("database", {"DATABASE": database.conninfo})
    except apps.Skip as reason:
        raise Unavailable(str(reason)) from None
    with app:
        sockets = [socket.create_connection(("127.0.0.1", app.port), 60)
                   for _ in range(COUNT)]
        time.sleep(SETTLE)
        begin = time.monotonic()
        for connection in sockets:
            connection.sendall(b"GET /nap HTTP/1.1\r\nHost: a\r\n\r\n")
        read_answers(sockets)
        took = time.monotonic() - begin
        for connection in sockets:
            connection.close()
        apps.stop(app)
    return {"wall_ms": took * 1e3}


def pgbench(place):
    """Without the time in which it connects: our pool is warm, too."""
    database = cluster(build_of(place))
    time.sleep(SETTLE)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(QUERY + ";\n")
        script.flush()
        done = subprocess.run(
            ["pgbench", "-n", "-c", str(COUNT), "-t", "1", "-f", script.name,
             "-h", "127.0.0.1", "-p", str(database.port), "-U", "postgres",
             "postgres"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False, timeout=120)
    found = re.search(r"tps = ([\d.]+)", done.stdout.decode())
    if done.returncode != 0 or not found:
        raise Unavailable("pgbench: " + done.stdout.decode()[-300:])
    return {"wall_ms": COUNT / float(found.group(1)) * 1e3}
