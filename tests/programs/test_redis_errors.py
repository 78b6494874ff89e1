#!/usr/bin/python3
# label: long
# timeout: 600
"""python3-redis from 100 threads where something goes wrong: pools that are
empty, timeouts, connections that are cut off, a server that is killed."""
import sys

import data_servers
import harness


def test_python_client():
    data_servers.client_as_natively(data_servers.redis_server, "redis_errors",
                                 module="redis")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
