"""Threads that share a Redis by blocking calls.  The output is always the same.
"""
import sys
import threading

import redis

store = redis.Redis(host="127.0.0.1", port=int(sys.argv[1]))
THREADS, ROUNDS = 40, 25
problems = []


def guarded(function):
    def run(*args):
        try:
            function(*args)
        except Exception as error:
            problems.append(repr(error))
    return run


@guarded
def count(n):
    for _ in range(ROUNDS):
        store.incr("hits")
        store.hincrby("own", n, 1)


@guarded
def consume(got):
    """Waits for each job in BLPOP, which blocks in recv."""
    while True:
        job = store.blpop("jobs", timeout=20)
        if job is None or job[1] == b"end":
            return
        got.append(int(job[1]))


def listen(heard, ready):
    channel = store.pubsub()
    channel.subscribe("news")
    for message in channel.listen():
        if message["type"] == "subscribe":
            ready.set()
        elif message["data"] == b"end":
            return
        else:
            heard.append(message["data"].decode())


def main():
    got, heard, ready = [], [], threading.Event()
    store.flushall()
    consumers = [threading.Thread(target=consume, args=(got,))
                 for _ in range(5)]
    listener = threading.Thread(target=guarded(listen), args=(heard, ready))
    counters = [threading.Thread(target=count, args=(n,))
                for n in range(THREADS)]
    for thread in consumers + [listener] + counters:
        thread.start()
    ready.wait(20)
    for n in range(200):
        store.rpush("jobs", n)
    for n in range(5):
        store.publish("news", "item %d" % n)
    store.publish("news", "end")
    for _ in consumers:
        store.rpush("jobs", "end")
    for thread in counters + consumers + [listener]:
        thread.join(30)
    print("hits", int(store.get("hits")))
    print("own", sorted(set(map(int, store.hvals("own")))))
    print("jobs", sorted(got) == list(range(200)))
    print("news", heard)
    print("problems", problems)


main()
