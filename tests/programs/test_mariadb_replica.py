#!/usr/bin/python3
# label: long
# timeout: 3600
# serial
"""A master and a replica, one of them preloaded, with parallel appliers and
semi-synchronous acknowledgement: the same rows, also when the replica's threads
were stopped or it was killed in between.  Kill -9 of a server with a binary log
under load.  Dumps by and from preloaded programs."""
import contextlib
import hashlib
import re
import sys
import tempfile
import time

import harness
import mariadb
from harness import NATIVE, VIREO, check

LIMIT = 180
TABLES = """
create database d; use d;
create table t (n bigint primary key auto_increment, s varchar(200), m longblob,
  key (s)) engine=innodb;
create table a (n integer primary key, s text, fulltext (s)) engine=aria;
insert into t (s, m) select seq, repeat(char(seq % 256), seq % 3000)
  from seq_1_to_3000;
insert into a select seq, concat('word', seq) from seq_1_to_500;
delimiter //
create procedure p (k integer) begin declare i integer default 0;
  while i < k do insert into t (s) values (uuid()); set i = i + 1; end while;
end//
delimiter ;
create trigger g after insert on t for each row set @last = new.n;
create view v as select n, s from t where n < 100;
create event e on schedule every 1 hour do delete from t where n < 0;
"""


def programs():
    harness.need("mariadbd", "mariadb", "mariadb-install-db", "mariadb-dump",
                 "mariadb-slap")


@contextlib.contextmanager
def pair(folder, modes):
    """A master and a replica of it, both with binary logs."""
    with contextlib.ExitStack() as stack:
        servers = []
        for n, mode in enumerate(modes):
            data = mariadb.install(stack.enter_context(
                tempfile.TemporaryDirectory(prefix="vireo-db-", dir=folder)))
            servers.append(stack.enter_context(start(data, mode, n)))
        master, replica = servers
        for text in ("create user r@'127.0.0.1' identified by 'r'",
                     "grant replication slave on *.* to r@'127.0.0.1'",
                     "set global rpl_semi_sync_master_enabled = 1"):
            mariadb.sql(master, text)
        follow(replica, master)
        yield servers


def start(data, mode, n):
    server = mariadb.start(data, mode, options=(
        "--log-bin=" + data + "-bin", "--server-id=%d" % (n + 1),
        "--relay-log=" + data + "-relay", "--gtid-strict-mode=1",
        "--slave-parallel-threads=4", "--slave-parallel-mode=optimistic",
        "--log-slave-updates=1", "--sync-binlog=1", "--slave-net-timeout=10",
        "--rpl-semi-sync-slave-enabled=%d" % n, "--skip-slave-start"))
    server.data = data
    return server


def follow(replica, master):
    mariadb.sql(replica, "change master to master_host='127.0.0.1', "
                "master_port=%d, master_user='r', master_password='r', "
                "master_use_gtid=slave_pos, master_connect_retry=1; "
                "start slave" % master.port)


def caught_up(master, replica):
    at = mariadb.sql(master, "select @@gtid_binlog_pos").strip()
    got = mariadb.sql(replica, "select master_gtid_wait('%s', %d)" % (
        at, LIMIT)).strip()
    check(got == "0", "%s replica of %s: %s: %s", replica.mode, master.mode,
          got, mariadb.sql(replica, "show slave status\\G"))
    sums = [mariadb.sql(s, "checksum table d.t, d.a; select count(*), max(n) "
                        "from d.t") for s in (master, replica)]
    check(sums[0] == sums[1], "%s replica of %s: %s", replica.mode,
          master.mode, sums)
    return sums[0]


def write(master, queries):
    status, out, err = mariadb.slap(
        master, 20, queries, "--create-schema=d", "--no-drop",
        "--delimiter=;", "--query=insert into d.t (s) values (rand()); "
        "call d.p(3); update d.t set s = rand() where n = 1 + rand() * 100")
    check(status == 0 and "rror" not in err, "%s: %s %s", master.mode, out, err)


