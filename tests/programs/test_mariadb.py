#!/usr/bin/python3
# label: long
# serial
"""MariaDB with a thread for each connection: start, tables, 200 clients at
once, a clean end.  The same rows come out as natively.

InnoDB's native AIO makes its system calls inline, by liburing: nothing that is
preloaded sees them (docs/limitations.md), so it is off, in both modes."""
import os
import re
import sys
import tempfile

import harness
from harness import NATIVE, VIREO, check

CLIENTS = 200
STATEMENTS = """
create database d; use d;
create table t (n integer primary key, s varchar(100)) engine=innodb;
insert into t select seq, repeat('x', seq % 50) from seq_1_to_2000;
select count(*), sum(n), sum(length(s)) from t;
start transaction; delete from t where n > 1000; rollback;
select count(*) from t; select sleep(0.1);
update t set s = 'changed' where n = 7; select s from t where n = 7;
show variables like 'thread_handling';
"""


def install(folder):
    data = os.path.join(folder, "data")
    status, out, err = harness.run(
        ["mariadb-install-db", "--no-defaults", "--user=root",
         "--datadir=" + data, "--auth-root-authentication-method=normal",
         "--skip-test-db"], limit=120)
    check(status == 0, "mariadb-install-db: %d %s", status, (out + err)[-800:])
    return data


def command(data, socket_path):
    return lambda port: [
        "mariadbd", "--no-defaults", "--user=root", "--datadir=" + data,
        "--bind-address=127.0.0.1", "--port=%d" % port,
        "--socket=" + socket_path, "--pid-file=" + data + ".pid",
        "--thread-handling=one-thread-per-connection",
        "--max-connections=1000", "--skip-log-bin",
        "--innodb-use-native-aio=0",
        "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"]


def client(server, program, *args):
    return harness.run([program, "--no-defaults", "-uroot", "-h127.0.0.1",
                        "-P%d" % server.port, *args], limit=90)


def use(server):
    answers = [client(server, "mariadb", "-N", "-e", STATEMENTS)]
    slap = client(server, "mariadb-slap", "--create-schema=d",
                  "--concurrency=%d" % CLIENTS, "--iterations=1",
                  "--number-of-queries=2000", "--no-drop",
                  "--query=select count(*) from d.t; insert ignore into d.t "
                  "values (rand() * 1000000, 'slap')", "--delimiter=;")
    check(slap[0] == 0, "%s: mariadb-slap: %s; %s", server.mode, slap,
          server.output()[-800:])
    answers.append(client(server, "mariadb", "-N", "-e",
                          "select count(*) > 2000 from d.t; check table d.t"))
    return answers


def test_many_clients():
    harness.need("mariadbd", "mariadb", "mariadb-slap", "mariadb-install-db")
    seen = {}
    for mode in harness.modes():
        with tempfile.TemporaryDirectory(prefix="vireo-db-") as folder:
            data = install(folder)
            with harness.start_server(
                    command(data, os.path.join(folder, "socket")),
                    mode, limit=60) as server:
                answers = use(server)
                threads = server.usage()["threads"]
                log = server.output()
                status = server.stop(timeout=60)
        print("%s: %d OS threads" % (mode, threads))
        check(status == 0, "%s: ends with %s", mode, status)
        check(not re.search(r"\[ERROR\]|assertion|signal \d+", log),
              "%s: %s", mode, log[-1500:])
        if mode == VIREO:
            check(threads <= harness.MAX_OS_THREADS + 16, "%d OS threads",
                  threads)
        seen[mode] = answers
        check(answers == seen[NATIVE], "%s: %s, natively %s", mode, answers,
              seen[NATIVE])
    check(seen[NATIVE][0][0] == 0, "natively %s", seen[NATIVE])


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
