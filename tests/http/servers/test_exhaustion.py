#!/usr/bin/python3
# label: ci, http
# timeout: 180
"""A worker whose memory is exhausted (RLIMIT_AS): some are refused, the service goes
on, seldom a line says so, and nothing is left behind."""
import contextlib
import os
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serving  # noqa: E402
from serving import Server, check, wait_until  # noqa: E402

CLIENTS = 1500
ROOM_MB = 6


def status(pid, name):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return 0


def limit_memory(pid, more_mb):
    """So much beyond what it has; None: no limit any more."""
    hard = resource.prlimit(pid, resource.RLIMIT_AS)[1]
    most = hard if more_mb is None else \
        status(pid, "VmSize") * 1024 + more_mb * 1024 * 1024
    resource.prlimit(pid, resource.RLIMIT_AS, (most, hard))


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def outcome(s):
    """What has become of a request: answered, closed, or nothing yet."""
    s.settimeout(0.2)
    try:
        data = serving.read_all(s)
    except socket.timeout:
        return "waits"
    except OSError:
        return "closed"
    return "answered" if data.startswith(b"HTTP/1.1 200 ") else "closed"


def crowd(server, stack, count):
    """Each has sent half a head, so that it holds what a request holds."""
    clients = []
    for _ in range(count):
        s = stack.enter_context(server.connect())
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        clients.append(s)
    return clients


def exhaust(server, count):
    """How many were answered, closed, or have to wait."""
    with contextlib.ExitStack() as stack:
        clients = crowd(server, stack, count)
        time.sleep(0.5)
        for s in clients:
            with contextlib.suppress(OSError):
                s.sendall(b"Connection: close\r\n\r\n")
        found = [outcome(s) for s in clients]
    return {word: found.count(word) for word in sorted(set(found))}


def check_lines(server, began):
    """Of each kind one in ten seconds: who accepts, and who answers."""
    most = 1 + int((time.monotonic() - began) / 10)
    for text in ("could not take a connection", "there is no memory"):
        said = server.said().count(text)
        check(said <= most, "%d lines: %s", said, server.said())
    check("memory" in server.said(), "nothing is said: %s", server.said())


def test_memory_that_is_exhausted():
    with Server(workers=1) as server:
        pid = server.workers()[0]
        exhaust(server, 50)
        fds, began = descriptors(pid), time.monotonic()
        limit_memory(pid, ROOM_MB)
        sizes = []
        for _ in range(4):
            counts = exhaust(server, CLIENTS)
            print(counts, flush=True)
            check(counts.get("answered", 0) >= 20, "%s", counts)
            check(counts.get("closed", 0) > 0, "%s: not exhausted", counts)
            wait_until(lambda: server.generation() == "0", "it goes on")
            wait_until(lambda: descriptors(pid) <= fds, "%d descriptors, not %d"
                       % (descriptors(pid), fds))
            sizes.append(status(pid, "VmSize"))
        print(sizes, flush=True)
        check(server.workers() == [pid], "another worker: " + server.said())
        # Places that are kept for the next requests lie here and there.
        check(sizes[-1] <= max(sizes[:2]) + 3000, "it grows: %s KB", sizes)
        check_lines(server, began)
        limit_memory(pid, None)
        counts = exhaust(server, 300)
        check(counts == {"answered": 300}, "%s", counts)
        check(server.stop() == 0, "status: " + server.said())


if __name__ == "__main__":
    serving.main(globals())
