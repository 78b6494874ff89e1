#!/usr/bin/python3
# label: long
# timeout: 3600
# serial
"""What else is asked of MariaDB, each as natively: a pool of threads, killed
queries and connections, waits for locks that end, more connections than are
allowed, slow clients, TLS, big values, events, signals, SHUTDOWN and kill -9
under load."""
import contextlib
import hashlib
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import time

import harness
import mariadb
from harness import NATIVE, check

LIMIT = 120 # seconds that a client waits for an answer
ROWS = "create or replace table d.t (n integer primary key, s longblob); " \
    "use d; insert into d.t select seq, repeat('x', seq % 50) from seq_1_to_2000"


def driver():
    try:
        import pymysql
    except ImportError:
        raise harness.Skip("python3-pymysql is not installed")
    return pymysql


def connect(server, **more):
    return driver().connect(host="127.0.0.1", port=server.port, user="root",
                            autocommit=True, connect_timeout=LIMIT,
                            read_timeout=LIMIT, write_timeout=LIMIT, **more)


def ask(connection, statement, *values):
    """The rows, or the number of the error."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall()
    except (driver().err.Error, OSError) as error:
        # Which of two a client sees of a connection that ends is chance.
        number = error.args[0] if error.args else 0
        return "lost" if number in (0, 2006, 2013) else number


def asked(server, statement, **more):
    """By a connection of its own, once there is one."""
    for left in range(100, -1, -1):
        try:
            connection = connect(server, **more)
            break
        except driver().err.OperationalError as error:
            if error.args[0] not in (1040, 1203) or left == 0:
                raise
            time.sleep(0.1)
    with contextlib.closing(connection):
        return ask(connection, statement)


class Asking(threading.Thread):
    """A statement that a thread of the client's waits for."""

    def __init__(self, connection, *statements):
        super().__init__(daemon=True)
        self.connection, self.statements = connection, statements
        self.answer = None
        self.start()

    def run(self):
        for statement in self.statements:
            self.answer = ask(self.connection, statement)

    def result(self):
        self.join(LIMIT)
        check(not self.is_alive(), "no end of %s", self.statements)
        return self.answer


def until(condition, what):
    end = time.monotonic() + LIMIT
    while not condition():
        check(time.monotonic() < end, "never: %s", what)
        time.sleep(0.05)


def running(server, text):
    """Until a statement with this in it runs."""
    until(lambda: asked(
        server, "select count(*) from information_schema.processlist where "
        "info like '%" + text + "%' and info not like '%processlist%' and "
        "command != 'Sleep'")[0][0], text + " runs")


def compare(scene, *options, connections=100, launcher=()):
    """scene(server)'s value with a server of each mode; the server is ended, if
    the scene has not."""
    harness.need("mariadbd", "mariadb", "mariadb-install-db")
    driver()
    seen = {}
    for mode in harness.modes():
        with tempfile.TemporaryDirectory(prefix="vireo-db-") as folder:
            data = mariadb.install(folder)
            with mariadb.start(data, mode, connections, options,
                               launcher) as server:
                server.data = data
                mariadb.sql(server, "create database d; use d; " + ROWS)
                begin, before = time.monotonic(), server.usage()["cpu_s"]
                seen[mode] = scene(server)
                took = time.monotonic() - begin
                if server.popen.poll() is None:
                    print("%s: %.1f s, %.2f s of CPU" % (
                        mode, took, server.usage()["cpu_s"] - before))
                    mariadb.stop(server)
                else:
                    print("%s: %.1f s" % (mode, took))
                sys.stdout.flush()
        check(seen[mode] == seen[NATIVE], "%s: %s, natively %s", mode,
              seen[mode], seen[NATIVE])
    print(str(seen[NATIVE])[:600])


def test_pool_of_threads():
    """Queries that sleep and compute beside others; more than the pool has."""
    def scene(server):
        sleeping = [Asking(connect(server), "select sleep(1)")
                    for _ in range(40)]
        computing = [Asking(connect(server), "select benchmark(300000, "
                            "sha1('x'))") for _ in range(10)]
        answers = [one.result() for one in sleeping + computing]
        mariadb.slapped(server, 80, 2000)
        with contextlib.closing(connect(server)) as c:
            answers.append(ask(c, "select @@thread_handling"))
        for clause in ("query", "connection"):
            one = Asking(connect(server), "select sleep(500)")
            running(server, "sleep(500)")
            asked(server, "kill %s %d" % (
                clause, one.connection.thread_id()))
            answers.append(one.result())
        return answers

    compare(scene, "--thread-handling=pool-of-threads",
            "--thread-pool-size=4", connections=300)


