#!/usr/bin/python3
# label: ci, http
# timeout: 240
"""The client session against servers that are odd, each a raw socket of ours: as a
program, native and preloaded, where both have to say the same."""
import contextlib
import gzip
import os
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serving  # noqa: E402
from serving import check, harness  # noqa: E402

FETCH = os.path.join(serving.BIN, "fetch")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Odd:
    """Calls answer(connection, its number, the request's number on it, its head)
    for each request; what it returns is sent.  None: the connection is closed."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = "http://127.0.0.1:%d/" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.serve, daemon=True,
                                 args=(s, self.connections)).start()

    def serve(self, s, number):
        with s, contextlib.suppress(OSError):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            count = 0
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = s.recv(65536)
                    if not piece:
                        return
                    head += piece
                self.requests += 1
                count += 1
                said = self.answer(s, number, count, head)
                if said is None:
                    return
                s.sendall(said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def fetch(mode, *arguments, limit=60):
    """The lines it prints, and its peak in KB."""
    began = time.monotonic()
    status, out, err = harness.run([FETCH, *arguments], mode, limit=limit)
    check(status == 0, "fetch: %s, %s", status, err)
    lines = out.splitlines()
    return lines[:-1], int(lines[-1].split()[1]), time.monotonic() - began


def expect(answer, wanted, *options, count=1, **more):
    """Each of `count` requests of one session gives what is wanted of it."""
    for mode in harness.modes():
        with Odd(answer) as odd:
            said, peak, took = fetch(mode, *options, *[odd.url] * count, **more)
            found = [line.rsplit(" ", 1)[0] if line[0] != "e" else line
                     for line in said]
            check(found == wanted, "%s: %s, not %s", mode, found, wanted)
    return odd, peak, took


def closes_early(text):
    def answer(s, number, count, head):
        s.sendall(text)
    return answer


def always(text):
    return lambda *_: text


def test_it_closes_early():
    """And the session goes on: the next request finds a server that is well."""
    def answer(s, number, count, head):
        if number == 1:
            s.sendall(cut)
            return None
        return OK

    for cut, word in ((b"HTTP/1.1 2", "error ECONNRESET"),
                      (b"HTTP/1.1 200 OK\r\nA: b", "error ECONNRESET"),
                      (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
                       "error ECONNRESET"),
                      (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                       b"5\r\nabc", "error ECONNRESET")):
        for options in ((), ("-o",)):
            expect(answer, [word, "200 2"], *options, count=2)
    # Without a word: once more, if that does no harm, and never for ever.
    odd, _, _ = expect(closes_early(b""), ["error ECONNRESET"])
    check(odd.requests <= 6, "%d requests", odd.requests)


def test_it_never_answers():
    def answer(s, number, count, head):
        time.sleep(20)

    _, _, took = expect(answer, ["error ETIMEDOUT"], "-b", "300")
    check(took < 10, "%.1f s", took)
    expect(answer, ["error ETIMEDOUT"] * 5, "-t", "300", "-c", count=5)


def test_bad_chunks():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for body in (b"x\r\n", b"-5\r\nhello\r\n", b"5\r\nhelloworld\r\n",
                 b"ffffffffffffffffff\r\n", b"\r\n\r\n"):
        for options in ((), ("-o",)):
            expect(closes_early(head + body), ["error EBADMSG"], *options)


def test_a_length_that_is_too_long():
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"
    for options in ((), ("-o",)):
        expect(closes_early(said), ["error ECONNRESET"], *options)

    def waits(s, number, count, head):
        s.sendall(said)
        time.sleep(20)

    expect(waits, ["error ETIMEDOUT"], "-t", "500")


def test_a_length_that_is_too_short():
    """What stands behind the body is no answer to what is asked next, whether it
    comes at once or while nothing is asked."""
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

    def at_once(s, number, count, head):
        return OK + evil

    def later(s, number, count, head):
        s.sendall(OK)
        time.sleep(0.05)
        return evil

    for options in ((), ("-o",)):
        expect(at_once, ["200 2"] * 5, *options, count=5)
        odd, _, _ = expect(later, ["200 2"] * 3, "-d", "500", *options, count=3)
        check(odd.connections == 3, "%d connections", odd.connections)


def test_connections_over_tls_are_kept():
    """What TLS itself sends after the handshake (tickets) is no such thing."""
    harness.need("openssl")
    folder = harness.tempfile.mkdtemp(prefix="vireo-odd-")
    path = harness.make_certificate(os.path.join(folder, "pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    class Secure(Odd):
        def serve(self, s, number):
            with contextlib.suppress(OSError):
                super().serve(context.wrap_socket(s, server_side=True), number)

    for mode in harness.modes():
        with Secure(always(OK)) as odd:
            url = odd.url.replace("http:", "https:")
            said, _, _ = fetch(mode, "-k", "-d", "50", *[url] * 5)
            check(said == ["200 2 218"] * 5, "%s", said)
            check(odd.connections == 1, "%d connections", odd.connections)
    harness.shutil.rmtree(folder)


def test_interim_answers():
    """100 that nobody asked for, and 103: passed over; not for ever."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
    expect(always(early * 50 + OK), ["200 2"] * 3, count=3)

    def floods(s, number, count, head):
        while True:
            s.sendall(early * 100)

    for options in ((), ("-o",)):
        for mode in harness.modes():
            with Odd(floods) as odd:
                said, peak, took = fetch(mode, "-t", "5000", *options, odd.url)
                check(said == ["error EBADMSG"], "%s", said)
                check(peak < 100000 and took < 15, "%d KB, %.1f s", peak, took)

    def only(s, number, count, head):
        s.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(20)

    expect(only, ["error ETIMEDOUT"], "-t", "500")
    expect(closes_early(b"HTTP/1.1 100 Continue\r\n\r\n"), ["error ECONNRESET"])


