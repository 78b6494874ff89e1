#!/usr/bin/python3
# label: long
# timeout: 3600
# serial
"""MariaDB as Debian ships it, a thread for each connection, InnoDB with native
AIO: the same rows as natively, its own mariadb-slap at 20, 300 and 5,000
connections, sysbench, kill -9 and recovery, a clean end.

Native and preloaded run side by side, in turns.  At 300 connections the
preloaded server answers at least as many queries per CPU second; at 5,000 it
needs less memory."""
import concurrent.futures
import re
import statistics
import sys
import tempfile

import harness
import mariadb
from harness import NATIVE, VIREO, check

ROUNDS = 5
SYSBENCH_SECONDS = 10
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


def programs():
    harness.need("mariadbd", "mariadb", "mariadb-slap", "mariadb-install-db")


def test_same_rows():
    programs()
    seen = {}
    for mode in harness.modes():
        with tempfile.TemporaryDirectory(prefix="vireo-db-") as folder:
            with mariadb.start(mariadb.install(folder), mode) as server:
                print("%s: AIO: %s" % (mode, mariadb.check_aio(server)))
                answers = [mariadb.sql(server, STATEMENTS)]
                mariadb.slapped(
                    server, 200, 2000, "--create-schema=d", "--no-drop",
                    "--query=select count(*) from d.t; insert ignore into d.t "
                    "values (rand() * 1000000, 'slap')", "--delimiter=;")
                answers.append(mariadb.sql(
                    server, "select count(*) > 2000 from d.t; "
                    "check table d.t"))
                mariadb.few_threads(server)
                mariadb.stop(server)
        seen[mode] = answers
        check(answers == seen[NATIVE], "%s: %s, natively %s", mode, answers,
              seen[NATIVE])


def test_kill_9():
    programs()
    for mode in harness.modes():
        told, count = mariadb.kill_9(mode, 500)
        print("%s: told of %d rows, %d recovered" % (mode, told + 1, count))


def rounds(servers, clients, queries, count):
    """{mode: CPU seconds a query, a median}; printed with the rest."""
    costs = {mode: [] for mode in servers}
    for _ in range(count):
        for mode, server in servers.items():
            cpu, took = mariadb.slapped(server, clients, queries)
            costs[mode].append(cpu / queries)
            print("%s: %d connections: %.0f queries per CPU second, %.0f/s" % (
                mode, clients, queries / cpu, queries / took))
            sys.stdout.flush()
    return {mode: statistics.median(cost) for mode, cost in costs.items()}


def test_slap_20_and_300():
    programs()
    with mariadb.servers() as servers:
        rounds(servers, 20, 4000, 1)
        cost = rounds(servers, 300, 6000, ROUNDS)
        for server in servers.values():
            mariadb.stop(server)
    if VIREO in cost:
        print("300 connections: %.2f times native's queries per CPU second" % (
            cost[NATIVE] / cost[VIREO]))
        check(cost[VIREO] <= cost[NATIVE],
              "%.3f ms of CPU a query, natively %.3f", cost[VIREO] * 1000,
              cost[NATIVE] * 1000)


def held(server, clients):
    """The server's usage while it holds so many connections that have all been
    used."""
    connections = mariadb.Held(server.port, clients)
    for _ in range(3):
        connections.ask_all("select count(*) from d.t where n < 100")
    usage = harness.settled_usage(server)
    connections.close()
    print("%s: %d connections: %d OS threads, RSS %d MB, page tables %d MB, "
          "with kernel stacks %d MB" % (
              server.mode, clients, usage["threads"],
              usage["rss_kb"] // 1024, usage["pte_kb"] // 1024,
              mariadb.memory_kb(usage) // 1024))
    sys.stdout.flush()
    return mariadb.memory_kb(usage)


def test_5000_connections():
    programs()
    clients = 5000
    mariadb.raise_nofile(clients * 2 + 2000)
    memory = {}
    with mariadb.servers(clients) as servers:
        for mode, server in servers.items():
            mariadb.sql(server, STATEMENTS)
            memory[mode] = held(server, clients)
        rounds(servers, clients, 2 * clients, 1)
        for server in servers.values():
            mariadb.stop(server)
    if VIREO in memory:
        check(memory[VIREO] < memory[NATIVE], "%d kB, natively %d",
              memory[VIREO], memory[NATIVE])


def sysbench(server, verb, *more):
    status, out, err = harness.run(
        ["sysbench", "oltp_read_write", "--db-driver=mysql",
         "--mysql-host=127.0.0.1", "--mysql-port=%d" % server.port,
         "--mysql-user=root", "--mysql-db=sb", "--tables=4",
         "--table-size=5000", *more, verb], limit=300)
    check(status == 0, "%s: sysbench %s: %s %s; %s", server.mode, verb,
          out[-800:], err[-800:], server.output()[-800:])
    return out


def transactions(server):
    """A second, and per CPU second."""
    before = server.usage()["cpu_s"]
    out = sysbench(server, "run", "--threads=64",
                   "--time=%d" % SYSBENCH_SECONDS,
                   "--mysql-ignore-errors=1213,1020,1205")
    cpu = server.usage()["cpu_s"] - before
    done = int(re.search(r"transactions:\s+(\d+)", out).group(1))
    reconnects = re.search(r"reconnects:\s+(\d+)", out).group(1)
    print("%s: sysbench: %.0f transactions/s, %.0f per CPU second" % (
        server.mode, done / SYSBENCH_SECONDS, done / cpu), flush=True)
    check(done > 0 and reconnects == "0", "%s: %s", server.mode, out)
    return done / cpu


def test_sysbench():
    """Both at once, so that they share what others do to the machine: what a
    transaction costs depends on how many there are at a time."""
    programs()
    harness.need("sysbench")
    with mariadb.servers() as servers:
        for server in servers.values():
            mariadb.sql(server, "create database sb")
            sysbench(server, "prepare")
        ratios = []
        with concurrent.futures.ThreadPoolExecutor(len(servers)) as pool:
            for _ in range(ROUNDS):
                rates = dict(zip(servers, pool.map(transactions,
                                                   servers.values())))
                ratios.append(rates.get(VIREO, 0) / rates[NATIVE])
        for mode, server in servers.items():
            answer = mariadb.sql(server, "check table sb.sbtest1, sb.sbtest2, "
                                 "sb.sbtest3, sb.sbtest4")
            check(answer.split().count("OK") == 4, "%s: %s", mode, answer)
            mariadb.stop(server)
    if VIREO in servers:
        print("sysbench: %.2f times native's transactions per CPU second "
              "(%.2f to %.2f)" % (statistics.median(ratios), min(ratios),
                                  max(ratios)))


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
