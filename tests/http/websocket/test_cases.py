#!/usr/bin/python3
# label: ci, http
# timeout: 300
"""Case by case what RFC 6455 and RFC 7692 have a server do: frames, pings, reserved
bits, opcodes, fragments, UTF-8, the close handshake, sizes, compression.  By a client
that writes its own bytes, so that it can write wrong ones."""
import os
import random
import socket
import struct
import sys
import zlib

import ws
import harness
from harness import check

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
HANDSHAKE = (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
             b"Connection: keep-alive, Upgrade\r\n"
             b"Sec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")


def frame(opcode, data=b"", fin=True, rsv=0, masked=True, length=None):
    """length: how many bytes say it (1, 3, 9), though fewer would do."""
    size = len(data)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0x80 if masked else 0
    if length == 9 or (length is None and size > 65535):
        head = struct.pack("!BBQ", first, bit | 127, size)
    elif length == 3 or (length is None and size > 125):
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BB", first, bit | size)
    if not masked:
        return head + data
    mask = os.urandom(4)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(data, "big") ^ key).to_bytes(size, "big")


class Client:
    def __init__(self, port, extensions=""):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = "Sec-WebSocket-Extensions: %s\r\n" % extensions
        self.socket.sendall(HANDSHAKE + (line.encode() if extensions else b"")
                            + b"\r\n")
        self.held = b""
        while b"\r\n\r\n" not in self.held:
            self.more()
        head, _, self.held = self.held.partition(b"\r\n\r\n")
        check(head.startswith(b"HTTP/1.1 101 "), "handshake: %r", head)
        self.agreed = [line.split(b": ", 1)[1].decode()
                       for line in head.split(b"\r\n")
                       if line.lower().startswith(b"sec-websocket-extensions")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def more(self):
        piece = self.socket.recv(65536)
        check(piece != b"", "the server closed after %r", self.held[-200:])
        self.held += piece

    def take(self, size):
        while len(self.held) < size:
            self.more()
        taken, self.held = self.held[:size], self.held[size:]
        return taken

    def send(self, *frames, piece=None):
        data = b"".join(frames)
        try:
            for at in range(0, len(data), piece or max(1, len(data))):
                self.socket.sendall(data[at:at + (piece or len(data))])
        except (BrokenPipeError, ConnectionResetError):
            pass # it has closed: what it said before is looked at

    def frame(self):
        """fin, rsv, opcode, data"""
        first, size = self.take(2)
        check(size < 128, "the server masks")
        if size == 126:
            size, = struct.unpack("!H", self.take(2))
            check(size > 125, "%d in three bytes", size)
        elif size == 127:
            size, = struct.unpack("!Q", self.take(8))
            check(size > 65535, "%d in nine bytes", size)
        return (bool(first & 0x80), first >> 4 & 7, first & 15, self.take(size))

    def message(self, unpack=None):
        """Of one frame or several; pongs are not expected in between."""
        fin, rsv, opcode, data = self.frame()
        kind, packed = opcode, rsv == 4
        check(rsv in (0, 4) and (rsv == 0 or unpack), "reserved bits %d", rsv)
        while not fin and opcode < 8:
            fin, rsv, opcode, part = self.frame()
            check(opcode == 0 and rsv == 0, "opcode %d, rsv %d", opcode, rsv)
            data += part
        return kind, unpack(data) if packed else data

    def expect(self, kind, data):
        got = self.message()
        check(got == (kind, data), "%r instead of %r", (got[0], got[1][:80]),
              (kind, data[:80]))

    def expect_close(self, code, reason=b""):
        got = self.message()
        data = b"" if code is None else struct.pack("!H", code)
        check(got[0] == CLOSE and got[1][:2] == data,
              "%r instead of a close frame with %s", got, code)
        self.expect_end()

    def expect_end(self):
        try:
            left = self.held or self.socket.recv(1)
        except ConnectionResetError:
            left = b""
        check(left == b"", "%r behind the close frame", left)

    def close(self):
        self.send(frame(CLOSE, struct.pack("!H", 1000)))
        self.expect_close(1000)


def fails(port, code, *frames, piece=None, extensions="", echo=()):
    """These frames end it with that code; messages in `echo` are echoed before."""
    with Client(port, extensions) as client:
        client.send(*frames, piece=piece)
        for one in echo:
            client.expect(*one)
        client.expect_close(code)


# ---- frames, pings, reserved bits, opcodes --------------------------------------


def test_sizes():
    with ws.server("plain") as server, Client(server.port) as client:
        for size in (0, 1, 125, 126, 127, 128, 65535, 65536):
            for piece in (None, 997):
                for kind, data in ((TEXT, b"*" * size), (BINARY, b"\xfe" * size)):
                    client.send(frame(kind, data), piece=piece)
                    client.expect(kind, data)
        client.close()


def test_pings():
    with ws.server() as server:
        with Client(server.port) as client:
            for data in (b"", b"Hello", b"\x00\xff\xfe\xfd", b"\xfe" * 125):
                for piece in (None, 1):
                    client.send(frame(PING, data), piece=piece)
                    client.expect(PONG, data)
            client.send(frame(PONG), frame(PONG, b"unsolicited"),
                        frame(PING, b"after it"))
            client.expect(PONG, b"after it")
            for piece in (None, 1): # each is answered, by who is fast enough
                pings = [b"ping %d" % i for i in range(10)]
                client.send(*[frame(PING, one) for one in pings], piece=piece)
                for one in pings:
                    client.expect(PONG, one)
            client.close()
        fails(server.port, 1002, frame(PING, b"x" * 126))
        fails(server.port, 1002, frame(PING, b"x", fin=False), frame(0, b"y"))
        fails(server.port, 1002, frame(PONG, b"x" * 126))


def test_reserved_bits_and_opcodes():
    with ws.server() as server:
        for rsv in range(1, 8):
            for opcode in (TEXT, BINARY, PING, PONG, CLOSE):
                fails(server.port, 1002, frame(opcode, b"", rsv=rsv))
                fails(server.port, 1002, frame(TEXT, b"good"),
                      frame(opcode, b"bad", rsv=rsv), piece=1,
                      echo=[(TEXT, b"good")])
        for rsv in (1, 2, 3, 5, 6, 7): # bit 1 alone says: compressed
            fails(server.port, 1002, frame(TEXT, b"x", rsv=rsv),
                  extensions="permessage-deflate")
        for opcode in (0, PING, PONG, CLOSE): # which these cannot be
            fails(server.port, 1002, frame(TEXT, b"x", fin=False),
                  frame(opcode, b"", rsv=4), extensions="permessage-deflate")
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
            fails(server.port, 1002, frame(opcode))
            fails(server.port, 1002, frame(TEXT, b"good"), frame(opcode, b"bad"),
                  frame(PING), echo=[(TEXT, b"good")])


def test_headers():
    with ws.server() as server:
        fails(server.port, 1002, frame(TEXT, b"not masked", masked=False))
        fails(server.port, 1002, frame(TEXT, b"short", length=3))
        fails(server.port, 1002, frame(TEXT, b"short", length=9))
        fails(server.port, 1002, frame(TEXT, b"x" * 200, length=9))
        fails(server.port, 1002, b"\x81\xff" + b"\xff" * 8 + b"mask")
        fails(server.port, 1009, b"\x82\xff\x7f" + b"\xff" * 7 + b"maskx")


# ---- fragments ------------------------------------------------------------------


def test_fragments():
    ping = frame(PING, b"between")
    with ws.server() as server:
        for piece in (None, 1):
            with Client(server.port) as client:
                client.send(frame(TEXT, b"one, ", fin=False), frame(0, b"two"),
                            piece=piece)
                client.expect(TEXT, b"one, two")
                client.send(frame(TEXT, b"one, ", fin=False), ping,
                            frame(0, b"two", fin=False), ping, frame(0),
                            piece=piece)
                client.expect(PONG, b"between")
                client.expect(PONG, b"between")
                client.expect(TEXT, b"one, two")
                for count in range(6): # empty ones, too
                    client.send(frame(BINARY, fin=False),
                                *[frame(0, fin=False)] * count, frame(0),
                                piece=piece)
                    client.expect(BINARY, b"")
                client.close()
        fails(server.port, 1002, frame(0, b"of nothing"))
        fails(server.port, 1002, frame(0, b"of nothing", fin=False))
        fails(server.port, 1002, frame(TEXT, b"one", fin=False),
              frame(TEXT, b"another"))
        fails(server.port, 1002, frame(TEXT, b"one", fin=False),
              frame(BINARY, b"another", fin=False))
        fails(server.port, 1002, frame(TEXT, b"one, ", fin=False), frame(0, b"two"),
              frame(0, b"three"), echo=[(TEXT, b"one, two")])


# ---- UTF-8 ----------------------------------------------------------------------

GOOD = ["Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\0", "\x7f", "\x80", "\u07ff",
        "\u0800", "\ud7ff", "\ue000", "\ufffd", "\uffff", "\ufdd0", "\U00010000",
        "\U0001fffe", "\U0010ffff", "\ufeff"]
BAD = [b"\x80", b"\xbf", b"\x80\xbf\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf",
       b"\xe0\x9f\xbf", b"\xf0\x80\x80\xaf", b"\xf0\x8f\xbf\xbf",
       b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xfe", b"\xff",
       b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80",
       b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xce\xba\xe1\xbd\xb9\xcf\x83"
       b"\xce\xbc\xce\xb5\xed\xa0\x80edited"]
CUT = [b"\xc3", b"\xe0\xa0", b"\xe1", b"\xf0\x90\x80", b"\xf4", b"\xce\xba\xe1\xbd"]


def test_good_text():
    with ws.server() as server, Client(server.port) as client:
        for text in GOOD:
            data = text.encode()
            for piece in (None, 1):
                client.send(frame(TEXT, data), piece=piece)
                client.expect(TEXT, data)
            client.send(*[frame(TEXT if i == 0 else 0, data[i:i + 1], fin=False)
                          for i in range(len(data))], frame(0))
            client.expect(TEXT, data)
        for data in BAD: # of binary messages nothing is asked
            client.send(frame(BINARY, data))
            client.expect(BINARY, data)
        client.close()


def test_bad_text():
    with ws.server() as server:
        for data in BAD + CUT:
            for piece in (None, 1):
                fails(server.port, 1007, frame(TEXT, data), piece=piece)
                fails(server.port, 1007, frame(TEXT, b"good " + data), piece=piece)
            fails(server.port, 1007,
                  *[frame(TEXT if i == 0 else 0, data[i:i + 1], fin=False)
                    for i in range(len(data))], frame(0))


def test_bad_text_is_not_waited_for():
    """It ends with the first byte that cannot be right, whatever is to come."""
    with ws.server() as server:
        for data in BAD:
            fails(server.port, 1007, frame(TEXT, data, fin=False))
            whole = frame(TEXT, b"good " + data + b"x" * 1000)
            fails(server.port, 1007, whole[:-1000])
            fails(server.port, 1007, whole[:-1000], piece=1)
            fails(server.port, 1007, frame(TEXT, b"good", fin=False),
                  frame(PING, b"p"), whole[:-1000].replace(
                      b"\x81", b"\x00", 1), echo=[(PONG, b"p")])


# ---- the close handshake --------------------------------------------------------


def code(number, reason=b""):
    return frame(CLOSE, struct.pack("!H", number) + reason)


def test_close():
    with ws.server() as server:
        fails(server.port, None, frame(CLOSE))
        fails(server.port, 1002, frame(CLOSE, b"\x03"))
        for number in (*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000,
                       4999):
            fails(server.port, number, code(number))
        for number in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999,
                       5000, 65535):
            fails(server.port, 1002, code(number))
            fails(server.port, 1002, code(number, b"reason"))
        fails(server.port, 1000, code(1000, b"bye"))
        fails(server.port, 1000, code(1000, b"x" * 123))
        fails(server.port, 1002, code(1000, b"x" * 124))
        fails(server.port, 1002, frame(CLOSE, b"\x03\xe8", fin=False))
        for data in BAD + CUT:
            fails(server.port, 1007, code(1000, data))
        # what comes behind it is nobody's
        fails(server.port, 1000, code(1000), frame(TEXT, b"late"))
        fails(server.port, 1000, code(1000), frame(PING, b"late"))
        fails(server.port, 1000, code(1000), code(1001))
        fails(server.port, 1000, frame(TEXT, b"one", fin=False), code(1000),
              frame(0, b"late"))
        fails(server.port, 1000, frame(BINARY, b"x" * 262144), code(1000),
              frame(PING), echo=[(BINARY, b"x" * 262144)])


