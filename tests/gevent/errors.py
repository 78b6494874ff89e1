"""What nobody caught, the end of a hub, other threads, fork."""
import io
import os
import signal
import threading

import gevent
from gevent import event, get_hub, sleep, spawn

from script import (T, Boom, attempt, fails, log, naps, script, unstarted,
                    word, yes)


@script("2.1 handle_error(context, type, value, tb)")
def failure_is_reported_once():
    g = spawn(fails, "g")
    log("main", "joins")
    g.join()
    attempt("main", g.get)
    attempt("main", g.get)


@script("2.1 handle_error(context, type, value, tb)")
def exits_are_not_reported():
    def exits():
        raise gevent.GreenletExit

    a = spawn(exits)
    b = spawn(naps, "b", 10)
    sleep(0)
    b.kill()
    a.join()
    log("main", "a has succeeded: " + yes(a.successful()))
    log("main", "b has succeeded: " + yes(b.successful()))


@script("2.1 handle_error(context, type, value, tb)")
def report_comes_before_the_waiters():
    g = spawn(fails, "g")

    def joins(who):
        g.join()
        log(who, "joined")

    spawn(joins, "a")
    spawn(joins, "b")
    get_hub().join()


@script("2.1 handle_error(context, type, value, tb)")
def handler_gets_the_greenlet():
    contexts = []
    get_hub().handle_error = lambda context, cls, *_: (
        contexts.append(context), log("handler", word(cls)))
    g = spawn(fails, "g")
    g.join()
    log("main", "it was told of g: " + yes(contexts == [g]))


@script("2.1 handle_error(context, type, value, tb)")
def system_error_goes_to_main():
    def exits():
        log("g", "raises")
        raise SystemExit(1)

    spawn(exits)
    other = spawn(naps, "other", 2 * T)
    attempt("main", sleep, 10)
    log("main", "goes on")
    other.join()


@script("2.1 exception_stream")
def reports_go_to_a_stream():
    hub = get_hub()
    del hub.handle_error  # the default one
    hub.exception_stream = stream = io.StringIO()
    spawn(fails, "a").join()
    log("main", "a report is there: " + yes(stream.getvalue()))
    hub.exception_stream = None
    spawn(fails, "b").join()
    log("main", "no report")


@script("2.1 destroy(destroy_loop)")
def destroyed_hub_is_followed_by_another():
    old = get_hub()
    spawn(naps, "a", T).join()
    old.destroy()
    log("main", "destroyed")
    naps("main", T)
    log("main", "it is another hub: " + yes(get_hub() is not old))
    spawn(naps, "b", T).join()


@script("2.1 fork: reinit()")
def others_in_the_child_of_a_fork():
    g = spawn(naps, "other", 2 * T)
    sleep(0)
    child = gevent.os.fork()
    if child == 0:
        signal.alarm(10)
        sleep(4 * T)
        log("child", "ends")
        os._exit(0)
    g.kill()
    os.waitpid(child, 0)
    log("parent", "ends")


@script("2.1 fork: reinit()")
def child_of_a_fork_has_a_loop():
    child = gevent.os.fork()
    if child == 0:
        signal.alarm(10)
        spawn(naps, "g", 2 * T)
        naps("child", T)
        get_hub().join()
        os._exit(0)
    os.waitpid(child, 0)
    naps("parent", T)


@script("2.1 LoopExit")
def what_a_deadlock_tells():
    g = gevent.Greenlet(unstarted().join)
    g.name = "stuck"
    g.start()
    try:
        g.join()
    except gevent.exceptions.LoopExit as error:
        text = str(error)
        log("main", word(error))
        log("main", "names who is stuck: " + yes("stuck" in text))
        log("main", "says for what it waits: " + yes("waits for" in text))
        log("main", "says since when: " + yes("since" in text))


@script("2.1 Hub per thread")
def each_thread_has_a_hub():
    mine = get_hub()

    def other():
        log("thread", "has a hub of its own: " + yes(get_hub() is not mine))
        spawn(naps, "its greenlet", T).join()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    naps("main", T)


@script("2.1 Hub per thread")
def deadlock_that_another_thread_may_end():
    box = []

    def other():
        nobody = unstarted()
        box.extend((get_hub(), nobody))
        attempt("thread", nobody.join)

    thread = threading.Thread(target=other)
    thread.start()
    sleep(2 * T)
    log("main", "starts it")
    if thread.is_alive():
        box[0].loop.run_callback_threadsafe(box[1].start)
    thread.join()


@script("2.1 Hub per thread")
def event_between_hubs():
    """Greenlets of two hubs wait for one event, which a third thread sets."""
    e = event.Event()
    waiting = threading.Semaphore(0)
    seen = {}

    def waits(who):
        get_hub().loop.run_callback(waiting.release)
        try:
            seen[who] = "woken: " + yes(e.wait(5 * T))
        except gevent.exceptions.InvalidThreadUseError as error:
            seen[who] = word(error)

    threads = []
    for who in "ab":
        threads.append(threading.Thread(
            target=lambda name=who: spawn(waits, name).join()))
        threads[-1].start()
        waiting.acquire()
    e.set()
    for thread in threads:
        thread.join()
    for who in "ab":
        log(who, seen[who])
