"""Programs of others' libraries on the package: gevent, eventlet, Flask under
gunicorn, SQLAlchemy's asyncio extension; all as Debian has them."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import support

sys.path.append(os.path.join(support.SOURCE_DIR, "tests", "programs"))
import harness # pylint: disable=wrong-import-position
import postgres # pylint: disable=wrong-import-position

PROGRAMS = os.path.join(support.HERE, "programs")
TIMEOUT = 600
if sys.argv[1:2] == ["--upstream"]: # by hand: what the programs do on Debian's
    support.FOLDER, support.PACKAGE = "", support.UPSTREAM
    del sys.argv[1]


def environment():
    env = support.environment(support.FOLDER)
    env["EXPECTED_GREENLET"] = support.PACKAGE
    return env


class Users(support.TestCase):
    """`scale` is how many of everything there are."""
    scale = 0

    def need(self, modules):
        probe = subprocess.run([support.PYTHON, "-c", "import " + modules],
                               capture_output=True, check=False)
        if probe.returncode:
            self.skipTest("no " + modules)

    def program(self, name, count, *args, module="gevent"):
        self.need(module)
        done = subprocess.run(
            [support.PYTHON, "-X", "faulthandler",
             os.path.join(PROGRAMS, name + ".py"), str(count), *args],
            env=environment(), text=True, capture_output=True, timeout=TIMEOUT,
            check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"),
                         done.stderr)
        return done

    def test_gevent_echo(self):
        self.program("gevent_echo", self.scale)

    def test_gevent_parts(self):
        self.program("gevent_parts", self.scale)

    def test_gevent_requests(self):
        self.program("gevent_requests", self.scale, module="gevent, requests")

    def test_eventlet_wsgi(self):
        self.program("eventlet_wsgi", self.scale, module="eventlet")

    def test_sqlalchemy_sqlite(self):
        with tempfile.TemporaryDirectory(prefix="vireo-python-") as folder:
            self.program("sqlalchemy_async", self.scale,
                         "sqlite+aiosqlite:///" + os.path.join(folder, "db"),
                         module="sqlalchemy, aiosqlite")

    def test_sqlalchemy_postgres(self):
        try:
            postgres.program("initdb")
        except harness.Skip as reason:
            self.skipTest(str(reason))
        with postgres.server() as port:
            self.program("sqlalchemy_async", self.scale,
                         "postgresql+asyncpg://postgres@127.0.0.1:%d/postgres"
                         % port, module="sqlalchemy, asyncpg")

    # ---- Flask, `gunicorn -k gevent` ----

    def get(self, path, number):
        url = "http://127.0.0.1:%d/%s?n=%d" % (self.port, path, number)
        try:
            with urllib.request.urlopen(url, timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, None

    def answers(self, path, at_once=50):
        with ThreadPoolExecutor(at_once) as pool:
            return [*pool.map(lambda n: self.get(path, n),
                              range(self.scale))]

    def look_at(self, path, at_once=50):
        for number, (status, told) in enumerate(self.answers(path, at_once)):
            self.assertEqual(status, 200)
            self.assertEqual((told["n"], told["g"], told["var"],
                              told["before"]),
                             (str(number),) * 3 + (["unset"],))
            self.assertEqual(os.path.dirname(told["greenlet"]),
                             support.PACKAGE)

    def test_flask_under_gunicorn(self):
        self.need("gevent, gunicorn, flask, asgiref")
        with gunicorn(self) as self.port:
            self.look_at("sync")
            # asyncio has one running loop a thread, whatever the module: one async
            # view at a time, and others beside it.
            with ThreadPoolExecutor(1) as beside:
                others = beside.submit(self.look_at, "sync")
                self.look_at("async", at_once=1)
                others.result()
            self.assertEqual({status for status, _ in self.answers("error")},
                             {500})
            self.look_at("sync")


@contextlib.contextmanager
def gunicorn(test):
    with tempfile.TemporaryDirectory(prefix="vireo-python-") as folder:
        log = os.path.join(folder, "log")
        with open(log, "w", encoding="utf-8") as stream:
            server = subprocess.Popen(
                [support.PYTHON, "-m", "gunicorn", "-k", "gevent", "-w", "2",
                 "-b", "127.0.0.1:0", "--chdir", PROGRAMS, "flask_app:app"],
                env=environment(), stdout=stream, stderr=stream)
        try:
            yield port_in(log, server)
            server.send_signal(signal.SIGTERM)
            test.assertEqual(server.wait(60), 0)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()
        with open(log, encoding="utf-8") as stream:
            text = stream.read()
        test.assertIn("Using worker: gevent", text)
        test.assertNotIn("Worker failed", text)


def port_in(log, server):
    """gunicorn says where it listens."""
    for _ in range(600):
        with open(log, encoding="utf-8") as stream:
            text = stream.read()
        if "Booting worker" in text:
            return int(text.split("http://127.0.0.1:")[1].split()[0])
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError("gunicorn does not start: " + text)