def test_aio_without_rings():
    """Where the kernel has no io_uring: its AIO, and InnoDB's own threads where
    that is off."""
    def scene(server):
        print("%s: AIO: %s" % (server.mode, mariadb.sql(
            server, "select @@innodb_use_native_aio").strip()))
        check("Using io_uring" not in server.output(), "rings")
        mariadb.slapped(server, 100, 2000)
        mariadb.sql(server, "use d; insert into d.t select seq, repeat('y', 20000) "
                    "from seq_2001_to_6000")
        return mariadb.sql(server, "select count(*), sum(length(s)) from d.t; "
                           "check table d.t")

    norings = harness.c_program("norings")
    compare(scene, connections=200, launcher=[norings])
    compare(scene, "--innodb-use-native-aio=0", connections=200,
            launcher=[norings])


def test_kill():
    """Statements that wait for time, rows and locks, that compute, that write
    to a client who does not read."""
    waits = ["select sleep(500)", "select benchmark(2000000000, md5('k'))",
             "select get_lock('held', 500)",
             "select count(*) from d.t a, d.t b, d.t c, d.t e where a.s < b.s",
             "update d.t set s = 'k' where n = 1",
             "alter table d.locked add c integer"]

    def killed(server, clause, statement):
        one = Asking(connect(server), "set innodb_lock_wait_timeout = 500",
                     "set lock_wait_timeout = 500", statement)
        running(server, statement[:30].replace("'", "''"))
        asked(server, "kill %s %d" % (clause, one.connection.thread_id()))
        answer = one.result()
        return answer, ask(one.connection, "select 1")

    def scene(server):
        holder = connect(server)
        for statement in (
                "create table d.locked (n integer) engine=innodb",
                "select get_lock('held', 1)", "start transaction",
                "update d.t set s = 'held' where n = 1",
                "insert into d.locked values (1)"):
            ask(holder, statement)
        answers = [killed(server, clause, statement)
                   for clause in ("query", "connection")
                   for statement in waits]
        idle = connect(server)
        ask(holder, "kill connection %d" % idle.thread_id())
        answers.append(ask(idle, "select 1"))
        ask(holder, "rollback")
        return answers

    compare(scene)


SLOW = "from information_schema.processlist where info like '%slow%' and " \
    "info not like '%processlist%'"


def slow_client(server, ends):
    """One that does not read what it asked for, until it `ends`."""
    slow = mariadb.Held(server.port, 1)
    slow.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    slow.ask_all("set net_write_timeout = %d" % (
        2 if ends == "timeout" else 500))
    slow.send_all("select repeat('y', 10000) /* slow */ from d.t")
    running(server, "slow")
    time.sleep(0.5)
    others = asked(server, "select count(*) from d.t")
    if ends == "kill":
        asked(server, "kill %d" % asked(server, "select id " + SLOW)[0][0])
    if ends == "read":
        slow.answers()
    until(lambda: not asked(server, "select id " + SLOW),
          "the slow one has ended")
    slow.close()
    return others


def test_slow_clients():
    """One that does not read what it asked for is waited for, while others are
    answered, and killed; time-outs of idle, silent and slow clients."""
    def scene(server):
        answers = [slow_client(server, ends)
                   for ends in ("kill", "timeout", "read")]
        idle = connect(server)
        ask(idle, "set wait_timeout = 1")
        time.sleep(3)
        answers.append(ask(idle, "select 1"))
        silent = socket.create_connection(("127.0.0.1", server.port), LIMIT)
        with silent, contextlib.suppress(ConnectionResetError):
            while silent.recv(4096):
                pass
        answers.append("the silent one was ended")
        return answers

    compare(scene, "--connect-timeout=3")


