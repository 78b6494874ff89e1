#!/usr/bin/python3
# label: long
# timeout: 600
"""psycopg2 from 100 threads: transactions, waits for rows, errors, cancelled
and lost queries, a pool, LISTEN, COPY."""
import sys

import databases
import harness


def test_psycopg2():
    databases.client_as_natively(databases.postgres_server, "database",
                                 "psycopg2", module="psycopg2")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
