"""Event and AsyncResult."""
import gevent
from gevent import get_hub, sleep, spawn
from gevent.event import AsyncResult, Event

from script import (T, Boom, attempt, fails, log, naps, script, ticks, word,
                    yes)


def waits(who, e, timeout=None):
    log(who, "woken: " + yes(e.wait(timeout)))


@script("2.3 event.Event")
def event_wakes_all_in_order():
    e = Event()
    for who in "abc":
        spawn(waits, who, e)
    sleep(0)
    e.set()
    log("main", "has set it")
    spawn(log, "other", "runs")
    sleep(0)
    log("main", "back")


@script("2.3 event.Event")
def event_set_and_cleared_wakes_all():
    e = Event()
    for who in "ab":
        spawn(waits, who, e)
    sleep(0)
    e.set()
    e.clear()
    log("main", "it is set: " + yes(e.is_set()))
    sleep(0)
    waits("main", e, T)


@script("2.3 event.Event")
def event_wait_may_time_out():
    e = Event()
    a, b = spawn(waits, "a", e, T), spawn(waits, "b", e)
    a.join()
    e.set()
    b.join()


@script("2.3 event.Event")
def event_that_is_set_does_not_switch():
    e = Event()
    e.set()
    spawn(log, "other", "runs")
    waits("main", e)
    waits("main", e, 0)
    sleep(0)


@script("2.3 event.Event")
def event_newcomer_after_a_set():
    """It finds the event set while older waiters have not run yet."""
    e = Event()
    spawn(waits, "a", e)
    spawn(waits, "b", e)
    sleep(0)
    e.set()
    waits("main", e)
    sleep(0)
    log("main", "back")


@script("2.3 event.Event")
def event_waiter_waits_again():
    e = Event()

    def twice(who):
        waits(who, e)
        e.clear()
        waits(who, e, T)

    a = spawn(twice, "a")
    b = spawn(waits, "b", e)
    sleep(0)
    e.set()
    gevent.joinall([a, b])


@script("2.3 event.Event")
def event_waiter_is_killed():
    e = Event()
    some = [spawn(waits, who, e) for who in "abc"]
    sleep(0)
    some[1].kill()
    e.set()
    gevent.joinall(some)
    log("main", "joined")


@script("2.3 event.Event")
def event_waiter_kills_the_next():
    e = Event()

    def killer():
        waits("a", e)
        b.kill(block=False)

    def victim():
        waits("b", e)
        attempt("b", sleep, 10)

    spawn(killer)
    b = spawn(victim)
    sleep(0)
    e.set()
    b.join()


@script("2.3 event.Event")
def event_set_twice():
    e = Event()
    spawn(waits, "a", e)
    sleep(0)
    e.set()
    e.set()
    sleep(0)
    e.clear()
    waits("main", e, T)


@script("2.3 event.Event")
def event_in_a_foreign_timeout():
    e = Event()
    timeout = gevent.Timeout.start_new(T)
    attempt("main", e.wait, 5 * T)
    timeout.close()


@script("2.3 event.Event")
def event_links_and_waiters():
    e = Event()
    e.rawlink(lambda _: log("link", "told"))
    spawn(waits, "a", e)
    sleep(0)
    e.set()
    log("main", "has set it")
    sleep(0)


def gets(who, box, timeout=None):
    value = attempt(who, box.get, timeout=timeout)
    if value is not None:
        log(who, value)


@script("2.3 event.AsyncResult")
def box_wakes_all_in_order():
    box = AsyncResult()
    for who in "abc":
        spawn(gets, who, box)
    sleep(0)
    box.set("value")
    log("main", "has set it")
    sleep(0)
    gets("main", box)


@script("2.3 event.AsyncResult")
def box_with_an_error():
    box = AsyncResult()
    spawn(gets, "a", box)
    sleep(0)
    box.set_exception(Boom())
    gets("main", box)
    log("main", "successful: " + yes(box.successful()))
    sleep(0)


@script("2.3 event.AsyncResult")
def box_get_and_wait_time_out():
    box = AsyncResult()
    gets("main", box, T)
    log("main", "ready: " + yes(box.ready()))
    log("main", "waited: " + yes(box.wait(timeout=T)))
    box.set("value")
    log("main", "waited: " + yes(box.wait(timeout=T)))


@script("2.3 event.AsyncResult")
def box_set_twice():
    box = AsyncResult()
    box.set("first")
    gets("main", box)
    box.set("second")
    gets("main", box)


@script("2.3 event.AsyncResult")
def box_error_then_value():
    box = AsyncResult()
    box.set_exception(Boom())
    gets("main", box)
    box.set("value")
    gets("main", box)


@script("2.3 event.AsyncResult")
def box_linked_to_a_greenlet():
    good, bad = AsyncResult(), AsyncResult()
    spawn(lambda: "value").link(good)
    spawn(fails, "g").link(bad)
    gets("main", good)
    gets("main", bad)


@script("2.3 event.AsyncResult")
def box_that_is_ready_does_not_switch():
    box = AsyncResult()
    box.set("value")
    spawn(log, "other", "runs")
    gets("main", box)
    log("main", "without waiting: " + str(box.get_nowait()))
    sleep(0)


@script("2.3 event.AsyncResult")
def box_getter_is_killed():
    box = AsyncResult()
    a, b = spawn(gets, "a", box), spawn(gets, "b", box)
    sleep(0)
    a.kill()
    box.set("value")
    b.join()
