#!/usr/bin/python3
# label: ci, views
# timeout: 120
"""V-13: async views on libuv (examples/apps/uv_views.c), a hundred of them at once on
one OS thread: the upstream answers nobody before all have asked."""
import os
import socket
import sys
import threading

import apps
import harness
from apps import BY_COMMAND, LINKED, ask, check, until

COUNT = 100


class Upstream:
    """Keeps who asks until it is told to answer."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self.listener.getsockname()[1]
        self.waiting = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.listener.accept()
            check(peer.recv(16) == b"hello\n", "no question")
            self.waiting.append(peer)

    def answer(self):
        for number, peer in enumerate(self.waiting):
            peer.sendall(b"%d" % number)
            peer.close()
        self.waiting.clear()


def crowd(app, upstream):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(
        ask(app.port, "/together"))) for _ in range(COUNT)]
    for thread in threads:
        thread.start()
    until(lambda: len(upstream.waiting) == COUNT, "%d have asked" % COUNT)
    check(ask(app.port, "/hello")[1] == "hello\n", "others are not served")
    worker = max(app.pids())
    names = []
    for thread in os.listdir("/proc/%d/task" % worker):
        with open("/proc/%d/task/%s/comm" % (worker, thread)) as file:
            names.append(file.read().strip())
    check(sum(name != "vireo-monitor" for name in names) == 1,
          "OS threads: %s", names)
    upstream.answer()
    for thread in threads:
        thread.join()
    wanted = {"upstream: %d\n" % number for number in range(COUNT)}
    check({text for status, text, _ in answers if status == 200} == wanted,
          "%s", answers[:3])
    return worker


def gone(app, upstream):
    """Clients go away in the middle: the loops of their views end."""
    held = [socket.create_connection(("127.0.0.1", app.port))
            for _ in range(20)]
    for client in held:
        client.sendall(b"GET /together HTTP/1.1\r\nHost: a\r\n\r\n")
    until(lambda: len(upstream.waiting) == 20, "they have asked")
    worker = max(app.pids())
    check(epoll_sets(worker) > 20, "no loops")
    for client in held:
        client.close()
    for peer in upstream.waiting:
        peer.settimeout(30)
        check(peer.recv(1) == b"", "a view goes on without its client")
        peer.close()
    upstream.waiting.clear()


def epoll_sets(pid):
    """One for each loop, libuv's and ours."""
    found = 0
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            found += "eventpoll" in os.readlink("/proc/%d/fd/%s" % (pid, name))
        except OSError:
            pass # of a connection that was just closed
    return found


def test_v13():
    for way in LINKED, BY_COMMAND:
        upstream = Upstream()
        with apps.start("uv_views", {"UPSTREAM_PORT": str(upstream.port)},
                        way) as app:
            worker = max(app.pids())
            ask(app.port, "/hello")
            before = epoll_sets(worker)
            check(crowd(app, upstream) == worker, "it was started again")
            gone(app, upstream)
            until(lambda: epoll_sets(worker) == before, "loops are closed")
            check(max(app.pids()) == worker, "it was started again")
            apps.stop(app)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
