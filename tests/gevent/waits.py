"""Waits for descriptors and what ends them; which deadline goes first."""
import os
import socket
import time

import gevent
from gevent import get_hub, getcurrent, sleep, spawn
from gevent.hub import Waiter
from gevent.socket import socketpair

from script import T, Boom, attempt, log, script, word


def wait_readable(fd):
    watcher = get_hub().loop.io(fd, 1)
    try:
        get_hub().wait(watcher)
    finally:
        watcher.stop()
        watcher.close()


@script("2.1 Hub.wait(watcher)")
def wait_for_a_descriptor():
    r, w = os.pipe()

    def reader():
        wait_readable(r)
        log("reader", os.read(r, 9).decode())

    g = spawn(reader)
    sleep(0)
    os.write(w, b"x")
    log("main", "wrote")
    g.join()
    log("main", "joined")


@script("2.1 Hub.wait(watcher)")
def descriptors_wake_in_the_order_of_events():
    pipes = [os.pipe() for _ in range(3)]

    def reader(who, fd):
        wait_readable(fd)
        log(who, "readable")

    for who, (r, _) in zip("abc", pipes):
        spawn(reader, who, r)
    sleep(0)
    for i in (1, 0, 2):
        os.write(pipes[i][1], b"x")
        sleep(T)
    log("main", "done")


@script("2.1 Hub.wait(watcher)")
def switched_to_while_it_sleeps():
    me = getcurrent()

    def sleeper():
        attempt("g", sleep, 10)
        log("g", "ends")

    g = spawn(sleeper)
    sleep(0)
    get_hub().loop.run_callback(me.switch)
    g.switch("something")
    log("main", "back")


@script("2.1 Hub.wait(watcher)")
def thrown_into_while_it_sleeps():
    me = getcurrent()

    def sleeper():
        attempt("g", sleep, 10)
        attempt("g", sleep, T)

    g = spawn(sleeper)
    sleep(0)
    get_hub().loop.run_callback(me.switch)
    g.throw(Boom)
    log("main", "back")
    g.join()
    log("main", "joined")


@script("2.1 One waiter per object")
def several_waiters_for_one_descriptor():
    ours, theirs = socketpair()

    def reader(who):
        data = attempt(who, ours.recv, 1)
        if data is not None:
            log(who, data.decode())

    a, b = spawn(reader, "a"), spawn(reader, "b")
    sleep(0)
    theirs.send(b"x")
    sleep(T)
    theirs.send(b"y")
    gevent.joinall([a, b])


@script("2.1 One waiter per object")
def reader_and_writer_of_one_descriptor():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    def waits(who, events):
        watcher = get_hub().loop.io(ours.fileno(), events)
        get_hub().wait(watcher)
        watcher.stop()
        watcher.close()
        log(who, "ready")

    r, w = spawn(waits, "reader", 1), spawn(waits, "writer", 2)
    w.join()
    log("main", "writable")
    theirs.send(b"x")
    r.join()


@script("2.1 cancel_wait")
def closed_while_another_waits():
    ours, theirs = socketpair()

    def reader(who):
        attempt(who, ours.recv, 1)

    g = spawn(reader, "g")
    sleep(0)
    ours.close()
    log("main", "has closed it")
    g.join()
    log("main", "joined")
    theirs.close()


@script("2.1 cancel_wait")
def closed_after_the_event_has_come():
    """The wait has ended: closing does not take that back."""
    ours, theirs = os.pipe()
    watcher = get_hub().loop.io(ours, 1)

    def reader():
        attempt("g", get_hub().wait, watcher)

    g = spawn(reader)
    sleep(0)
    os.write(theirs, b"x")
    g.join()
    get_hub().cancel_wait(watcher, Boom)
    log("main", "has closed it")
    sleep(0)
    watcher.close()


@script("2.1 Waiter")
def waiter_keeps_what_came_first():
    w = Waiter()
    w.switch("early")
    log("main", w.get())
    w = Waiter()
    w.throw(Boom)
    attempt("main", w.get)


@script("2.1 Waiter")
def waiter_in_use():
    w = Waiter()
    spawn(lambda: log("a", w.get()))
    spawn(lambda: attempt("b", w.get))
    sleep(0)
    get_hub().loop.run_callback(w.switch, "for a")
    sleep(0)
    log("main", "back")


@script("2.1 libev flags")
def sleep_goes_before_a_deadline():
    """Both have come when the loop looks: the sleep is over, not timed out."""
    def sleeper():
        with gevent.Timeout(T):
            attempt("g", sleep, 2 * T)

    g = spawn(sleeper)
    sleep(0)
    time.sleep(4 * T)
    g.join()


@script("2.1 libev flags")
def event_goes_before_a_deadline():
    r, w = os.pipe()

    def reader():
        with gevent.Timeout(T):
            attempt("g", wait_readable, r)

    g = spawn(reader)
    sleep(0)
    os.write(w, b"x")
    time.sleep(3 * T)
    g.join()


@script("2.1 libev flags")
def sleeps_go_before_descriptors():
    r, w = os.pipe()

    def reader():
        wait_readable(r)
        log("reader", "readable")

    def sleeper():
        sleep(T)
        log("sleeper", "awake")

    all_of_them = [spawn(reader), spawn(sleeper)]
    sleep(0)
    os.write(w, b"x")
    time.sleep(3 * T)
    gevent.joinall(all_of_them)


@script("2.1 libev flags")
def deadline_of_one_is_not_seen_by_another():
    def waits(who, seconds):
        try:
            with gevent.Timeout(seconds):
                sleep(3 * T)
            log(who, "slept")
        except gevent.Timeout as error:
            log(who, word(error))

    gevent.joinall([spawn(waits, "a", 2 * T), spawn(waits, "b", T),
                    spawn(waits, "c", 5 * T)])
