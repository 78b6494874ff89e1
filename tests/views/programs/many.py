"""Crowds of clients of one application, in one process: requests that wait and
WebSockets, with ordinary connections beside them."""
import contextlib
import os
import subprocess
import sys

TESTS = os.path.join(os.environ["SOURCE_DIR"], "tests")
sys.path.insert(0, os.path.join(TESTS, "http", "servers"))
# pylint: disable=wrong-import-position
import crowd  # noqa: E402
from crowd import check, harness  # noqa: E402

PROGRAM = os.path.join(harness.BUILD_DIR, "tests", "views", "programs",
                       "views_many")


@contextlib.contextmanager
def application():
    program = harness.Program([PROGRAM], stdout=subprocess.PIPE)
    with program:
        program.port = int(program.line(30))
        yield program
        status = program.stop(timeout=30)
        check(status == 0, "the application ended with %s", status)


def read_answer(client):
    data = b""
    while not data.endswith(crowd.ANSWER):
        piece = client.recv(4096)
        check(piece != b"", "the application closed after %r", data)
        data += piece
    check(data.startswith(b"HTTP/1.1 200 "), "answer: %r", data)


class Waiting:
    """Requests that wait, half of them in async views, until one tells them."""

    def __init__(self, port, count):
        self.port = port
        self.clients = []
        for i in range(count):
            client = crowd.connect(port)
            client.sendall(b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
                           % (b"async" if i % 2 else b"sync"))
            self.clients.append(client)

    def end(self):
        with crowd.connect(self.port) as one:
            one.sendall(b"GET /tells HTTP/1.1\r\nHost: a\r\n\r\n")
            read_answer(one)
        for client in self.clients:
            read_answer(client)
            client.close()


def ordinary(port, count):
    """All at once, each asks twice."""
    clients = [crowd.connect(port) for _ in range(count)]
    for _ in range(2):
        for client in clients:
            client.sendall(crowd.GET)
        for client in clients:
            read_answer(client)
    for client in clients:
        client.close()


def check_crowd(waiting, sockets, beside):
    crowd.need_descriptors(waiting + sockets + beside + 200)
    print("%d requests that wait, %d WebSockets, %d ordinary connections"
          % (waiting, sockets, beside), flush=True)
    with application() as program, contextlib.ExitStack() as stack:
        if sockets: # first: harness selects on its pipes
            talkers = crowd.Sockets(program.port, sockets)
            stack.enter_context(crowd.peers(talkers))
            talkers.expect("open")
        many = Waiting(program.port, waiting)
        ordinary(program.port, beside)
        if sockets:
            talkers.talk()
            ordinary(program.port, beside)
        print("%.1f MB" % (crowd.memory_kb(program.pid) / 1024), flush=True)
        check(threads(program.pid) <= 2, "%d OS threads", threads(program.pid))
        if sockets:
            talkers.end()
        many.end()


def threads(pid):
    """One, and the monitor."""
    return len(os.listdir("/proc/%d/task" % pid))
