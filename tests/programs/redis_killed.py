"""Threads whose Redis is killed, and comes back on the same port: each is told, and
each goes on afterwards.  Prints a line when all are at work, a line when all have
been told; the rest is always the same."""
import sys
import threading
import time

import redis

THREADS = 10
port = int(sys.argv[1])
store = redis.Redis(host="127.0.0.1", port=port)
told, again, ready = [], [], threading.Semaphore(0)
stop = False
beats = 0


def beat():
    global beats
    while not stop:
        beats += 1
        time.sleep(0.005)


def until_back(call):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            call()
            again.append(1)
            return
        except redis.ConnectionError:
            time.sleep(0.05)


def ask():
    """Is in the middle of a request all the time."""
    ready.release()
    try:
        while True:
            store.incr("hits")
    except Exception as error:
        told.append(type(error).__name__)
    until_back(lambda: store.incr("hits"))


def wait():
    """Waits in recv() for what never comes."""
    own = redis.Redis(host="127.0.0.1", port=port)
    ready.release()
    try:
        own.blpop("never")
    except Exception as error:
        told.append(type(error).__name__)
    until_back(lambda: own.ping())


def main():
    global stop
    heart = threading.Thread(target=beat)
    threads = [threading.Thread(target=target)
               for target in [ask, wait] * (THREADS // 2)]
    for thread in [heart] + threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    time.sleep(0.3)
    print("at work", flush=True)
    end = time.monotonic() + 30
    while len(told) < THREADS and time.monotonic() < end:
        time.sleep(0.01)
    print("told", len(told), sorted(set(told)), flush=True)
    for thread in threads:
        thread.join(40)
    then = beats
    time.sleep(0.2)
    stop = True
    heart.join()
    print("again", len(again), "others go on", beats > then)


main()
