#!/usr/bin/python3
# label: ci, http
# timeout: 300
"""nginx in front: requests, streams, clients by name, restarts of the workers."""
import asyncio
import os
import sys
import time

try:
    import websockets
except ImportError:
    websockets = None

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serving  # noqa: E402
from serving import Hammer, Server, check, harness, wait_until  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


class Nginx:
    """The configuration of the docs, before `upstream`."""

    def __init__(self, upstream):
        self.folder = harness.tempfile.mkdtemp(prefix="vireo-nginx-")
        self.port = serving.free_port()
        with open(os.path.join(HERE, "nginx.conf")) as f:
            text = f.read()
        for name, value in (("FOLDER", self.folder), ("UPSTREAM", upstream),
                            ("PORT", str(self.port))):
            text = text.replace("@%s@" % name, value)
        path = os.path.join(self.folder, "nginx.conf")
        with open(path, "w") as f:
            f.write("user root;\n" if os.getuid() == 0 else "")
            f.write("daemon off;\n" + text)
        self.program = harness.Program(["nginx", "-p", self.folder, "-c", path])
        wait_until(self.is_up, "nginx listens: " + self.program.output())

    def is_up(self):
        try:
            serving.socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def errors(self):
        with open(os.path.join(self.folder, "nginx-error.log")) as f:
            return f.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.stop()
        harness.shutil.rmtree(self.folder)


def through(nginx, path="/", head=""):
    s = serving.socket.create_connection(("127.0.0.1", nginx.port), 30)
    return Server.ask(None, path, head, s)


def test_a_client_has_its_own_name():
    harness.need("nginx")
    with Server("-t", "127.0.0.0/8") as server, Nginx(server.address) as nginx:
        found = through(nginx, head="X-Forwarded-For: 8.8.8.8\r\n"
                        "Forwarded: for=9.9.9.9\r\n"
                        "X-Forwarded-Proto: https\r\n")
        check((found.client, found.scheme, found.host)
              == ("8.8.8.8:0", "http", "a"), "%s", vars(found))


def test_restarts_behind_nginx():
    """100,000 requests with 5 restarts: none fails, and nginx has seen no error."""
    restarts_behind_nginx(100000, 5)


def restarts_behind_nginx(requests, restarts):
    harness.need("nginx")
    for where in ("tcp", "unix"):
        folder = harness.tempfile.mkdtemp(prefix="vireo-upstream-")
        path = os.path.join(folder, "s")
        with Server(address=path if where == "unix" else None) as server, \
                Nginx("unix:" + path if where == "unix"
                      else server.address) as nginx:
            load = Hammer("127.0.0.1:%d" % nginx.port, 32, requests)
            for i in range(restarts):
                time.sleep(0.3)
                server.restart(str(i + 1))
            late = not load.running()
            report = load.result()
            print("  %s: %s%s" % (where, report,
                                  ", load ended early" if late else ""))
            check(report["failed"] == 0 and report["done"] == requests, "%s",
                  report)
            check(nginx.errors() == "", "%s", nginx.errors()[:2000])
            server.stop()
        harness.shutil.rmtree(folder)


def test_a_stream_comes_as_it_is_made():
    """Also while the program that makes it is replaced."""
    harness.need("nginx")
    with Server() as server, Nginx(server.address) as nginx:
        with serving.socket.create_connection(("127.0.0.1", nginx.port),
                                              30) as s:
            s.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n"
                      b"Connection: close\r\n\r\n")
            data, times = b"", []
            server.be("1")
            while b"data: 9" not in data:
                piece = s.recv(4096)
                check(piece, "it ended early: %r", data)
                data += piece
                times.append(time.monotonic())
                if len(times) == 3:
                    os.kill(server.pid, serving.signal.SIGHUP)
            check(data.count(b"event: tick") == 10, "%r", data)
            check(len(times) > 5 and times[-1] - times[0] > 0.3,
                  "all at once")
        wait_until(lambda: server.generation() == "1", "the new program")


async def talk(nginx, server):
    """An open WebSocket is told 1001 when its worker stops, and another one is
    opened with the new program."""
    where = "ws://127.0.0.1:%d/socket" % nginx.port
    async with websockets.connect(where) as idle, \
            websockets.connect(where) as busy:
        for i in range(50):  # a message is answered before the next is sent
            await busy.send("message %d" % i)
            check(await busy.recv() == "0 message %d" % i, "echo %d", i)
        await idle.send(b"bytes")
        check(await idle.recv() == b"0 bytes", "binary")
        loop = asyncio.get_running_loop()
        restart = loop.run_in_executor(None, server.restart, "1")
        while True:
            try:
                await busy.send("on")
                check(await busy.recv() == "0 on", "echo")
            except websockets.ConnectionClosed as closed:
                check(closed.rcvd and closed.rcvd.code == 1001, "%s", closed)
                break
        await restart
        try:
            await asyncio.wait_for(idle.recv(), 20)
            check(False, "the idle one is told")
        except websockets.ConnectionClosed as closed:
            check(closed.rcvd and closed.rcvd.code == 1001, "%s", closed)
    while True:  # a worker that is about to stop may still take it
        try:
            async with websockets.connect(where) as again:
                await again.send("x")
                if await again.recv() == "1 x":
                    break
        except websockets.ConnectionClosed as closed:
            check(closed.rcvd and closed.rcvd.code == 1001, "%s", closed)


def test_websockets():
    """Messages both ways, and a restart during them, with requests beside them."""
    harness.need("nginx")
    if websockets is None:
        raise harness.Skip("python3-websockets is not installed")
    for where in ("tcp", "unix"):
        folder = harness.tempfile.mkdtemp(prefix="vireo-upstream-")
        path = os.path.join(folder, "s")
        with Server(address=path if where == "unix" else None) as server, \
                Nginx("unix:" + path if where == "unix"
                      else server.address) as nginx:
            old = server.workers()
            load = Hammer("127.0.0.1:%d" % nginx.port, 8, 4000)
            asyncio.run(asyncio.wait_for(talk(nginx, server), 60))
            wait_until(lambda: not any(os.path.exists("/proc/%d" % p)
                                       for p in old), "the old workers end", 4)
            report = load.result()
            check(report["failed"] == 0, "%s", report)
            check(nginx.errors() == "", "%s", nginx.errors()[:2000])
        harness.shutil.rmtree(folder)


def say_nothing(nginx, server):
    """A client that does not answer the close frame."""
    with serving.socket.create_connection(("127.0.0.1", nginx.port), 30) as s:
        s.sendall(b"GET /socket HTTP/1.1\r\nHost: a\r\n"
                  b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Version: 13\r\n"
                  b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        check(b"\r\n\r\n" in s.recv(4096), "101")
        server.restart("1")
        data = serving.read_all(s)
        check(data[:1] == b"\x88" and data[2:4] == b"\x03\xe9", "%r", data)


def test_a_websocket_that_does_not_answer_ends_with_its_worker():
    harness.need("nginx")
    with Server() as server, Nginx(server.address) as nginx:
        old = server.workers()
        say_nothing(nginx, server)
        wait_until(lambda: not any(os.path.exists("/proc/%d" % p)
                                   for p in old), "the old workers end", 20)


if __name__ == "__main__":
    serving.main(globals())
