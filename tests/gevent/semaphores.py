"""Semaphore, BoundedSemaphore, RLock."""
import threading

import gevent
from gevent import get_hub, sleep, spawn
from gevent.lock import BoundedSemaphore, RLock, Semaphore

from script import T, attempt, log, naps, script, yes

SEMAPHORE = "2.3 lock.Semaphore / BoundedSemaphore / RLock / DummySemaphore"
THREADS = "2.3 Semaphore across threads"


def takes(who, s, hops=1):
    s.acquire()
    log(who, "has it")
    for _ in range(hops):
        sleep(0)
    log(who, "gives it back")
    s.release()


@script(SEMAPHORE)
def semaphore_wakes_in_order():
    s = Semaphore(0)
    for who in "abc":
        spawn(takes, who, s)
    sleep(0)
    s.release()
    log("main", "has released")
    get_hub().join()


@script(SEMAPHORE)
def semaphore_wakes_as_many_as_it_has():
    s = Semaphore(0)

    def takes_for_good(who):
        s.acquire()
        log(who, "has it")

    for who in "abcd":
        spawn(takes_for_good, who)
    sleep(0)
    s.release()
    s.release()
    sleep(0)
    log("main", "back")
    s.release()
    s.release()
    sleep(0)


@script(SEMAPHORE)
def semaphore_counts():
    s = Semaphore(2)
    log("main", "without waiting: " + yes(s.acquire(blocking=False)))
    log("main", "without waiting: " + yes(s.acquire(blocking=False)))
    log("main", "without waiting: " + yes(s.acquire(blocking=False)))
    s.release()
    s.release()
    log("main", "counter: %d" % s.counter)
    log("main", "locked: " + yes(s.locked()))


@script(SEMAPHORE)
def semaphore_taken_at_once_does_not_switch():
    s = Semaphore(1)
    spawn(log, "other", "runs")
    s.acquire()
    log("main", "has it")
    s.release()
    log("main", "has released")
    sleep(0)


@script(SEMAPHORE)
def semaphore_acquire_may_time_out():
    s = Semaphore(0)
    log("main", "has it: " + yes(s.acquire(timeout=T)))
    spawn(lambda: (naps("g", T), s.release()))
    log("main", "has it: " + yes(s.acquire(timeout=9 * T)))
    log("main", "counter: %d" % s.counter)


@script(SEMAPHORE)
def semaphore_in_a_foreign_timeout():
    s = Semaphore(0)
    timeout = gevent.Timeout.start_new(T)
    attempt("main", s.acquire)
    timeout.close()
    s.release()
    log("main", "counter: %d" % s.counter)


@script(SEMAPHORE)
def semaphore_waiter_is_killed():
    s = Semaphore(0)
    some = [spawn(takes, who, s) for who in "abc"]
    sleep(0)
    some[0].kill()
    s.release()
    gevent.joinall(some)
    log("main", "counter: %d" % s.counter)


@script(SEMAPHORE)
def semaphore_waiter_is_killed_after_a_release():
    """The permit goes to the next: none is lost."""
    s = Semaphore(0)
    a, b = spawn(takes, "a", s), spawn(takes, "b", s)
    sleep(0)
    a.kill(block=False)
    s.release()
    b.join()
    log("main", "counter: %d" % s.counter)


@script(SEMAPHORE)
def semaphore_is_fair():
    """Who releases and takes again: does the one who waits get it?"""
    s = Semaphore(1)
    turns = {"a": 0, "b": 0}

    def body(who):
        for _ in range(3):
            s.acquire()
            turns[who] += 1
            log(who, "has it")
            sleep(0)
            s.release()

    spawn(body, "a")
    spawn(body, "b")
    get_hub().join()


@script(SEMAPHORE)
def semaphore_newcomer_after_a_release():
    s = Semaphore(0)
    spawn(takes, "old", s)
    sleep(0)
    s.release()
    log("main", "without waiting: " + yes(s.acquire(blocking=False)))
    sleep(0)
    sleep(0)
    log("main", "counter: %d" % s.counter)


@script(SEMAPHORE)
def semaphore_links():
    s = Semaphore(0)
    s.rawlink(lambda _: log("link", "told"))
    s.release()
    log("main", "has released")
    sleep(0)
    log("main", "counter: %d" % s.counter)


@script(SEMAPHORE)
def bounded_semaphore_released_too_often():
    s = BoundedSemaphore(1)
    s.acquire()
    attempt("main", s.release)
    attempt("main", s.release)
    log("main", "counter: %d" % s.counter)


@script(SEMAPHORE)
def bounded_semaphore_hands_over():
    s = BoundedSemaphore(1)
    s.acquire()
    a, b = spawn(takes, "a", s), spawn(takes, "b", s)
    sleep(0)
    s.release()
    log("main", "has released")
    gevent.joinall([a, b])


@script(SEMAPHORE)
def recursive_lock_of_a_greenlet():
    lock = RLock()
    lock.acquire()
    lock.acquire()
    g = spawn(takes, "g", lock)
    sleep(0)
    lock.release()
    log("main", "has released once")
    sleep(0)
    lock.release()
    log("main", "has released")
    g.join()


@script(SEMAPHORE)
def recursive_lock_of_another():
    lock = RLock()
    lock.acquire()
    g = spawn(attempt, "g", lock.release)
    g.join()
    attempt("main", lock.release)
    attempt("main", lock.release)


@script(THREADS)
def semaphore_released_by_a_thread():
    s = Semaphore(0)
    spawn(takes, "a", s, 0)
    sleep(0)
    thread = threading.Thread(target=s.release)
    thread.start()
    log("main", "waits")
    sleep(3 * T)
    log("main", "counter: %d" % s.counter)
    thread.join()


@script(THREADS)
def semaphore_between_two_hubs():
    """Each thread's greenlets take turns with those of the other."""
    s = Semaphore(1)
    count = []

    def body():
        for _ in range(20):
            with s:
                before = len(count)
                sleep(0.0001)
                count.append(before)

    def run():
        gevent.joinall([spawn(body), spawn(body)])

    thread = threading.Thread(target=run)
    thread.start()
    run()
    thread.join()
    log("main", "nobody came between: " + yes(count == list(range(80))))
    log("main", "counter: %d" % s.counter)