def test_waits_for_rows():
    """Time-outs, deadlocks, statements that take too long."""
    def scene(server):
        one, other = connect(server), connect(server)
        for c in (one, other):
            ask(c, "set innodb_lock_wait_timeout = 1, lock_wait_timeout = 1")
            ask(c, "start transaction")
        answers = [ask(one, "update d.t set s = 'a' where n = 1"),
                   ask(other, "update d.t set s = 'b' where n = 1"),
                   ask(other, "alter table d.t add c integer")]
        for c in (one, other):
            ask(c, "rollback")
            ask(c, "set innodb_lock_wait_timeout = 100")
        deadlocks = 0
        for _ in range(20):
            for c, n in ((one, 1), (other, 2)):
                ask(c, "start transaction")
                ask(c, "update d.t set s = 'c' where n = %d" % n)
            first = Asking(one, "update d.t set s = 'd' where n = 2")
            second = ask(other, "update d.t set s = 'd' where n = 1")
            both = sorted(str(x) for x in (first.result(), second))
            check(both == ["()", "1213"], "%s: %s", server.mode, both)
            deadlocks += 1
            for c in (one, other):
                ask(c, "rollback")
        answers.append(deadlocks)
        ask(one, "set max_statement_time = 0.5")
        answers.append(ask(one, "select sleep(500)"))
        answers.append(ask(one, "select benchmark(2000000000, md5('k'))"))
        answers.append(ask(other, "select get_lock('a', 1), is_used_lock('a') "
                           "= connection_id()"))
        answers.append(ask(one, "select get_lock('a', 0.2)"))
        return answers

    compare(scene)


def test_too_many_connections():
    def scene(server):
        allowed = asked(server, "select @@max_connections")[0][0]
        until(lambda: asked(server, "show status like 'Threads_connected'"
                            )[0][1] == "1", "one connection")
        held, refused = [], []
        for _ in range(allowed + 20):
            try:
                held.append(connect(server))
            except driver().err.Error as error:
                refused.append(error.args[0])
        answers = [len(held), refused, {ask(c, "select 1") for c in held}]
        for c in held:
            c.close()
        until(lambda: asked(server, "show status like 'Threads_connected'"
                            )[0][1] == "1", "one connection")
        answers.append(asked(server, "select 2"))
        return answers

    compare(scene, connections=30)


