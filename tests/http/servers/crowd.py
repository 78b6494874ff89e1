"""What the tests of a service under load share: a server that takes many
connections, crowds of clients, and one client whose answers are timed."""
import contextlib
import json
import os
import re
import resource
import socket
import statistics
import subprocess
import time

import serving
from serving import BIN, check, harness

WEBSOCKET_BIN = os.path.join(harness.BUILD_DIR, "tests", "http", "websocket")
GET = b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"\r\n\r\nplain\n"


def need_descriptors(count):
    """For the programs that are started from here on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        raise harness.Skip("needs %d descriptors, the limit is %d"
                           % (count, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Peer:
    """A program that prints lines and ends when its stdin does."""

    def __init__(self, *command):
        self.popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            preexec_fn=harness._in_child)

    def line(self, limit):
        return harness._read_line(self.popen.stdout, limit).strip()

    def expect(self, word, limit=120):
        said = self.line(limit)
        check(said == word, "%s says %r instead of %r", self.popen.args[0],
              said, word)

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self.popen.stdin.close()
        self.popen.stdout.close()


class Slow(Peer):
    def __init__(self, port, count, kind, number):
        super().__init__(os.path.join(BIN, "slow"), str(port), str(count),
                         kind, str(number))

    def result(self):
        self.popen.stdin.close()
        return json.loads(self.line(30))


class Sockets(Peer):
    def __init__(self, port, count):
        super().__init__(os.path.join(WEBSOCKET_BIN, "ws_many"), str(port),
                         str(count))

    def talk(self):
        self.popen.stdin.write(b"\n")
        self.popen.stdin.flush()
        self.expect("echoed")

    def end(self):
        self.popen.stdin.close()
        self.expect("closed")


@contextlib.contextmanager
def peers(*some):
    try:
        yield some
    finally:
        for peer in some:
            peer.kill()


@contextlib.contextmanager
def server():
    program = harness.Program([os.path.join(WEBSOCKET_BIN, "ws_echo")],
                              stdout=subprocess.PIPE)
    with program:
        program.port = int(program.line(30))
        yield program
        status = program.stop(timeout=30)
        check(status == 0, "the server ended with %s", status)


def memory_kb(pid):
    """RSS and page tables."""
    with open("/proc/%d/status" % pid) as status:
        lines = dict(line.split(":", 1) for line in status)
    return sum(int(lines[name].split()[0]) for name in ("VmRSS", "VmPTE"))


def ask(s):
    s.sendall(GET)
    data = b""
    while not data.endswith(ANSWER):
        piece = s.recv(4096)
        check(piece != b"", "the server closed after %r", data)
        data += piece
    check(data.startswith(b"HTTP/1.1 200 "), "answer: %r", data)


def connect(port):
    s = socket.create_connection(("127.0.0.1", port), 30)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def p99_ms(port, seconds, windows=3):
    """A normal client, kept alive and new in turn: the median of the 99th
    percentiles of so many windows of that many seconds."""
    found = []
    for _ in range(windows):
        times = []
        end = time.monotonic() + seconds
        with connect(port) as kept:
            while time.monotonic() < end:
                for new in (False, False, False, True):
                    start = time.monotonic()
                    if new:
                        with connect(port) as s:
                            ask(s)
                    else:
                        ask(kept)
                    times.append((time.monotonic() - start) * 1000)
                time.sleep(0.002)
        times.sort()
        found.append(times[len(times) * 99 // 100])
    return statistics.median(found)


def slowhttptest(port, mode, connections, seconds, *more):
    """Run it against the server, which it is to find available throughout; and a
    normal client is served meanwhile.  Returns that one's p99."""
    tool = subprocess.Popen(
        ["slowhttptest", mode, "-c", str(connections), "-r",
         str(max(50, connections // 5)), "-i", "2", "-l", str(seconds), "-p",
         "5", "-u", "http://127.0.0.1:%d/%s" % (
             port, "large" if mode == "-X" else "plain"), *more],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace",
        preexec_fn=harness._in_child)
    try:
        found = p99_ms(port, max(2, seconds // 4), windows=2)
        out, _ = tool.communicate(timeout=seconds + 60)
    finally:
        if tool.poll() is None:
            tool.kill()
            tool.communicate()
    plain = re.sub("\x1b\\[[0-9;]*m", "", out)
    said = re.findall(r"service available: *(\w+)", plain)
    check(said and set(said) == {"YES"}, "available: %s; %s", said,
          plain[-500:])
    return found


def main(tests):
    serving.main(tests)