# ---- large messages -------------------------------------------------------------


def test_large():
    with ws.server("limit=%d" % (16 << 20)) as server:
        with Client(server.port) as client:
            for size in (64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20):
                for kind in (TEXT, BINARY):
                    data = b"*" * size
                    client.send(frame(kind, data))
                    client.expect(kind, data)
            data = b"*" * (1 << 20)
            for part in (64, 256, 1 << 10, 64 << 10, 256 << 10, 1 << 20):
                parts = [data[at:at + part] for at in range(0, len(data), part)]
                client.send(frame(TEXT, parts[0], fin=len(parts) == 1),
                            *[frame(0, one, fin=False) for one in parts[1:-1]],
                            *[frame(0, one) for one in parts[1:][-1:]])
                client.expect(TEXT, data)
            for piece in (64, 1 << 10):
                client.send(frame(BINARY, data), piece=piece)
                client.expect(BINARY, data)
            client.close()
        fails(server.port, 1009, frame(BINARY, b"x" * ((16 << 20) + 1)))
        fails(server.port, 1009, frame(BINARY, b"x" * (16 << 20), fin=False),
              frame(0, b"x"))


# ---- permessage-deflate ---------------------------------------------------------


class Deflate(Client):
    """With the parameters that were agreed on, of which the offer is one."""

    def __init__(self, port, offer):
        super().__init__(port, offer)
        check(len(self.agreed) == 1, "%r: %s", offer, self.agreed)
        words = [word.strip() for word in self.agreed[0].split(";")]
        check(words[0] == "permessage-deflate", "%s", words)
        self.terms = dict((word.split("=") + [None])[:2] for word in words[1:])
        check(len(self.terms) == len(words) - 1, "twice: %s", words)
        self.inflater = self.deflater = None

    def pack(self, data):
        if self.deflater is None:
            bits = self.terms.get("client_max_window_bits") or "15"
            self.deflater = zlib.compressobj(6, zlib.DEFLATED, -int(bits))
        packed = (self.deflater.compress(data)
                  + self.deflater.flush(zlib.Z_SYNC_FLUSH))
        if "client_no_context_takeover" in self.terms:
            self.deflater = None
        return packed[:-4]

    def unpack(self, data):
        if self.inflater is None:
            bits = self.terms.get("server_max_window_bits") or "15"
            self.inflater = zlib.decompressobj(-int(bits))
        unpacked = self.inflater.decompress(data + b"\x00\x00\xff\xff")
        if "server_no_context_takeover" in self.terms:
            self.inflater = None
        return unpacked

    def packed(self, kind, data, parts=1):
        data = self.pack(data)
        cuts = sorted(random.randrange(len(data) + 1) for _ in range(parts - 1))
        ends = list(zip([0] + cuts, cuts + [len(data)]))
        return b"".join(frame(0 if i else kind, data[a:b], rsv=0 if i else 4,
                              fin=i == len(ends) - 1)
                        for i, (a, b) in enumerate(ends))

    def talk(self, kind, data, parts=1, piece=None):
        self.send(self.packed(kind, data, parts), piece=piece)
        got = self.message(self.unpack)
        check(got == (kind, data), "%d bytes come back as %d of kind %d",
              len(data), len(got[1]), got[0])


