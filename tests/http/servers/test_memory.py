#!/usr/bin/python3
# label: ci, http
# timeout: 120
# serial
"""What a kept connection costs when it is idle again, whatever it has asked for, and
however many asked at once."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import crowd  # noqa: E402
from crowd import check  # noqa: E402

COUNT = 1500
MOST_KB = 10
POST = b"POST /plain HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


def costs(server, before):
    """When it has had the time to give back what it has not."""
    end = time.monotonic() + 10
    while True:
        kb = (crowd.memory_kb(server.pid) - before) / COUNT
        if kb <= MOST_KB or time.monotonic() > end:
            return kb
        time.sleep(0.5)


def check_costs(what, body):
    with crowd.server() as server:
        before = crowd.memory_kb(server.pid)
        clients = [crowd.connect(server.port) for _ in range(COUNT)]
        for client in clients: # all at once are waited for
            client.sendall(POST % len(body) + body[:-1])
        for client in clients:
            client.sendall(body[-1:])
        for client in clients:
            data = b""
            while not data.endswith(crowd.ANSWER):
                piece = client.recv(4096)
                check(piece != b"", "the server closed after %r", data)
                data += piece
        kb = costs(server, before)
        print("idle after %s: %.1f KB" % (what, kb), flush=True)
        for client in clients:
            client.close()
        check(kb <= MOST_KB, "%s: %.1f KB for a connection", what, kb)


def test_small():
    crowd.need_descriptors(COUNT + 100)
    check_costs("many small bodies", b"x" * 10)


def test_large():
    crowd.need_descriptors(COUNT + 100)
    check_costs("many bodies of 50 KB", b"x" * 50000)


def check_wave(clients, first):
    """All are waited for at once, and come and go in another order than before."""
    for client in clients[first:] + clients[:first]:
        client.sendall(POST % 10 + b"x" * 9)
    time.sleep(0.2)
    for client in clients:
        client.sendall(b"x")
        data = b""
        while not data.endswith(crowd.ANSWER):
            piece = client.recv(4096)
            check(piece != b"", "the server closed after %r", data)
            data += piece
        client.sendall(POST % 10 + b"x" * 9) # behind those that still wait
        client.sendall(b"x")
        data = b""
        while not data.endswith(crowd.ANSWER):
            data += client.recv(4096)


def peak_kb(pid):
    with open("/proc/%d/status" % pid) as status:
        return next(int(line.split()[1]) for line in status
                    if line.startswith("VmHWM"))


def test_waves():
    """The memory of requests that wait is what they touch, however long that goes on."""
    crowd.need_descriptors(COUNT + 100)
    with crowd.server() as server:
        before = crowd.memory_kb(server.pid)
        clients = [crowd.connect(server.port) for _ in range(COUNT)]
        for wave in range(6):
            check_wave(clients, wave * COUNT // 7)
        kb = (peak_kb(server.pid) - before) / COUNT
        print("at most %.1f KB a request that waits" % kb, flush=True)
        for client in clients:
            client.close()
        check(kb <= 16, "%.1f KB a request that waits", kb)


if __name__ == "__main__":
    crowd.main(globals())
