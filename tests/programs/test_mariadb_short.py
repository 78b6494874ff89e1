#!/usr/bin/python3
# timeout: 600
# serial
"""The short form of test_mariadb.py: 20 connections, 400 queries, kill -9 after
50 rows and recovery, a clean end."""
import sys

import harness
import mariadb


def test_kill_9_and_slap():
    harness.need("mariadbd", "mariadb", "mariadb-slap", "mariadb-install-db")
    print("reduced: 20 connections instead of 20, 300 and 5,000; no sysbench")
    told, count = mariadb.kill_9(harness.VIREO, 50)
    print("told of %d rows, %d recovered" % (told + 1, count))
    with mariadb.servers() as servers:
        for mode, server in servers.items():
            cpu, took = mariadb.slapped(server, 20, 400)
            print("%s: AIO: %s; 400 queries, %.2f s, %.2f s of CPU" % (
                mode, mariadb.check_aio(server), took, cpu))
            mariadb.few_threads(server)
            mariadb.stop(server)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
