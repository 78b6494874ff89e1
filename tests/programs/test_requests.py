#!/usr/bin/python3
# label: long
# timeout: 600
"""requests from 100 threads against a ThreadingHTTPServer: sessions, streams,
redirects, errors, timeouts, a server that is killed."""
import contextlib
import signal
import sys

import data_servers
import harness
from harness import PYTHON


@contextlib.contextmanager
def server():
    with harness.start_printing_server(
            [PYTHON, harness.python_client("requests_server")],
            harness.modes()[-1]) as started:
        started.kill_signal = signal.SIGKILL
        yield started


def test_requests():
    data_servers.client_as_natively(server, "requests_client", module="requests")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
