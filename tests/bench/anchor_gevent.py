#!/usr/bin/python3
"""anchor_gevent.py - gevent: the same work by what the hub is modelled on.

usage: anchor_gevent.py case count [extra]; prints "key value" lines as bench.h.
"""
import resource
import sys
import time

try:
    import gevent
    import gevent.event
    import gevent.lock
    import gevent.queue
except ImportError:
    sys.exit("needs python3-gevent")


def now():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, time.monotonic()


def report(start, count):
    cpu, wall = now()
    print("cpu_ns %.3f" % ((cpu - start[0]) / count * 1e9))
    print("wall_ns %.3f" % ((wall - start[1]) / count * 1e9))


def both(play, *rest):
    start = now()
    gevent.joinall([gevent.spawn(play, *args) for args in rest],
                   raise_error=True)
    return start


def run_yield(count, _):
    def play():
        for _ in range(count // 2):
            gevent.sleep(0)
    return both(play, (), ())


def run_spawn(count, _):
    start = now()
    for _ in range(count):
        gevent.spawn(int).join()
    return start


def run_event(count, _):
    events = gevent.event.Event(), gevent.event.Event()

    def play(mine):
        for _ in range(count // 2):
            events[mine].wait()
            events[mine].clear()
            events[1 - mine].set()
    events[0].set()
    return both(play, (0,), (1,))


def run_queue(count, _):
    items = gevent.queue.Queue(128)

    def put():
        for _ in range(count):
            items.put(items)

    def get():
        for _ in range(count):
            items.get()
    start = now()
    gevent.joinall([gevent.spawn(put), gevent.spawn(get)], raise_error=True)
    return start


def run_semaphore(count, _):
    permit = gevent.lock.Semaphore(1)

    def play():
        for _ in range(count // 2):
            permit.acquire()
            gevent.sleep(0)
            permit.release()
    return both(play, (), ())


def run_timer(count, sleepers):
    rounds = count // sleepers

    def play(i):
        for turn in range(rounds + 1):
            gevent.sleep((i * 7919 + turn * 104729) % 100000 / 1e6)
    return both(play, *((i,) for i in range(sleepers)))


CASES = {"yield": run_yield, "spawn": run_spawn, "event": run_event,
         "queue": run_queue, "semaphore": run_semaphore, "timer": run_timer}


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in CASES:
        sys.exit(__doc__)
    count = int(sys.argv[2])
    extra = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    report(CASES[sys.argv[1]](count, extra), count)


if __name__ == "__main__":
    main()
