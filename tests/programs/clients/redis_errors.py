"""Threads with python3-redis where something goes wrong.

usage: redis_errors.py port
"""
import sys
import threading
import time

import redis
import scenes
from scenes import scene

PORT = int(sys.argv[1])
THREADS = 100


def connect(**more):
    return redis.Redis(host="127.0.0.1", port=PORT, **more)


def share_a_pool():
    pool = redis.BlockingConnectionPool(
        host="127.0.0.1", port=PORT, max_connections=10, timeout=60)
    store = redis.Redis(connection_pool=pool)

    def use(n):
        for i in range(10):
            store.incr("pooled")
            store.set("key%d" % n, "v" * (i * 1000))
        return len(store.get("key%d" % n))

    scene("pool", THREADS, use)
    print("pooled", int(store.get("pooled")))
    pool.disconnect()


def transact(n):
    """Optimistic: again, as long as somebody else was faster."""
    store = connect()

    def add(pipe):
        value = int(pipe.get("watched") or 0)
        pipe.multi()
        pipe.set("watched", value + 1)

    for _ in range(5):
        store.transaction(add, "watched")
    return "done"


def lock(n):
    store = connect()
    with store.lock("lock", timeout=60, sleep=0.005):
        value = int(store.get("locked") or 0)
        time.sleep(0.001)
        store.set("locked", value + 1)


def time_out(n):
    return connect(socket_timeout=0.2).blpop("never")


def nothing_came(n):
    return connect().blpop("never", timeout=1)


def go_wrong(n):
    store = connect()
    seen = []
    store.set("text%d" % n, "abc")
    for call in (lambda: store.lpush("text%d" % n, 1),
                 lambda: store.incr("text%d" % n),
                 lambda: store.execute_command("NONSENSE"),
                 lambda: store.set("key", object())):
        try:
            call()
        except redis.RedisError as error:
            seen.append(type(error).__name__)
    return "+".join(seen)


def be_cut_off(n):
    """Another client ends the connection while this one waits in it."""
    store = connect(single_connection_client=True)
    own = store.client_id()
    timer = threading.Timer(0.2, lambda: connect().client_kill_filter(
        _id=str(own)))
    timer.start()
    try:
        return store.connection.retry_on_timeout, store.connection.can_read(
            60) and store.connection.read_response()
    finally:
        timer.join()


def lose_the_server():
    def wait(n, arrived):
        store = connect()
        store.ping()
        arrived()
        return store.blpop("never")

    scenes.lose_the_server(50, wait)
    scene("gone", 20, lambda n: connect().ping())


def main():
    share_a_pool()
    scene("transact", 20, transact)
    scene("lock", 20, lock)
    store = connect()
    print("watched", int(store.get("watched")), "locked",
          int(store.get("locked")))
    scene("timeout", THREADS, time_out)
    scene("nothing", THREADS, nothing_came)
    scene("wrong", THREADS, go_wrong)
    scene("cut off", 20, be_cut_off)
    lose_the_server()


main()
