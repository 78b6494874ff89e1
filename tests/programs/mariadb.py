"""What the tests of MariaDB share: a data folder, a server, its own clients."""
import contextlib
import functools
import os
import re
import resource
import shutil
import socket
import struct
import tempfile
import time

import harness
from harness import VIREO, check

# What InnoDB waits for its files with, by what it says when it starts.  Where
# the kernel or the container forbids rings it takes the next one by itself.
NATIVE_AIO = re.compile(r"InnoDB: Using (io_uring|Linux native AIO|liburing|"
                        r"libaio)")
KERNEL_STACK_KB = 16


@functools.cache
def _installed():
    """Data as mariadb-install-db leaves them, made once for the process."""
    folder = tempfile.TemporaryDirectory(prefix="vireo-db-")
    data = os.path.join(folder.name, "data")
    status, out, err = harness.run(
        ["mariadb-install-db", "--no-defaults", "--user=root",
         "--datadir=" + data, "--auth-root-authentication-method=normal",
         "--skip-test-db"], limit=240)
    check(status == 0, "mariadb-install-db: %d %s", status, (out + err)[-800:])
    return folder


def install(folder):
    """A copy of such data in this folder."""
    data = os.path.join(folder, "data")
    shutil.copytree(os.path.join(_installed().name, "data"), data)
    return data


def command(data, connections, more=()):
    """As packaged, but for where it is and how large."""
    return lambda port: [
        "mariadbd", "--no-defaults", "--user=root", "--datadir=" + data,
        "--bind-address=127.0.0.1", "--port=%d" % port,
        "--socket=" + data + ".sock", "--pid-file=" + data + ".pid",
        "--thread-handling=one-thread-per-connection",
        "--max-connections=%d" % (connections + 20), "--skip-log-bin",
        "--back-log=4096",
        "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", *more]


def start(data, mode, connections=500, options=(), launcher=(), **more):
    """`launcher`: what starts the server, with its command as arguments."""
    plain = command(data, connections, options)
    return harness.start_server(lambda port: [*launcher, *plain(port)], mode,
                                limit=120, **more)


@contextlib.contextmanager
def servers(connections=500):
    """{mode: server}, each with data of its own, at the same time."""
    with contextlib.ExitStack() as stack:
        found = {}
        for mode in harness.modes():
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="vireo-db-"))
            found[mode] = stack.enter_context(
                start(install(folder), mode, connections))
        yield found


def raise_nofile(wanted):
    """For the clients, and for the server, which needs two a connection."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise harness.Skip("RLIMIT_NOFILE is at most %d here, and %d are "
                           "needed" % (hard, wanted))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def client(server, program, *args, limit=120):
    return harness.run([program, "--no-defaults", "-uroot", "-h127.0.0.1",
                        "-P%d" % server.port, *args], limit=limit)


def sql(server, statements):
    status, out, err = client(server, "mariadb", "-N", "-e", statements)
    check(status == 0, "%s: %s: %s %s", server.mode, statements[:80], err,
          server.output()[-800:])
    return out


def slap(server, clients, queries, *args, limit=600):
    """mariadb-slap's own mix of reads and writes; every query must succeed."""
    return client(server, "mariadb-slap", "--concurrency=%d" % clients,
                  "--iterations=1", "--number-of-queries=%d" % queries,
                  *(args or ("--auto-generate-sql", "--engine=innodb",
                             "--auto-generate-sql-load-type=mixed")),
                  limit=limit)


def slapped(server, clients, queries, *args):
    """(CPU seconds of the server, seconds) for one run."""
    before, begin = server.usage()["cpu_s"], time.monotonic()
    status, out, err = slap(server, clients, queries, *args)
    took = time.monotonic() - begin
    check(status == 0 and "rror" not in err, "%s: mariadb-slap at %d: %s %s; %s",
          server.mode, clients, out, err[-500:], server.output()[-800:])
    return server.usage()["cpu_s"] - before, took