def bodies():
    text = " ".join("Wörter %d" % (i % 97) for i in range(20000)).encode()
    for size in (0, 1, 16, 64, 125, 126, 256, 1024, 4096, 8192, 16384, 32768, 65536,
                 131072):
        yield TEXT, text[:size].decode(errors="ignore").encode()
        yield BINARY, os.urandom(size)


OFFERS = ["permessage-deflate",
          "permessage-deflate; client_max_window_bits",
          "permessage-deflate; client_no_context_takeover",
          "permessage-deflate; server_no_context_takeover",
          "permessage-deflate; server_max_window_bits=9",
          "permessage-deflate; server_max_window_bits=15",
          'permessage-deflate; server_max_window_bits="10"',
          "permessage-deflate; client_max_window_bits=9",
          "permessage-deflate; client_max_window_bits; server_max_window_bits=9;"
          " client_no_context_takeover; server_no_context_takeover",
          "permessage-deflate; server_max_window_bits=8, permessage-deflate",
          "permessage-deflate; unheard_of, x-unknown; a=b, permessage-deflate"]


def test_deflate():
    for arguments in ([], ["takeover"], ["takeover", "bits=9"], ["parts"]):
        with ws.server(*arguments) as server:
            for offer in OFFERS:
                with Deflate(server.port, offer) as client:
                    for kind, data in bodies():
                        client.talk(kind, data)
                        client.talk(kind, data, parts=5)
                        client.send(frame(kind, data)) # one that is not packed
                        got = client.message(client.unpack)
                        check(got == (kind, data), "not packed: %d", len(data))
                    client.talk(TEXT, b"byte by byte" * 30, 3, piece=1)
                    client.close()


