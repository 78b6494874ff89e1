#!/usr/bin/python3
# label: ci
"""Python's socketserver: threads for TCP, UDP and Unix sockets, 100 clients in
threads of the same process."""
import sys

import harness
from harness import PYTHON

WANTED = """Tcp right:100
Tcp fails b'':20
Joining right:100
Joining fails b'':20
Udp right:50
Unix right:100
Unix fails b'':20
UnixDatagrams right:50
failures 60
"""


def test_each_kind():
    harness.same_as_native([PYTHON, harness.python_client("socketservers")],
                           120, wanted=WANTED)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
