#!/usr/bin/python3
# label: ci
"""microsocks, a thread for each connection, in front of the C server."""
import subprocess
import socket
import sys

import harness
from harness import check


def name_of_here():
    """A name, so that microsocks has to look it up.  It tries the first address
    alone, which is ::1 by many a /etc/hosts; one without a name has none."""
    try:
        first = socket.getaddrinfo("localhost", 80, 0, socket.SOCK_STREAM)[0]
        if first[4][0] == "127.0.0.1":
            return "localhost"
    except OSError:
        pass
    print("reduced: `localhost` is not 127.0.0.1 here; asking for that")
    return "127.0.0.1"


def test_curl_through_it():
    harness.need("microsocks", "curl")
    for mode in harness.modes():
        with harness.start_httpd() as target:
            with harness.start_microsocks(mode) as proxy:
                command = ["curl", "-sS", "--max-time", "10", "--socks5",
                           "127.0.0.1:%d" % proxy.port,
                           "http://127.0.0.1:%d/" % target.port]
                curls = [subprocess.Popen(command, stdout=subprocess.PIPE,
                                          stderr=subprocess.STDOUT)
                         for _ in range(10)]
                said = [curl.communicate()[0] for curl in curls]
                check(all(s == b"Hello, World!\n" for s in said), "%s: %s",
                      mode, said)


def test_name_through_it():
    """The proxy looks the name up: getaddrinfo in a connection's thread."""
    harness.need("microsocks", "curl")
    for mode in harness.modes():
        with harness.start_httpd() as target:
            with harness.start_microsocks(mode) as proxy:
                status, out, err = harness.run([
                    "curl", "-sS", "--max-time", "10", "--socks5-hostname",
                    "127.0.0.1:%d" % proxy.port,
                    "http://%s:%d/" % (name_of_here(), target.port)])
                check(out == "Hello, World!\n", "%s: %d %s %s", mode, status,
                      out, err)


def test_five_hundred_connections():
    harness.need("microsocks")
    for mode in harness.modes():
        with harness.start_httpd() as target:
            with harness.start_microsocks(mode) as proxy:
                harness.hold(proxy, 500, "microsocks", active=50,
                             requests=2000, socks_target=target.port)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
