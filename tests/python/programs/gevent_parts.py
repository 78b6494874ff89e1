"""Pools, queues, events, timeouts, kills, children, threads: COUNT of each."""
from common import COUNT, check

import contextvars
import time

import gevent
from gevent import subprocess
from gevent.event import AsyncResult, Event
from gevent.local import local
from gevent.lock import BoundedSemaphore
from gevent.pool import Group, Pool
from gevent.queue import JoinableQueue, PriorityQueue
from gevent.threadpool import ThreadPool


def queues():
    queue, seen = JoinableQueue(5), []

    def consumer():
        for item in queue:
            gevent.sleep(0)
            seen.append(item)
            queue.task_done()
    consumers = [gevent.spawn(consumer) for _ in range(10)]
    for i in range(COUNT):
        queue.put(i)
    queue.join()
    for _ in consumers:
        queue.put(StopIteration)
    gevent.joinall(consumers, raise_error=True)
    check(sorted(seen) == list(range(COUNT)))
    ordered = PriorityQueue()
    for i in range(COUNT):
        ordered.put(-i)
    check([ordered.get() for _ in range(COUNT)] == [-i for i in reversed(
        range(COUNT))])


def ends():
    def sleeper(stopped):
        try:
            gevent.sleep(1000)
        finally:
            stopped.append(1)
    stopped = []
    group = Group()
    for _ in range(COUNT):
        group.spawn(sleeper, stopped)
    gevent.sleep(0)
    group.kill(timeout=60)
    check(len(stopped) == COUNT and not group)

    def fails(number):
        raise ValueError(number)
    jobs = [gevent.spawn(fails, i) for i in range(3)]
    for job in jobs:
        gevent.get_hub().exception_stream = None
    gevent.joinall(jobs)
    check([str(job.exception) for job in jobs] == ["0", "1", "2"])
    try:
        with gevent.Timeout(0.01):
            gevent.sleep(1000)
        check(False, "no timeout")
    except gevent.Timeout:
        pass


def locks():
    lock, inside, worst = BoundedSemaphore(3), [], []

    def enter(_):
        with lock:
            inside.append(1)
            worst.append(len(inside))
            gevent.sleep(0)
            inside.pop()
    Pool(50).map(enter, range(COUNT))
    check(max(worst) == 3, max(worst))
    event, result = Event(), AsyncResult()
    waiters = [gevent.spawn(lambda: (event.wait(), result.get()))
               for _ in range(COUNT)]
    gevent.sleep(0)
    event.set()
    gevent.spawn_later(0.01, result.set, "value")
    check({job.get() for job in waiters} == {(True, "value")})


def own_state():
    mine, var = local(), contextvars.ContextVar("var", default="unset")
    var.set("main")

    def body(number):
        before = var.get()
        mine.number = number
        var.set(number)
        gevent.sleep(0.001)
        return before, mine.number, var.get()
    found = Pool(100).map(body, range(COUNT))
    check([row[1:] for row in found] == [(n, n) for n in range(COUNT)], found)
    check(not {row[0] for row in found} & {*range(COUNT)}, found)
    check(var.get() == "main" and not hasattr(mine, "number"))


def children_and_threads():
    def child(number):
        return subprocess.check_output(["echo", str(number)], text=True)
    check(Pool(10).map(child, range(30)) == ["%d\n" % n for n in range(30)])
    pool = ThreadPool(4)
    begin = time.monotonic()
    jobs = [pool.spawn(time.sleep, 0.2) for _ in range(4)]
    ticks = 0
    while not all(job.ready() for job in jobs):
        gevent.sleep(0.01)
        ticks += 1
    check(ticks > 3, ticks)
    check(time.monotonic() - begin < 60)
    check(pool.map(abs, range(-COUNT, 0)) == list(range(COUNT, 0, -1)))
    pool.kill()


queues()
ends()
locks()
own_state()
children_and_threads()
print("ok")
