"""hubs_programs.py - MariaDB under sysbench: natively, and with its threads on one hub or
on as many as there are cores.
"""
import atexit
import contextlib
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from programs import Unavailable, memory, need_descriptors

SECONDS = 6
TABLES = ("--tables=4", "--table-size=5000")
PATIENCE = 120


def run(words, limit=PATIENCE):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=limit)
    return done.returncode, done.stdout.decode(errors="replace")


@functools.cache
def data():
    """A folder with tables in it, made once by a native server."""
    for program in ("mariadb-install-db", "mariadbd", "sysbench"):
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") is None:
            raise Unavailable("needs " + program)
    folder = tempfile.mkdtemp(prefix="vireo-hubs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    status, said = run(["mariadb-install-db", "--no-defaults", "--user=root",
                        "--datadir=" + folder + "/data", "--skip-test-db",
                        "--auth-root-authentication-method=normal"])
    if status != 0:
        raise Unavailable("mariadb-install-db: " + said[-200:])
    with server(folder + "/data", {}) as (_, port):
        status, said = run(["mariadb", "--no-defaults", "-uroot", "-h127.0.0.1",
                            "-P%d" % port, "-e", "create database sbtest"])
        if status == 0:
            status, said = run(sysbench("oltp_read_write", port) + ["prepare"])
        if status != 0:
            raise Unavailable("tables: " + said[-200:])
    return folder + "/data"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def sysbench(script, port, threads=1):
    return ["sysbench", script, "--mysql-host=127.0.0.1", "--mysql-user=root",
            "--mysql-port=%d" % port, "--mysql-db=sbtest", *TABLES,
            "--threads=%d" % threads, "--time=%d" % SECONDS]


@contextlib.contextmanager
def server(folder, env):
    port = free_port()
    process = subprocess.Popen(
        ["/usr/sbin/mariadbd", "--no-defaults", "--user=root",
         "--datadir=" + folder, "--bind-address=127.0.0.1", "--port=%d" % port,
         "--socket=" + folder + ".sock", "--pid-file=" + folder + ".pid",
         "--thread-handling=one-thread-per-connection", "--back-log=4096",
         "--max-connections=5100", "--skip-log-bin",
         "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=2"],
        env={**os.environ, **env}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise Unavailable("mariadbd did not start") from None
                time.sleep(0.1)
        yield process, port
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment(place, hubs):
    return ({} if hubs is None
            else place.environment(True, {"VIREO_HUBS": hubs}))


def database(script, threads, hubs):
    """Time of the server's machine for each transaction."""
    def measure(place):
        with server(data(), environment(place, hubs)) as (_, port):
            status, said = run(sysbench(script, port, threads) + ["run"])
        found = re.search(r"transactions: +\d+ +\(([\d.]+) per sec", said)
        if status != 0 or not found:
            raise Unavailable("sysbench: " + said[-300:])
        return {"us": 1e6 / float(found.group(1))}
    return measure


def idle(count, hubs):
    """Memory for each of so many connections."""
    def measure(place):
        need_descriptors(count + 200)
        with contextlib.ExitStack() as stack:
            process, port = stack.enter_context(
                server(data(), environment(place, hubs)))
            before = memory(process.pid)[0]
            for _ in range(count):
                link = stack.enter_context(
                    socket.create_connection(("127.0.0.1", port), 60))
                link.recv(1)
            after = memory(process.pid)[0]
        return {"bytes": (after - before) / count}
    return measure
