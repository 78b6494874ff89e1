#!/usr/bin/python3
# label: long
# timeout: 600
"""psycopg2 from 100 threads: transactions, waits for rows, errors, cancelled
and lost queries, a pool, LISTEN, COPY."""
import sys

import data_servers
import harness


def test_psycopg2():
    data_servers.client_as_natively(data_servers.postgres_server, "database",
                                 "psycopg2", module="psycopg2")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
