"""Database servers for the tests of their clients, and those run against them."""
import contextlib
import glob
import os
import pwd
import signal
import subprocess
import sys
import tempfile

import harness
from harness import NATIVE, PYTHON, Skip, check

KILL = b"now the server is killed\n"


def _other_user():
    """What to put before a command that refuses to be root's."""
    if os.getuid() != 0:
        return [], None
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise Skip("there is no user postgres")
    harness.need("setpriv")
    return ["setpriv", "--reuid=%d" % user.pw_uid, "--regid=%d" % user.pw_gid,
            "--clear-groups"], user


@contextlib.contextmanager
def postgres_server():
    """PostgreSQL with a user "tester" who needs no password."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        raise Skip("postgresql is not installed")
    where = os.path.dirname(found[-1])
    before, user = _other_user()
    with tempfile.TemporaryDirectory(prefix="vireo-postgres-") as folder:
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = os.path.join(folder, "data")
        status, out, err = harness.run(
            before + [where + "/initdb", "-D", data, "-U", "tester", "-A",
                      "trust", "-N", "--no-locale"], limit=120, cwd=folder)
        check(status == 0, "initdb: %s", (out + err)[-800:])
        with harness.start_server(
                lambda port: before + [
                    where + "/postgres", "-D", data, "-k", folder, "-p",
                    str(port), "-c", "listen_addresses=127.0.0.1", "-c",
                    "max_connections=300", "-c", "fsync=off", "-c",
                    "deadlock_timeout=200ms", "-c", "shared_buffers=16MB"],
                limit=60, cwd=folder) as server:
            server.kill_signal = signal.SIGQUIT # its processes end at once
            try:
                yield server
            finally:
                if server.popen.poll() is None:
                    server.stop(signal.SIGQUIT)


@contextlib.contextmanager
def mariadb_server():
    """MariaDB with a user "tester" who needs no password, and a database d."""
    harness.need("mariadbd", "mariadb-install-db")
    with tempfile.TemporaryDirectory(prefix="vireo-mariadb-") as folder:
        data = os.path.join(folder, "data")
        first = os.path.join(folder, "first.sql")
        with open(first, "w") as f:
            f.write("create database if not exists d;\n"
                    "create or replace user tester@'127.0.0.1';\n"
                    "create or replace user tester@localhost;\n"
                    "grant all on *.* to tester@'127.0.0.1';\n"
                    "grant all on *.* to tester@localhost;\n")
        own = ["--no-defaults", "--datadir=" + data]
        if os.getuid() == 0:
            own.append("--user=root")
        status, out, err = harness.run(
            ["mariadb-install-db", *own, "--skip-test-db",
             "--auth-root-authentication-method=normal"], limit=120)
        check(status == 0, "mariadb-install-db: %s", (out + err)[-800:])
        with harness.start_server(
                lambda port: [
                    "mariadbd", *own, "--bind-address=127.0.0.1",
                    "--port=%d" % port, "--init-file=" + first,
                    "--socket=" + os.path.join(folder, "socket"),
                    "--pid-file=" + os.path.join(folder, "pid"),
                    "--max-connections=300", "--skip-log-bin",
                    "--innodb-use-native-aio=0",
                    "--innodb-flush-log-at-trx-commit=0",
                    "--innodb-buffer-pool-size=32M",
                    "--innodb-log-file-size=16M"], limit=60) as server:
            server.kill_signal = signal.SIGKILL
            yield server


@contextlib.contextmanager
def redis_server():
    with harness.start_redis() as server:
        server.kill_signal = signal.SIGKILL
        yield server


def run_and_kill(command, mode, server):
    """Run a client that asks for its server to be killed: (status, stdout,
    stderr)."""
    lines = []
    with harness.Program(command, mode, stdout=subprocess.PIPE) as program:
        for line in program.popen.stdout:
            if line == KILL:
                server.popen.send_signal(server.kill_signal)
            else:
                lines.append(line.decode())
        return program.wait(60), "".join(lines), program.output()


def client_as_natively(start, script, *arguments, module=None, wanted=None):
    """Run clients/SCRIPT.py against a server of its own in each mode."""
    if module and harness.run([PYTHON, "-c", "import " + module])[0] != 0:
        raise Skip("Python's %s is not installed" % module)
    done = {}
    for mode in harness.modes():
        with start() as server:
            done[mode] = run_and_kill(
                [PYTHON, harness.python_client(script), *arguments,
                 str(server.port)], mode, server)
        check(done[mode] == done[NATIVE], "%s: %s, natively %s", mode,
              done[mode], done[NATIVE])
    check(done[NATIVE][0] == 0 and done[NATIVE][2] == "", "natively %s",
          done[NATIVE])
    check(wanted in (None, done[NATIVE][1]), "natively %s", done[NATIVE][1])
    if "--verbose" in sys.argv:
        print(done[NATIVE][1])