def replicate(modes):
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vireo-db-") as folder:
        with pair(folder, modes) as (master, replica):
            mariadb.sql(master, TABLES)
            write(master, 600)
            print("%s to %s: %s" % (*modes, caught_up(master, replica).split()))
            mariadb.sql(replica, "stop slave")
            write(master, 300)
            mariadb.sql(replica, "start slave")
            caught_up(master, replica)
            write(master, 300)
            replica.popen.kill()
            replica.wait(30)
            write(master, 100)
            with start(replica.data, modes[1], 1) as again:
                mariadb.sql(again, "start slave")
                print("%s to %s, killed: %s" % (
                    *modes, caught_up(master, again).split()))
                shown = mariadb.sql(again, "show slave status\\G")
                check(shown.count("Yes") >= 2, shown)
                mariadb.sql(again, "stop slave; start slave")
                write(master, 100)
                caught_up(master, again)
                used = {s.mode: s.usage()["cpu_s"] for s in (master, again)}
                mariadb.stop(again)
            # It has said that it lost its replica, as an error.
            master.popen.terminate()
            check(master.wait(LIMIT) == 0, master.output()[-1500:])
    print("%s to %s: %.1f s, CPU of both %s" % (
        *modes, time.monotonic() - begin, used))
    sys.stdout.flush()


def test_native_master():
    programs()
    replicate((NATIVE, harness.modes()[-1]))


def test_native_replica():
    programs()
    replicate((harness.modes()[-1], NATIVE))


def test_kill_9_with_a_binary_log():
    """Under load of twenty connections, three times."""
    programs()
    for mode in harness.modes():
        with tempfile.TemporaryDirectory(prefix="vireo-db-") as folder:
            data = mariadb.install(folder)
            for n in range(4):
                with start(data, mode, 0) as server:
                    if n == 0:
                        mariadb.sql(server, TABLES)
                    answer = mariadb.sql(server, "check table d.t; "
                                         "select count(*) from d.t")
                    check("OK" in answer, "%s: %s", mode, answer)
                    print("%s: start %d: %s rows" % (mode, n,
                                                     answer.split()[-1]))
                    if n == 3:
                        mariadb.stop(server)
                        continue
                    with harness.Program(
                            ["mariadb-slap", "--no-defaults", "-uroot",
                             "-h127.0.0.1", "-P%d" % server.port,
                             "--concurrency=20", "--number-of-queries=100000",
                             "--create-schema=d", "--no-drop",
                             "--query=call d.p(2)"]):
                        time.sleep(4)
                        server.popen.kill()
                        server.wait(30)


def dump(server, mode, *more):
    """What mariadb-dump says, run in that mode."""
    status, out, err = harness.run(
        ["mariadb-dump", "--no-defaults", "-uroot", "-h127.0.0.1",
         "-P%d" % server.port, "--single-transaction", "--routines",
         "--triggers", "--events", "--skip-dump-date", "--hex-blob", *more,
         "d"], mode, limit=LIMIT)
    check(status == 0 and err == "", "%s: %s", mode, err)
    return re.sub(r"-- Host:.*", "", out)


def test_dump():
    """Servers and dumps of each mode give one text; it is read in by each."""
    programs()
    texts = set()
    with mariadb.servers() as servers:
        for server in servers.values():
            mariadb.sql(server, TABLES)
        for mode in harness.modes():
            for server in servers.values():
                text = re.sub(r"'[0-9-]{10} [0-9:]{8}'", "", dump(server, mode))
                texts.add(re.sub(r"(STARTS) *", r"\1", text))
        print("%d dump(s) of %d bytes: %s" % (
            len(texts), len(text), [hashlib.sha1(t.encode()).hexdigest()[:8]
                                    for t in texts]))
        check(len(texts) == 1, "%s", [len(t) for t in texts])
        for mode in harness.modes():
            for name, server in servers.items():
                text = dump(server, mode)
                with tempfile.TemporaryFile("w+") as f:
                    f.write(text)
                    f.seek(0)
                    mariadb.sql(server, "create or replace database back")
                    reading = harness.Program(
                        ["mariadb", "--no-defaults", "-uroot", "-h127.0.0.1",
                         "-P%d" % server.port, "back"], mode, stdin=f)
                    with reading:
                        check(reading.wait(LIMIT) == 0, reading.output())
                sums = mariadb.sql(server, "checksum table d.t, back.t, d.a, "
                                   "back.a").split()
                check(sums[1] == sums[3] and sums[5] == sums[7], "%s", sums)
            for command in ("mariadb-check", "mariadb-admin"):
                status, out, err = harness.run(
                    [command, "--no-defaults", "-uroot", "-h127.0.0.1",
                     "-P%d" % server.port, *(["d"] if command[8:] == "check"
                                             else ["ping", "processlist"])],
                    mode, limit=LIMIT)
                check(status == 0 and err == "", "%s: %s %s", mode, command,
                      err)
        for server in servers.values():
            mariadb.stop(server)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
