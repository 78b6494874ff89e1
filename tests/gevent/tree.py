"""Scope-bound greenlets, names, ids, who spawned whom."""
import gevent
from gevent import getcurrent, sleep, spawn

from script import T, Boom, log, naps, quiet, script, word, yes


@script("2.2 context manager")
def leaving_a_block_joins():
    with spawn(naps, "g", T):
        log("main", "in the block")
    log("main", "has left")


@script("2.2 context manager")
def failing_in_a_block_kills():
    quiet()

    def body():
        try:
            sleep(10)
        finally:
            log("g", "killed")

    try:
        with spawn(body):
            sleep(0)
            log("main", "fails")
            raise Boom
    except Boom as error:
        log("main", word(error))


@script("2.2 names and ids")
def ids_are_the_smallest_free():
    def body():
        sleep(0)

    a, b = spawn(body), spawn(body)
    first, second = a.minimal_ident, b.minimal_ident
    log("main", "they differ by %d" % (second - first))
    gevent.joinall([a, b])
    del a
    c = spawn(body)
    log("main", "the first is used again: " + yes(c.minimal_ident == first))
    c.join()


@script("2.2 names and ids")
def names():
    def body():
        pass

    g = spawn(body)
    log("main", "by default: "
        + yes(g.name == "Greenlet-%d" % g.minimal_ident))
    g.name = "Alice"
    g.join()
    log("main", g.name)


@script("2.2 spawn tree")
def who_spawned_whom():
    def inner():
        log("inner", "spawned by outer: "
            + yes(getcurrent().spawning_greenlet() is outer))

    def body():
        spawn(inner).join()

    outer = spawn(body)
    outer.join()
    log("main", "outer was spawned by main: "
        + yes(outer.spawning_greenlet() is getcurrent()))


@script("2.2 spawn callbacks")
def told_of_each_spawn():
    def told(g):
        log("callback", "it runs already: " + yes(g.gr_frame is not None))

    gevent.Greenlet.add_spawn_callback(told)
    g = spawn(log, "g", "runs")
    log("main", "has spawned")
    g.join()
    gevent.Greenlet.remove_spawn_callback(told)
    spawn(log, "h", "runs").join()
