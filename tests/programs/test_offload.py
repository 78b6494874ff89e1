#!/usr/bin/python3
# label: ci
"""50 slow name look-ups at once take the time of one, and stop nobody.

libc's resolver cannot be pointed elsewhere by the environment, so the test runs
itself again in a mount and a network namespace of its own, where /etc/resolv.conf
names a server on 127.0.0.1 port 53 that answers after a second.
"""
import heapq
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import harness
from harness import NATIVE, check

INSIDE = "VIREO_TEST_INSIDE_NAMESPACE"
LOOKUPS = 50
DELAY_S = 1.0
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def loopback_up():
    import fcntl
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sh14x", b"lo", 0)
        request = fcntl.ioctl(s, SIOCGIFFLAGS, request)
        flags = struct.unpack("16sh14x", request)[1] | IFF_UP
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags))


def bind_over(path, text, folder):
    path = os.path.realpath(path)
    if not os.path.exists(path):
        raise harness.Skip("there is no %s to mount over" % path)
    mine = os.path.join(folder, os.path.basename(path))
    with open(mine, "w") as f:
        f.write(text)
    os.chmod(mine, 0o644)
    subprocess.run(["mount", "--bind", mine, path], check=True)


def answer_to(query):
    """hostN.test is 127.1.0.N; it has no other record than the A."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    question = query[12:at + 5]
    wants_a = struct.unpack(">H", query[at + 1:at + 3])[0] == 1
    head = query[:2] + struct.pack(">HHHHH", 0x8580, 1, int(wants_a), 0, 0)
    if not wants_a:
        return head + question
    number = int(labels[0][4:])
    return (head + question + b"\xc0\x0c"
            + struct.pack(">HHIH4B", 1, 1, 1, 4, 127, 1, 0, number))


def serve_slowly(server, seen):
    due = []
    while True:
        wait = max(0, due[0][0] - time.monotonic()) if due else None
        if select.select([server], [], [], wait)[0]:
            query, peer = server.recvfrom(512)
            seen.append(query)
            heapq.heappush(due, (time.monotonic() + DELAY_S, len(seen), query,
                                 peer))
        while due and due[0][0] <= time.monotonic():
            _, _, query, peer = heapq.heappop(due)
            server.sendto(answer_to(query), peer)


def look_up(mode):
    status, out, err = harness.run(
        [harness.c_program("lookups"), str(LOOKUPS)], mode, limit=90)
    check(status == 0, "%s: status %d %s", mode, status, err)
    return json.loads(out)


def inside():
    loopback_up()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    server.bind(("127.0.0.1", 53))
    seen = []
    threading.Thread(target=serve_slowly, args=(server, seen),
                     daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        bind_over("/etc/resolv.conf", "nameserver 127.0.0.1\n"
                  "options timeout:15 attempts:1\n", folder)
        if os.path.exists("/etc/nsswitch.conf"):
            bind_over("/etc/nsswitch.conf", "hosts: files dns\n", folder)
        results = {mode: look_up(mode) for mode in harness.modes()}
    print(results)
    check(len(seen) >= LOOKUPS * len(results), "%d queries seen", len(seen))
    for mode, result in results.items():
        check(result["right"] == result["done"] == LOOKUPS, "%s: %s", mode,
              result)
        # One after the other they would take 50 s, in tens 5 s.
        check(result["seconds"] < 2 * DELAY_S, "%s: %s", mode, result)
        check(result["ticks"] > result["seconds"] * 50, "%s: the thread that "
              "ticks was held up: %s", mode, result)
    check(results[NATIVE]["seconds"] >= DELAY_S, "the server was not slow")


def can_unshare():
    return subprocess.run(["unshare", "-m", "-n", "true"],
                          stderr=subprocess.DEVNULL).returncode == 0


def test_fifty_lookups_take_the_time_of_one():
    harness.need("unshare", "mount")
    harness.c_program("lookups")
    if not can_unshare():
        raise harness.Skip("no right to make a mount and a network namespace")
    env = dict(os.environ, **{INSIDE: "1"})
    child = subprocess.Popen(
        ["unshare", "-m", "-n", sys.executable, __file__, *sys.argv[1:]],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True)
    try:
        said = child.communicate(timeout=120)[0].decode()
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
    print(said.strip())
    check(child.returncode == 0, "status %d", child.returncode)


if __name__ == "__main__":
    if os.environ.get(INSIDE):
        inside()
    else:
        sys.exit(harness.main(globals()))
