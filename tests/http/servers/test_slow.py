#!/usr/bin/python3
# label: ci, http
# timeout: 180
# serial
"""Slow clients, and many that are open, while a normal one is served: the short form
of test_slow_long.py."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import crowd  # noqa: E402
from crowd import check, harness  # noqa: E402

# A turn of a busy machine's; a server that is held up by a slow client is late by
# seconds.
MOST_MS = 1000


def test_slowhttptest():
    harness.need("slowhttptest")
    with crowd.server() as server:
        for mode in ("-H", "-B", "-R", "-X"):
            found = crowd.slowhttptest(server.port, mode, 200, 8)
            print("slowhttptest %s: p99 %.1f ms" % (mode, found))
            check(found < MOST_MS, "%s: p99 %.1f ms", mode, found)


def test_a_byte_a_second():
    """Heads are given 10 s, bodies more."""
    crowd.need_descriptors(4000)
    with crowd.server() as server, crowd.peers(
            crowd.Slow(server.port, 500, "head", 0),
            crowd.Slow(server.port, 500, "body", 1)) as (heads, bodies):
        heads.expect("open")
        bodies.expect("open")
        found = crowd.p99_ms(server.port, 5)
        head, body = heads.result(), bodies.result()
        print("p99 %.1f ms; heads %s; bodies %s" % (found, head, body))
        check(found < MOST_MS, "p99 %.1f ms", found)
        check(head["timed_out"] >= 450, "of the heads %s", head)
        for one in (head, body):
            check(one["refused"] + one["cut"] == 0, "%s", one)


def test_many_of_each():
    crowd.need_descriptors(4000)
    with crowd.server() as server, crowd.peers(
            crowd.Slow(server.port, 400, "head", 0),
            crowd.Slow(server.port, 400, "body", 1),
            crowd.Sockets(server.port, 400),
            crowd.Sockets(server.port, 400)) as (heads, bodies, *sockets):
        for peer in (heads, bodies, *sockets):
            peer.expect("open")
        found = crowd.p99_ms(server.port, 2)
        check(found < MOST_MS, "p99 %.1f ms", found)
        for peer in sockets:
            peer.talk()
            peer.end()
        for peer in (heads, bodies):
            one = peer.result()
            check(one["refused"] + one["cut"] == 0, "%s", one)


if __name__ == "__main__":
    crowd.main(globals())
