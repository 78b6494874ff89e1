"""States, results, get and join."""
import gevent
from gevent import get_hub, getcurrent, sleep, spawn, spawn_later

from script import T, attempt, fails, log, naps, script, ticks, word, yes


def state(who, g):
    words = [name for name, value in (
        ("active", bool(g)), ("dead", g.dead), ("ready", g.ready()),
        ("successful", g.successful())) if value]
    log(who, ", ".join(words) or "nothing yet")


@script("2.2 states")
def states_of_one_that_returns():
    g = gevent.Greenlet(lambda: state("inside", getcurrent()))
    state("made", g)
    g.start()
    g.join()
    state("ended", g)


@script("2.2 states")
def states_of_one_that_waits():
    g = spawn(naps, "g", T)
    sleep(0)
    state("waits", g)
    g.join()
    state("ended", g)


@script("2.2 states")
def states_of_one_that_fails():
    g = spawn(fails, "g")
    g.join()
    state("failed", g)


@script("2.2 states")
def states_of_one_that_was_killed():
    g = spawn(naps, "g", 10)
    sleep(0)
    g.kill(block=False)
    state("killed", g)
    sleep(0)
    state("later", g)


@script("2.2 states")
def states_of_one_that_never_began():
    g = spawn(log, "g", "runs")
    g.kill(block=False)
    state("killed", g)
    sleep(0)
    state("later", g)


@script("2.2 spawn, spawn_later, start, start_later")
def second_start_is_ignored():
    g = gevent.Greenlet(log, "g", "runs")
    g.start()
    g.start()
    spawn(log, "h", "runs")
    g.join()
    g.start()
    sleep(0)
    log("main", "back")


@script("2.2 spawn, spawn_later, start, start_later")
def spawned_later_among_sleepers():
    spawn_later(3 * T, log, "c", "runs")
    spawn_later(T, log, "a", "runs")
    spawn(naps, "b", 2 * T)
    get_hub().join()


@script("2.2 spawn, spawn_later, start, start_later")
def spawned_later_and_killed():
    g = spawn_later(T, log, "g", "runs")
    g.rawlink(lambda _: log("link", "told"))
    g.kill()
    log("main", "it is dead: " + yes(g.dead))
    sleep(2 * T)
    log("main", "back")


@script("2.2 spawn, spawn_later, start, start_later")
def started_by_another():
    g = gevent.Greenlet(log, "g", "runs")

    def starts():
        log("a", "starts it")
        g.start()
        log("a", "has started it")

    spawn(starts)
    spawn(log, "b", "runs")
    g.join()
    log("main", "joined")


@script("2.2 result")
def value_for_all_who_ask():
    g = spawn(lambda: "value")

    def asks(who):
        log(who, g.get())

    spawn(asks, "a")
    spawn(asks, "b")
    log("main", g.get())
    log("main", g.get())
    sleep(0)


@script("2.2 result")
def exit_is_a_success():
    g = spawn(naps, "g", 10)
    sleep(0)
    g.kill()
    log("main", "successful: " + yes(g.successful()))
    attempt("main", g.get)
    log("main", "its value is an exit: "
        + yes(isinstance(g.value, gevent.GreenletExit)))


@script("2.2 result")
def failure_is_kept():
    g = spawn(fails, "g")
    attempt("main", g.get)
    log("main", "successful: " + yes(g.successful()))
    log("main", "kept: " + word(g.exception))
    attempt("main", g.get)


@script("2.2 get(block, timeout)")
def get_may_time_out():
    def body():
        sleep(3 * T)
        return "value"

    g = spawn(body)
    attempt("main", g.get, timeout=T)
    log("main", "ready: " + yes(g.ready()))
    log("main", g.get())


@script("2.2 get(block, timeout)")
def get_of_an_ended_one_does_not_switch():
    g = spawn(lambda: "value")
    g.join()
    spawn(log, "h", "runs")
    log("main", g.get(timeout=0))
    sleep(0)


@script("2.2 join(timeout)")
def join_swallows_its_own_timeout():
    g = spawn(naps, "g", 3 * T)
    attempt("main", g.join, timeout=T)
    log("main", "ready: " + yes(g.ready()))
    attempt("main", g.join)


@script("2.2 join(timeout)")
def join_raises_a_foreign_timeout():
    g = spawn(naps, "g", 4 * T)
    timeout = gevent.Timeout.start_new(T)
    attempt("main", g.join, timeout=2 * T)
    timeout.close()
    log("main", "ready: " + yes(g.ready()))
    g.kill()


@script("2.2 join(timeout)")
def joiners_wake_in_order():
    g = gevent.Greenlet(log, "g", "ends")

    def joins(who):
        g.join()
        log(who, "joined")

    for who in "abc":
        spawn(joins, who)
    sleep(0)
    g.start()
    spawn(ticks, "other", 2)
    g.join()
    log("main", "joined")


@script("2.2 join(timeout)")
def join_of_an_ended_one_does_not_switch():
    g = spawn(log, "g", "ends")
    g.join()
    spawn(log, "h", "runs")
    g.join()
    log("main", "joined")
    sleep(0)


@script("2.2 join(timeout)")
def one_joiner_is_killed():
    g = spawn(naps, "g", T)

    def joins(who):
        attempt(who, g.join)

    a, _, c = spawn(joins, "a"), spawn(joins, "b"), spawn(joins, "c")
    sleep(0)
    a.kill()
    log("main", "killed a")
    c.join()
