#!/usr/bin/python3
# label: long
# timeout: 300
# serial
"""10,000 idle keep-alive connections and 1,000 active ones beside, on one OS thread:
no request fails, and an idle one costs at most 10 KB, page tables included."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import crowd  # noqa: E402
import serving  # noqa: E402
from crowd import check, harness  # noqa: E402

IDLE, ACTIVE, REQUESTS, MOST_KB = 10000, 1000, 200000, 10


def idle_clients(port):
    """Each has been answered once.  From several addresses: ports are not endless."""
    clients = []
    for i in range(IDLE):
        s = crowd.socket.create_connection(
            ("127.0.0.1", port), 30, ("127.0.0.%d" % (2 + i % 4), 0))
        crowd.ask(s)
        clients.append(s)
    return clients


def threads(pid):
    """But the monitor, which sleeps beside each hub."""
    names = []
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/comm" % (pid, task)) as f:
            names.append(f.read().strip())
    return [name for name in names if "monitor" not in name]


def test_idle_and_active():
    crowd.need_descriptors(12000)
    with crowd.server() as server:
        warm = serving.Hammer("127.0.0.1:%d" % server.port, 4, 400, "/plain")
        check(warm.result()["failed"] == 0, "one does not work")
        before = crowd.memory_kb(server.pid)
        clients = idle_clients(server.port)
        time.sleep(3)
        each = (crowd.memory_kb(server.pid) - before) / IDLE
        print("idle: %.2f KB each" % each, flush=True)
        check(each <= MOST_KB, "%.2f KB each", each)
        load = serving.Hammer("127.0.0.1:%d" % server.port, ACTIVE, REQUESTS,
                              "/plain")
        time.sleep(1)
        found = threads(server.pid)
        report = load.result()
        print("active: %s; threads: %s" % (report, found), flush=True)
        check(report["failed"] == 0 and report["done"] == REQUESTS, "%s", report)
        check(len(found) == 1, "threads: %s", found)
        for s in clients[::97]:  # and the idle ones are there
            crowd.ask(s)
        time.sleep(3)
        each = (crowd.memory_kb(server.pid) - before) / IDLE
        print("idle again: %.2f KB each" % each, flush=True)
        check(each <= MOST_KB, "%.2f KB each, after the load", each)
        for s in clients:
            s.close()


if __name__ == "__main__":
    crowd.main(globals())
