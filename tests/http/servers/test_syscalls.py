#!/usr/bin/python3
# label: ci, http
# timeout: 120
# serial
"""How many system calls a request costs on a kept connection: strace counts."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import crowd  # noqa: E402
from crowd import check, harness  # noqa: E402

CONNECTIONS, ROUNDS = 64, 50
MOST = 2.1


def attach(pid, path):
    """Skips where nobody may trace."""
    tracer = subprocess.Popen(["strace", "-f", "-o", path, "-p", str(pid)],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True)
    said = tracer.stderr.readline()
    if "attached" not in said:
        tracer.kill()
        tracer.communicate()
        raise harness.Skip("strace cannot attach: " + said.strip())
    return tracer


def ask_all(clients, rounds):
    for _ in range(rounds):
        for client in clients:
            client.sendall(crowd.GET)
        for client in clients:
            data = b""
            while not data.endswith(crowd.ANSWER):
                data += client.recv(4096)


def test_two_system_calls():
    harness.need("strace")
    with tempfile.TemporaryDirectory() as folder, crowd.server() as server:
        path = os.path.join(folder, "calls")
        clients = [crowd.connect(server.port) for _ in range(CONNECTIONS)]
        ask_all(clients, 3)
        tracer = attach(server.pid, path)
        try:
            ask_all(clients, ROUNDS)
            time.sleep(0.1)
        finally:
            tracer.terminate()
            tracer.communicate(timeout=30)
        with open(path) as calls:
            names = [line.split()[1].split("(")[0] for line in calls
                     if "resumed>" not in line and "(" in line]
        for client in clients:
            client.close()
    count = CONNECTIONS * ROUNDS
    kinds = {name: names.count(name) for name in sorted(set(names))}
    each = len(names) / count
    print("%.2f system calls a request: %s" % (each, kinds), flush=True)
    for name in ("recvfrom", "sendto"):
        check(kinds.get(name, 0) <= 1.01 * count, "%s: %s", name, kinds)
    # Those of an epoll_wait() that finds few: as many as the scheduler likes.
    rest = each - kinds.get("epoll_wait", 0) / count \
        - kinds.get("epoll_pwait2", 0) / count
    check(rest <= MOST, "%.2f system calls a request, waits apart: %s", rest,
          kinds)


if __name__ == "__main__":
    crowd.main(globals())
