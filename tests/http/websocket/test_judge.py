#!/usr/bin/python3
# label: ci, http
# timeout: 300
"""Clients that are not ours find nothing wrong: websockets, and wsproto, which looks
at each frame."""
import asyncio
import os
import random
import socket
import ssl
import sys
import tempfile

import ws
import harness
from harness import Skip, check

SIZES = [0, 1, 125, 126, 127, 255, 256, 1000, 16383, 16384, 65535, 65536, 200000,
         1000000]


def need_websockets():
    try:
        import websockets
    except ImportError:
        raise Skip("python3-websockets is not installed")
    return websockets


def texts():
    words = ["übergröße", "plain", "文字", "\U0001f600", "\0"]
    for size in SIZES[:10]:
        yield "".join(random.choice(words) + " " for _ in range(size // 6))


def datas():
    for size in SIZES:
        yield os.urandom(size)
        yield bytes(size)


async def talk(port, **how):
    websockets = need_websockets()
    scheme = "wss" if "ssl" in how else "ws"
    async with websockets.connect("%s://127.0.0.1:%d/" % (scheme, port),
                                  max_size=None, **how) as client:
        for message in [*texts(), *datas()]:
            await client.send(message)
            answer = await asyncio.wait_for(client.recv(), 30)
            check(answer == message, "%d bytes came back as %d",
                  len(message), len(answer))
        await client.send(["in ", "three ", "parts"])
        check(await client.recv() == "in three parts", "fragments")
        await asyncio.wait_for(await client.ping(b"are you there"), 30)
        return [str(extension) for extension in client.extensions]


def run_all(server, all_bits):
    """All that the client can ask for."""
    from websockets.extensions import permessage_deflate as pmd
    found = [asyncio.run(talk(server.port, compression=None))]
    check(found[0] == [], "an extension that nobody asked for")
    found.append(asyncio.run(talk(server.port)))
    for bits in all_bits:
        for more in ({}, {"server_no_context_takeover": True},
                     {"client_no_context_takeover": True}):
            factory = pmd.ClientPerMessageDeflateFactory(
                server_max_window_bits=bits, client_max_window_bits=bits,
                **more)
            found.append(asyncio.run(talk(server.port, compression=None,
                                          extensions=[factory])))
    return found


def test_websockets():
    need_websockets()
    for arguments, bits in (([], [9, 12]), (["takeover"], [10, 15]),
                            (["parts"], [15]), (["takeover", "parts"], [9]),
                            (["bits=10"], []), (["takeover", "bits=9"], [])):
        with ws.server(*arguments) as server:
            found = run_all(server, bits)
            check(all(found[1:]), "%s: no compression: %s", arguments, found)
            check(server.stop() == 0, "%s: the server failed", arguments)


def test_tls():
    need_websockets()
    harness.need("openssl")
    with tempfile.TemporaryDirectory() as folder:
        pem = harness.make_certificate(os.path.join(folder, "pem"))
        context = ssl.create_default_context(cafile=pem + ".crt")
        context.check_hostname = False
        for arguments in ([], ["parts"]):
            with ws.server("tls=" + pem, *arguments) as server:
                for compression in (None, "deflate"):
                    asyncio.run(talk(server.port, ssl=context,
                                     compression=compression))
                check(server.stop() == 0, "the server failed")


async def close_with(port, **how):
    websockets = need_websockets()
    client = await websockets.connect("ws://127.0.0.1:%d/" % port, **how)
    await client.close(4321, "good bye")
    return client


def test_closing():
    need_websockets()
    with ws.server() as server:
        client = asyncio.run(close_with(server.port))
        check((client.close_code, client.close_reason) == (4321, ""),
              "closed with %s %r", client.close_code, client.close_reason)
        check(server.stop() == 0, "the server failed")


async def wait_for_stop(server):
    websockets = need_websockets()
    async with websockets.connect("ws://127.0.0.1:%d/" % server.port) as client:
        server.process.terminate()
        try:
            await asyncio.wait_for(client.recv(), 30)
        except websockets.ConnectionClosed:
            pass
        return client.close_code


def test_stopping():
    need_websockets()
    with ws.server() as server:
        code = asyncio.run(wait_for_stop(server))
        check(code == 1001, "closed with %s", code)
        check(server.process.wait(30) == 0, "the server failed")


async def too_big(port):
    websockets = need_websockets()
    async with websockets.connect("ws://127.0.0.1:%d/" % port) as client:
        await client.send(bytes(1001))
        try:
            await asyncio.wait_for(client.recv(), 30)
        except websockets.ConnectionClosed:
            pass
        return client.close_code


def test_limit():
    need_websockets()
    with ws.server("limit=1000") as server:
        code = asyncio.run(too_big(server.port))
        check(code == 1009, "closed with %s", code)


async def be_pinged(port):
    websockets = need_websockets()
    async with websockets.connect("ws://127.0.0.1:%d/" % port,
                                  ping_interval=None) as client:
        await asyncio.sleep(0.5)
        await client.send("alive")
        check(await client.recv() == "alive", "pings ended it")


def test_pings():
    need_websockets()
    with ws.server("ping=20") as server:
        asyncio.run(be_pinged(server.port))
        with socket.create_connection(("127.0.0.1", server.port)) as silent:
            silent.settimeout(30)
            silent.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                           b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            while silent.recv(4096):
                pass # its pings are not answered: it ends


# ---- wsproto: what a client may and may not send, byte by byte ------------------


class Raw:
    """A connection whose bytes wsproto makes and reads."""

    def __init__(self, port, extensions=()):
        try:
            import wsproto
            from wsproto import events
        except ImportError:
            raise Skip("python3-wsproto is not installed")
        self.events = events
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.ws = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self.send(events.Request(host="localhost", target="/",
                                 subprotocols=["x", "chat"],
                                 extensions=list(extensions)))
        self.accepted = self.next()
        check(isinstance(self.accepted, events.AcceptConnection), "%s",
              self.accepted)

    def send(self, event, piece=None):
        data = self.ws.send(event)
        for at in range(0, len(data), piece or len(data) or 1):
            self.socket.sendall(data[at:at + (piece or len(data))])

    def next(self):
        while True:
            for event in self.ws.events():
                return event
            data = self.socket.recv(65536)
            self.ws.receive_data(data or None)


def test_wsproto():
    with ws.server() as server:
        raw = Raw(server.port)
        check(raw.accepted.subprotocol == "chat", "%s", raw.accepted)
        events = raw.events
        for piece in (None, 1, 2, 3, 7):
            raw.send(events.TextMessage("first ", message_finished=False), piece)
            raw.send(events.Ping(b"in the middle"), piece)
            raw.send(events.TextMessage("second"), piece)
            pong = raw.next()
            check(isinstance(pong, events.Pong) and
                  pong.payload == b"in the middle", "%s", pong)
            text = raw.next()
            check(text.data == "first second", "%s", text)
        raw.send(events.CloseConnection(3333, "reason"))
        closed = raw.next()
        check(closed.code == 3333, "%s", closed)
        check(raw.socket.recv(1) == b"", "TCP is not closed")
        raw.socket.close()


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