def test_redirects_without_an_end():
    def answer(s, number, count, head):
        return (b"HTTP/1.1 302 Found\r\nLocation: /%d\r\nContent-Length: 0\r\n\r\n"
                % count)

    odd, _, _ = expect(answer, ["error ELOOP"])
    check(odd.requests == 11, "%d requests", odd.requests)
    same = b"HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
    expect(always(same), ["error ELOOP"] * 2, count=2)


def test_a_slow_drip():
    """A byte now and then keeps nobody longer than `timeout`."""
    def head_drips(s, number, count, head):
        for byte in b"HTTP/1.1 200 OK\r\nA: " + b"a" * 1000:
            s.sendall(bytes([byte]))
            time.sleep(0.05)

    def body_drips(s, number, count, head):
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            s.sendall(b"x")
            time.sleep(0.05)

    for answer in (head_drips, body_drips):
        _, _, took = expect(answer, ["error ETIMEDOUT"], "-t", "700")
        check(took < 10, "%.1f s", took)


def test_a_gzip_bomb():
    """1 GiB of zeros in 1 MB: more than the limit; and as a stream it costs no more
    memory than its buffer."""
    megabyte = gzip.compress(bytes(1 << 20))
    bomb = megabyte * 1024
    said = (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d"
            b"\r\n\r\n" % len(bomb)) + bomb
    single = gzip.compress(bytes(256 << 20))
    whole = (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d"
             b"\r\n\r\n" % len(single)) + single
    for mode in harness.modes():
        for text in (said, whole):
            with Odd(always(text)) as odd:
                lines, peak, _ = fetch(mode, odd.url)
                check(lines[0] in ("error EMSGSIZE", "error EBADMSG"), "%s", lines)
                check(peak < 120000, "%d KB", peak)
        with Odd(always(whole)) as odd:
            lines, peak, _ = fetch(mode, "-o", odd.url)
            check(lines == ["200 %d 0" % (256 << 20)], "%s", lines)
            check(peak < 100000, "%d KB", peak)  # 16 KiB of it are 16 MiB
            lines, _, _ = fetch(mode, "-p", odd.url)
            check(lines[0].startswith("200 %d " % len(single)), "%s", lines)


def test_connections_that_are_closed_between_requests():
    """What is asked on one goes out again on another, of a POST not if its body has
    left."""
    def each_second(s, number, count, head):
        return OK if count == 1 else None  # read, and closed without a word

    odd, _, _ = expect(each_second, ["200 2"] * 6, count=6)
    check(odd.connections == 6, "%d connections", odd.connections)

    def at_once(s, number, count, head):
        s.sendall(OK)  # closed behind an answer that promises to stay

    expect(at_once, ["200 2"] * 6, count=6)
    expect(each_second, ["200 2"] * 6, "-m", "PUT", count=6)
    odd, _, _ = expect(each_second, ["200 2", "error ECONNRESET", "200 2"], "-m",
                       "POST", count=3)
    check(odd.requests == 3, "%d requests", odd.requests)


def test_huge_heads():
    line = b"A: %s\r\n" % (b"a" * 1000)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
    expect(always(head + line * 200 + b"\r\nok"), ["200 2"] * 2, count=2)
    expect(always(head + line * 400 + b"\r\nok"), ["error EBADMSG"])
    expect(always(head + b"A: %s\r\n\r\nok" % (b"a" * 90000)), ["200 2"])
    expect(always(head + b"A: %s\r\n\r\nok" % (b"a" * 200000)),
           ["error EBADMSG"])

    def endless(s, number, count, request):
        s.sendall(head)
        while True:
            s.sendall(line)

    _, peak, _ = expect(endless, ["error EBADMSG"])
    check(peak < 60000, "%d KB", peak)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