def test_big_values():
    """Eight clients write and read 1.3 MB each, by TLS and not; 40 MB there
    and back."""
    def one(server, n, wrong, tls):
        c = connect(server, ssl={"check_hostname": False} if tls else None)
        data = hashlib.sha256(b"%d" % n).digest() * 40000
        ask(c, "replace into d.t values (%s, %s)", 10000 + n, data)
        back = ask(c, "select s, sha1(s) from d.t where n = %s", 10000 + n)
        if (back[0][0] != data
                or back[0][1] != hashlib.sha1(data).hexdigest()):
            wrong.append((n, str(back)[:100]))
        c.close()

    def scene(server):
        wrong = []
        for tls in (False, True):
            threads = [threading.Thread(target=one, args=(server, n, wrong,
                                                          tls))
                       for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(LIMIT)
        out = mariadb.client(server, "mariadb", "--ssl", "-N", "-e",
                             "select count(*), sum(length(s)) from d.t; "
                             "show status like 'Ssl_version'")
        big = mariadb.client(
            server, "mariadb", "--ssl", "--compress", "-N",
            "--max-allowed-packet=64M", "-e", "replace into d.t values (9, "
            "repeat('z', 40000000)); select s from d.t where n = 9")[1]
        mariadb.slapped(server, 40, 800, "--ssl", "--auto-generate-sql")
        return wrong, out, len(big), set(big)

    with tempfile.TemporaryDirectory(prefix="vireo-tls-") as folder:
        pem = harness.make_certificate(os.path.join(folder, "pem"))
        compare(scene, "--max-allowed-packet=64M", "--connect-timeout=100",
                "--ssl-cert=" + pem +
                ".crt", "--ssl-key=" + pem)


def test_events_and_signals():
    """The scheduler's threads; SIGHUP reloads; SIGSTOP and SIGCONT; SIGTERM
    with connections open."""
    def scene(server):
        mariadb.sql(server, "create table d.e (at datetime(6)); create event "
                    "d.tick on schedule every 1 second do insert into d.e "
                    "values (now(6)); set global general_log = 1")
        rows = lambda: asked(server, "select count(*) from d.e")[0][0]
        until(lambda: rows() >= 3, "three events")
        general = [f for f in os.listdir(server.data) if f.endswith(".log")
                   and not f.startswith(("aria", "ib", "tc", "ddl"))]
        for name in general:
            os.unlink(os.path.join(server.data, name))
        server.popen.send_signal(signal.SIGHUP)
        until(lambda: all(os.path.exists(os.path.join(server.data, name))
                          for name in general), "new logs")
        server.popen.send_signal(signal.SIGSTOP)
        time.sleep(1)
        server.popen.send_signal(signal.SIGCONT)
        seen = rows()
        until(lambda: rows() > seen, "more events")
        server.popen.send_signal(signal.SIGPIPE)
        answers = [len(general), asked(server, "select 1")]
        held = [Asking(connect(server), "select sleep(500)")
                for _ in range(20)]
        idle = [connect(server) for _ in range(20)]
        running(server, "sleep(500)")
        mariadb.stop(server)
        answers.append({str(one.result()) for one in held})
        answers.append({str(ask(c, "select 1")) for c in idle})
        return answers

    compare(scene, "--event-scheduler=on")


def test_shutdown():
    """By SQL, with transactions, sleeping and computing queries."""
    def scene(server):
        one = connect(server)
        ask(one, "start transaction")
        ask(one, "update d.t set s = 'open' where n = 1")
        busy = [Asking(connect(server), text) for text in (
            "select sleep(500)", "update d.t set s = 'w' where n = 1",
            "select benchmark(2000000000, md5('k'))")]
        for part in ("sleep(500)", "update", "benchmark"):
            running(server, part)
        answers = [asked(server, "shutdown")]
        status = server.wait(LIMIT)
        answers += [status, {str(b.result()) for b in busy} - {"1053"}]
        check("Shutdown complete" in server.output(), server.output()[-800:])
        return answers

    compare(scene)


def test_much_at_once():
    """Tables of each engine and tables that change while they are written to,
    by the socket in the file system too; a new thread for each connection."""
    def scene(server):
        mariadb.sql(server, "use d; " + "".join(
            "create table %s (n integer primary key auto_increment, s text, "
            "fulltext (s)) engine=%s; " % (name, name)
            for name in ("innodb", "aria", "myisam")))
        loads = [harness.Program([
            "mariadb-slap", "--no-defaults", "-uroot", *where,
            "--concurrency=15", "--number-of-queries=450",
            "--create-schema=d", "--no-drop", "--detach=5",
            "--query=insert into %s (s) values (concat('a ', uuid())); update "
            "%s set s = 'b c' where n = 1 + rand() * 50; select count(*) from "
            "%s where match (s) against ('c')" % (name, name, name),
            "--delimiter=;"]) for name in ("innodb", "aria", "myisam")
            for where in (["-h127.0.0.1", "-P%d" % server.port],
                          ["-S" + server.data + ".sock"])]
        one = connect(server)
        answers = []
        for statement in (
                "alter table d.innodb add c integer default 5, "
                "algorithm=inplace, lock=none",
                "alter table d.aria add c integer default 5",
                "flush tables with read lock", "unlock tables",
                "lock tables d.innodb write, d.myisam read",
                "unlock tables", "optimize table d.innodb",
                "alter table d.innodb drop column c",
                "xa start 'x'", "insert into d.t values (50000, 'xa')",
                "xa end 'x'", "xa prepare 'x'", "xa commit 'x'",
                "purge binary logs before now()",
                "flush status, logs, tables",
                "show engine innodb status"):
            answer = ask(one, statement)
            answers.append(answer if statement[:4] != "show" else
                           len(answer))
        for load in loads:
            with load:
                check(load.wait(LIMIT) == 0, "%s: %s", server.mode,
                      load.output())
        answers.append(ask(one, "check table d.innodb, d.aria, d.myisam, d.t"))
        answers += [ask(one, "select count(*) from d." + name)
                    for name in ("innodb", "aria", "myisam")]
        answers.append(ask(one, "select count(*) > 5 from "
                           "performance_schema.threads"))
        return answers

    compare(scene, "--thread-cache-size=0", "--performance-schema=on",
            "--query-cache-type=1", "--query-cache-size=8M",
            "--general-log", "--slow-query-log", "--long-query-time=0",
            connections=300)


def test_crashed():
    """A signal that the server reports itself."""
    def scene(server):
        server.popen.send_signal(signal.SIGSEGV)
        status = server.wait(LIMIT)
        log = server.output()
        return status, bool(re.search(r"got signal 11", log)), \
            bool(re.search("stack_bottom|Thread pointer", log))

    compare(scene)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
