#!/usr/bin/python3
# label: ci
"""Ruby's webrick: the GVL, a timer thread, a conservative collector that asks
for the bounds of each thread's stack."""
import os
import sys

import harness


def test_two_hundred_connections():
    harness.need("ruby")
    if harness.run(["ruby", "-e", "require 'webrick'"])[0] != 0:
        raise harness.Skip("ruby-webrick is not installed")
    for mode in harness.modes():
        with harness.start_printing_server(
                ["ruby", os.path.join(harness.HERE, "webrick.rb")],
                mode) as server:
            harness.hold(server, 200, "webrick", active=50, requests=1000)
            harness.hold(server, 100, "webrick /sleep", path="/sleep",
                         requests=200)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