class Held:
    """So many connections, opened by the protocol's own few bytes: the greeting
    of the server, and root without a password."""

    def __init__(self, port, count):
        self.sockets = []
        for _ in range(count):
            self.sockets.append(socket.create_connection(
                ("127.0.0.1", port), 120))
            self._packet(-1)
            login = struct.pack("<IIB23x", 0x8200, 1 << 24, 33) + b"root\0\0"
            self._send(-1, login, 1)
            check(self._packet(-1)[:1] == b"\0", "connection %d is refused",
                  len(self.sockets))

    def _send(self, at, body, number):
        self.sockets[at].sendall(
            struct.pack("<I", len(body) | number << 24) + body)

    def _packet(self, at):
        length = int.from_bytes(self._exactly(at, 4)[:3], "little")
        return self._exactly(at, length)

    def _exactly(self, at, length):
        data = b""
        while len(data) < length:
            piece = self.sockets[at].recv(length - len(data))
            check(piece, "connection %d has ended", at)
            data += piece
        return data

    def send_all(self, statement):
        for at in range(len(self.sockets)):
            self._send(at, b"\3" + statement.encode(), 0)

    def ask_all(self, statement):
        """All at once; each must be answered without an error."""
        self.send_all(statement)
        self.answers()

    def answers(self):
        for at in range(len(self.sockets)):
            body, ends = self._packet(at), 0
            check(body[:1] != b"\xff", "connection %d: %r", at, body)
            while ends < 2 and body[:1] != b"\0":
                ends += self._packet(at)[:1] == b"\xfe"

    def close(self):
        for held in self.sockets:
            held.close()


def memory_kb(usage):
    """With the kernel's part, which RSS does not show."""
    return (usage["rss_kb"] + usage["pte_kb"] +
            usage["threads"] * KERNEL_STACK_KB)


def stop(server):
    """A clean end, and a log without complaints."""
    log = server.output()
    status = server.popen.poll()
    check(status is None, "%s: ended by itself: %s: %s", server.mode, status,
          log[-1500:])
    server.popen.terminate()
    status = server.wait(120)
    log = server.output()
    server.stop()
    check(status == 0, "%s: ends with %s: %s", server.mode, status,
          log[-1500:])
    check(not re.search(r"\[ERROR\]|[Aa]ssertion|signal \d+", log), "%s: %s",
          server.mode, log[-1500:])
    check("Shutdown complete" in log, "%s: %s", server.mode, log[-500:])
    return log


def check_aio(server):
    """InnoDB has native AIO on, as it comes."""
    if sql(server, "select @@innodb_use_native_aio").strip() != "1":
        return "none: neither io_uring nor AIO can be had here"
    found = NATIVE_AIO.search(server.output())
    return found.group(1) if found else "on"


def kill_9(mode, rows):
    """Rows are inserted, one transaction each, until the server is killed;
    those that the client was told of are there when it has recovered."""
    with tempfile.TemporaryDirectory(prefix="vireo-db-") as folder:
        data = install(folder)
        with start(data, mode) as server:
            sql(server, "create database k; create table k.t "
                "(n integer primary key, s varchar(200)) engine=innodb")
            script = os.path.join(folder, "script")
            with open(script, "w", encoding="ascii") as f:
                for n in range(100000):
                    f.write("insert into k.t values (%d, repeat('x', 150));"
                            "select %d;\n" % (n, n))
            told = killed_at(server, script, rows)
        with start(data, mode) as server:
            there = sql(server, "check table k.t; select count(*), max(n) "
                        "from k.t; insert into k.t values (200000, 'more')")
            log = server.output()
            stop(server)
    fields = there.split()
    check("OK" in fields, "%s: %s", mode, there)
    count, most = int(fields[-2]), int(fields[-1])
    check(count == most + 1 and most >= told,
          "%s: told of %d; there are %d, up to %d", mode, told, count, most)
    check(re.search("crash recovery|Starting final batch|recover", log),
          "%s: no recovery: %s", mode, log[-1500:])
    return told, count


def killed_at(server, script, rows):
    """Kill the server when the client has seen so many rows; the last seen."""
    with open(script, encoding="ascii") as source:
        with harness.Program(
                ["mariadb", "--no-defaults", "-uroot", "-h127.0.0.1",
                 "-P%d" % server.port, "-N", "-n"], stdin=source,
                stdout=harness.subprocess.PIPE) as inserting:
            last = -1
            for line in inserting.popen.stdout:
                last = int(line)
                if last == rows:
                    server.popen.kill()
    check(last >= rows, "%s: %d rows only: %s", server.mode, last,
          server.output()[-800:])
    server.wait(30)
    return last


def few_threads(server):
    """Under Vireo there is no OS thread for each connection."""
    if server.mode == VIREO:
        threads = harness.settled_usage(server)["threads"]
        check(threads <= harness.MAX_OS_THREADS + 16, "%d OS threads", threads)
