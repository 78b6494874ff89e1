#!/usr/bin/python3
# label: long
# timeout: 600
"""PyMySQL, which is written in Python, and mysqlclient, which is libmariadb,
from 100 threads: transactions, waits for rows, errors, lost queries."""
import sys

import data_servers
import harness


def test_pymysql():
    data_servers.client_as_natively(data_servers.mariadb_server, "database",
                                 "pymysql", module="pymysql")


def test_mysqlclient():
    data_servers.client_as_natively(data_servers.mariadb_server, "database",
                                 "MySQLdb", module="MySQLdb")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
