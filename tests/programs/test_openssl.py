#!/usr/bin/python3
# label: ci
# timeout: 600
"""A C server of OpenSSL's with a thread for each connection, and `openssl
s_server` and `s_client`: sessions again, half close, 100 clients at once, rude
ones."""
import os
import subprocess
import sys
import tempfile

import harness
from harness import NATIVE, PYTHON, check

WANTED = """talk 700 True
half_close 5 True
be_rude 12 True
talk 140 True
served 250 8
problems []
"""
HALF_CLOSED = ["after half close 3000"] * 5


def talk(pem, server_mode, client_mode, version):
    program = harness.c_client("tls_server", "openssl")
    with harness.start_printing_server([program, pem], server_mode) as server:
        done = harness.run([PYTHON, harness.python_client("tls_client"),
                            str(server.port), version], client_mode)
        check(done == (0, WANTED, ""), "server %s, client %s, TLS %s: %s; %s",
              server_mode, client_mode, version, done, server.output())
        said = server.popen.stdout.read1(4096).decode().split("\n")
        check(said == HALF_CLOSED + [""], "%s: %s", server_mode, said)
        usage = harness.settled_usage(server)
        check(usage["threads"] <= harness.MAX_OS_THREADS, "%s: %d OS threads",
              server_mode, usage["threads"])


def test_a_thread_for_each_client():
    harness.need("openssl")
    with tempfile.TemporaryDirectory(prefix="vireo-tls-") as folder:
        pem = harness.make_certificate(os.path.join(folder, "server.pem"))
        for mode in harness.modes():
            talk(pem, mode, mode, "1.3")
        talk(pem, mode, NATIVE, "1.2")


def s_client(port, mode, *more):
    """What the server makes of two lines, and how s_client ends."""
    said = []
    with subprocess.Popen(
            ["openssl", "s_client", "-connect", "127.0.0.1:%d" % port,
             "-quiet", "-no_ign_eof", *more],
            env=harness.environment(mode), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        for line in b"one\n", b"twenty-two\n":
            client.stdin.write(line)
            client.stdin.flush()
            said.append(client.stdout.readline().decode())
        client.stdin.close()
        said.append(client.wait(30))
    return said


def reconnect(port, mode):
    """-reconnect: five times more, with the same session."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", "127.0.0.1:%d" % port,
         "-reconnect", "-tls1_2"], stdin=subprocess.DEVNULL, timeout=30,
        env=harness.environment(mode), stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    lines = done.stdout.decode().splitlines()
    return (done.returncode,
            sum(line.startswith("New, TLSv1.2") for line in lines),
            sum(line.startswith("Reused, TLSv1.2") for line in lines))


def test_s_server_and_s_client():
    harness.need("openssl", "curl")
    seen = {}
    with tempfile.TemporaryDirectory(prefix="vireo-tls-") as folder:
        pem = harness.make_certificate(os.path.join(folder, "server.pem"))
        for mode in harness.modes():
            with harness.start_server(lambda port: [
                    "openssl", "s_server", "-accept", "127.0.0.1:%d" % port,
                    "-cert", pem, "-rev", "-quiet"], mode) as server:
                seen[mode] = [s_client(server.port, mode),
                              s_client(server.port, mode, "-tls1_2"),
                              reconnect(server.port, mode)]
            with harness.start_server(lambda port: [
                    "openssl", "s_server", "-accept", "127.0.0.1:%d" % port,
                    "-cert", pem, "-www", "-quiet"], mode) as server:
                status, out, _ = harness.run(
                    ["curl", "-sSk", "--max-time", "20",
                     "https://127.0.0.1:%d/" % server.port], mode)
                seen[mode].append((status, "Ciphers supported" in out))
    for mode, result in seen.items():
        check(result == seen[NATIVE], "%s", seen)
    turned = ["eno\n", "owt-ytnewt\n", 0]
    check(seen[NATIVE] == [turned, turned, (0, 1, 5), (0, True)],
          "natively %s", seen[NATIVE])


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
