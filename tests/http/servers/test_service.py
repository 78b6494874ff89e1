#!/usr/bin/python3
# label: ci, http
# timeout: 120
"""What a service adds to a server: TLS by name, the PROXY protocol, clients behind
trusted proxies, the access log and its rotation."""
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serving  # noqa: E402
from serving import Hammer, Server, check, harness, wait_until  # noqa: E402

PLAIN = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def closed(server, data):
    with server.connect() as s:
        s.sendall(data)
        try:
            return serving.read_all(s) == b""
        except ConnectionResetError:
            return True


class Proxied(Server):
    def generation(self):
        """A connection that begins otherwise is closed: ask as a proxy does."""
        try:
            with self.connect() as s:
                s.sendall(b"PROXY UNKNOWN\r\n" + PLAIN)
                return serving.read_answer(s).generation
        except OSError:
            return None


def test_proxy_protocol():
    with Proxied("-x", "-t", "127.0.0.1") as server:
        def asked(head):
            with server.connect() as s:
                for i in range(len(head)):  # in the smallest pieces
                    s.sendall(head[i:i + 1])
                s.sendall(PLAIN)
                return serving.read_answer(s)

        def client(head):
            return asked(head).client

        check(client(b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n")
              == "192.0.2.1:56324", "version 1")
        check(client(V2 + b"\x21\x11" + struct.pack(
            ">H4s4sHH", 12, b"\xc0\0\2\1", b"\xc6\x33\x64\2", 5, 80))
            == "192.0.2.1:5", "version 2")
        check(client(V2 + b"\x20\0\0\0").startswith("127.0.0.1:"), "LOCAL")
        for bits, scheme in ((1, "https"), (3, "https"), (0, "http"),
                             (6, "http")):
            head = V2 + b"\x21\x11" + struct.pack(
                ">H4s4sHHBHBI", 20, b"\xc0\0\2\1", b"\xc6\x33\x64\2", 5, 80,
                0x20, 5, bits, 0)
            check(asked(head).scheme == scheme, "bits %d", bits)
        check(asked(V2 + b"\x20\0\0\x08" + struct.pack(
            ">BHBI", 0x20, 5, 1, 0)).scheme == "http", "LOCAL says nothing")
        check(closed(server, PLAIN), "none is closed")
        check(closed(server, b"PROXY TCP4 nonsense\r\n" + PLAIN), "bad is")


def test_proxy_protocol_of_somebody_else():
    """Nobody but the proxy may say who he is."""
    server = None
    try:
        server = Server("-x", "-t", "192.0.2.7", limit=3)
    except harness.Failed:
        pass  # nobody is served, as it should be
    finally:
        harness.stop_all()
    check(server is None, "somebody was served")


def test_forwarded_fields():
    head = ("X-Forwarded-For: 8.8.8.8, 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
            "X-Forwarded-Host: example.org\r\nForwarded: for=192.0.2.9\r\n")
    with Server("-t", "127.0.0.0/8") as server:
        found = server.ask(head=head)
        check((found.client, found.scheme, found.host)
              == ("192.0.2.1:0", "https", "example.org"), "%s", vars(found))
    with Server("-t", "127.0.0.0/8", "-f") as server:
        found = server.ask(head=head)
        check((found.client, found.scheme, found.host)
              == ("192.0.2.9:0", "http", "a"), "%s", vars(found))
    with Server("-t", "10.0.0.0/8") as server:
        found = server.ask(head=head)
        check(found.client.startswith("127.0.0.1:") and found.scheme == "http"
              and found.host == "a", "%s", vars(found))


def certificate(folder, name):
    path = os.path.join(folder, name + ".pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-days", "2", "-subj", "/CN=" + name, "-addext",
                    "subjectAltName=DNS:" + name, "-keyout", path, "-out",
                    path + ".crt"], check=True, stderr=subprocess.DEVNULL)
    with open(path, "a") as f, open(path + ".crt") as crt:
        f.write(crt.read())
    return path


