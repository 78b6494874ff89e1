#!/usr/bin/python3
# label: ci
"""tinyproxy, a thread for each connection, in front of the C server."""
import os
import subprocess
import sys
import tempfile

import harness
from harness import check


def start(mode, folder):
    def command(port):
        conf = os.path.join(folder, "tinyproxy-%d.conf" % port)
        with open(conf, "w") as f:
            f.write("Port %d\nListen 127.0.0.1\nTimeout 60\nMaxClients 600\n"
                    "LogLevel Critical\nAllow 127.0.0.0/8\n" % port)
        return ["tinyproxy", "-d", "-c", conf]
    return harness.start_server(command, mode)


def test_curls_through_it():
    harness.need("tinyproxy", "curl")
    with tempfile.TemporaryDirectory(prefix="vireo-proxy-") as folder:
        for mode in harness.modes():
            with harness.start_httpd() as target, \
                    start(mode, folder) as proxy:
                command = ["curl", "-sS", "--max-time", "10", "--proxy",
                           "http://127.0.0.1:%d" % proxy.port,
                           "http://127.0.0.1:%d/sleep" % target.port]
                curls = [subprocess.Popen(command, stdout=subprocess.PIPE,
                                          stderr=subprocess.STDOUT)
                         for _ in range(20)]
                said = [curl.communicate()[0] for curl in curls]
                check(all(s == b"Hello, World!\n" for s in said), "%s: %s",
                      mode, said)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