def test_agreed():
    """What was asked for is said, and what was not offered is not (7.1)."""
    with ws.server("takeover") as server:
        for offer, said, never in (
                (OFFERS[0], [], ["client_max_window_bits"]),
                (OFFERS[2], ["client_no_context_takeover"], []),
                (OFFERS[3], ["server_no_context_takeover"], []),
                (OFFERS[4], ["server_max_window_bits"], [])):
            with Deflate(server.port, offer) as client:
                for word in said:
                    check(word in client.terms, "%r: %s", offer, client.terms)
                for word in never:
                    check(word not in client.terms, "%r: %s", offer,
                          client.terms)
                bits = client.terms.get("server_max_window_bits")
                check(bits is None or offer != OFFERS[4] or int(bits) <= 9,
                      "%s bits", bits)
        for parameter in ("server_max_window_bits", "server_max_window_bits=7",
                          "server_max_window_bits=16", "server_max_window_bits=09",
                          "client_max_window_bits=16", "x",
                          "server_no_context_takeover=1",
                          "server_no_context_takeover; server_no_context_takeover"):
            with Client(server.port, OFFERS[0] + "; " + parameter) as client:
                check(client.agreed == [], "%r: %s", parameter, client.agreed)
                client.close()


def test_deflate_is_looked_at():
    with ws.server() as server:
        for data in (b"\xff\xff\xff", b"\x07", os.urandom(1000).replace(b"\0", b"x")
                     + b"\x06"):
            fails(server.port, 1007, frame(BINARY, data, rsv=4),
                  extensions=OFFERS[0])
        for data in BAD + CUT:
            with Deflate(server.port, OFFERS[0]) as client:
                client.send(client.packed(TEXT, data))
                client.expect_close(1007)
        with Deflate(server.port, OFFERS[0]) as client: # 1 GiB, if it were inflated
            client.send(client.packed(BINARY, bytes(32 << 20)))
            client.expect_close(1009)
        with Deflate(server.port, OFFERS[0]) as client:
            client.send(frame(TEXT, b"", rsv=4, fin=False), frame(PING, b"p"),
                        frame(0, client.pack(b"hello")))
            client.expect(PONG, b"p")
            client.expect(TEXT, b"hello")
            # two blocks, the first of which says that it is the last (7.2.3.4)
            one = zlib.compressobj(6, zlib.DEFLATED, -15)
            data = one.compress(b"Hello") + one.flush()
            client.send(frame(TEXT, data + b"\x00", rsv=4))
            client.expect(TEXT, b"Hello")
            # one that is stored (7.2.3.3)
            client.send(frame(TEXT, b"\x00\x05\x00\xfa\xffHello\x00", rsv=4))
            client.expect(TEXT, b"Hello")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