class Secure(Server):
    """Asked over TLS, as `name`."""

    def ask(self, path="/", head="", s=None, name="one.test"):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(self.connect(), server_hostname=name) as s:
            s.sendall(PLAIN)
            answer = serving.read_answer(s)
            answer.protocol = s.selected_alpn_protocol()
            answer.certificate = s.getpeercert(True)
            return answer


def test_tls_by_name():
    harness.need("openssl")
    folder = harness.tempfile.mkdtemp(prefix="vireo-tls-")
    files = {n: certificate(folder, n) for n in ("one.test", "two.test")}
    with open(files["two.test"]) as f:
        text = f.read()
    two = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERT"):])
    with Secure("-c", files["one.test"], "-n",
                "two.test=" + files["two.test"]) as server:
        for name, is_two in (("one.test", False), ("two.test", True),
                             ("three.test", False)):
            found = server.ask(name=name)
            check((found.certificate == two) == is_two, "certificate of %s",
                  name)
            check(found.protocol == "http/1.1", "ALPN %s", found.protocol)
            check(found.scheme == "https", "scheme %s", found.scheme)
        server.restart("1")  # an old worker may answer until it is told to end
        serving.wait_until(lambda: server.ask().generation == "1", "generation")
        with server.connect() as s:
            s.sendall(PLAIN)  # no TLS: refused, and the service goes on
            try:
                serving.read_all(s)
            except ConnectionResetError:
                pass
        check(server.ask().generation == "1", "generation")
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)


def lines(path):
    with open(path) as f:
        return f.read().splitlines()


def test_access_log_and_rotation():
    folder = harness.tempfile.mkdtemp(prefix="vireo-access-")
    path = os.path.join(folder, "access")
    with Server("-l", path) as server:
        load = Hammer(server.address, 16, 30000)
        for i, number in enumerate((signal.SIGUSR1, signal.SIGUSR2)):
            time.sleep(0.2)
            os.rename(path, "%s.%d" % (path, i))
            os.kill(server.pid, number)
            wait_until(lambda: os.path.exists(path), "a new file")
        server.restart("1")
        report = load.result()
        check(report["failed"] == 0, "%s", report)
        server.ask("/a%22b", "User-Agent: \"x\"\\\r\nReferer: http://r/\r\n")
        with server.connect() as s:
            s.sendall(b"BAD\x01REQUEST\r\n\r\n")
            serving.read_all(s)
        server.stop()
    found = [line for name in sorted(os.listdir(folder))
             for line in lines(os.path.join(folder, name))]
    hits = sum('"GET / HTTP/1.1" 200 ' in line for line in found)
    check(hits >= 30000, "%d lines", hits)
    check(any(line.endswith('"http://r/" "\\"x\\"\\\\"') for line in found),
          "quotes")
    check(any('"BAD\\x01REQUEST" 400 ' in line for line in found), "bad one")
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)


def test_a_full_disk_under_the_access_log():
    with Server("-l", "/dev/full") as server:
        load = Hammer(server.address, 16, 10000)
        report = load.result()
        check(report["failed"] == 0, "%s", report)
        wait_until(lambda: "No space left" in server.said(), "a complaint")
        time.sleep(2.5)
        server.ask()
        said = server.said().count("No space left")
        check(said <= 4, "%d complaints of two workers", said)


def test_the_end_says_how_many_lines_were_lost():
    with Server("-l", "/dev/full", workers=1) as server:
        report = Hammer(server.address, 16, 5000).result()
        check(report["failed"] == 0, "%s", report)
        check(server.stop() == 0, "status")
        last = [line for line in server.said().splitlines()
                if line.endswith(" lines lost")][-1]
        check(int(last.split()[-3]) >= 5000, "%s", server.said())


if __name__ == "__main__":
    serving.main(globals())
