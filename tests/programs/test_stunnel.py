#!/usr/bin/python3
# label: ci
"""stunnel4 as a TLS proxy, a thread for each connection, in front of the C
server."""
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import tempfile

import harness
from harness import check

CONNECTIONS = 50


def start_stunnel(mode, folder, pem, target):
    def command(port):
        conf = os.path.join(folder, "stunnel-%d.conf" % port)
        with open(conf, "w") as f:
            f.write("foreground = yes\npid =\ndebug = 4\nsyslog = no\n"
                    "[https]\ncert = %s\naccept = 127.0.0.1:%d\n"
                    "connect = 127.0.0.1:%d\n" % (pem, port, target))
        return ["stunnel4", conf]
    return harness.start_server(command, mode)


def ask(tls):
    tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while not answer.endswith(b"Hello, World!\n"):
        data = tls.recv(4096)
        check(data, "closed after %r", answer)
        answer += data


def hold_and_ask(port, mode, server):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(CONNECTIONS):
            plain = socket.create_connection(("127.0.0.1", port), 20)
            stack.callback(plain.close)
            held.append(context.wrap_socket(plain))
            stack.callback(held[-1].close)
        for _ in range(3):
            for tls in held:
                ask(tls)
        usage = harness.settled_usage(server)
        if mode == harness.VIREO:
            check(usage["threads"] <= harness.MAX_OS_THREADS,
                  "%d OS threads", usage["threads"])
        else:
            check(usage["threads"] >= CONNECTIONS, "natively %d threads",
                  usage["threads"])


def test_connections_through_tls():
    harness.need("stunnel4", "openssl", "curl")
    with tempfile.TemporaryDirectory(prefix="vireo-stunnel-") as folder:
        pem = harness.make_certificate(os.path.join(folder, "stunnel.pem"))
        for mode in harness.modes():
            with harness.start_httpd() as target, \
                    start_stunnel(mode, folder, pem, target.port) as server:
                hold_and_ask(server.port, mode, server)
                status, out, err = harness.run(
                    ["curl", "-sSk", "--max-time", "10",
                     "https://127.0.0.1:%d/" % server.port])
                check(out == "Hello, World!\n", "%s: curl %d %s%s", mode,
                      status, out, err)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
