"""Values of a greenlet, context variables, the thread pool."""
import contextvars
import time

import gevent
from gevent import get_hub, sleep, spawn
from gevent.local import local
from gevent.threadpool import ThreadPool

from script import T, Boom, attempt, log, naps, script, word, yes


@script("2.3 local")
def values_of_each_greenlet():
    mine = local()

    def body(who):
        log(who, "has one: " + yes(hasattr(mine, "value")))
        mine.value = who
        sleep(0)
        log(who, mine.value)

    mine.value = "main"
    for who in "ab":
        spawn(body, who)
    sleep(0)
    sleep(0)
    log("main", mine.value)


@script("2.3 local")
def values_go_with_their_greenlet():
    class Noisy:
        def __del__(self):
            log("value", "freed")

    mine = local()

    def body():
        mine.value = Noisy()
        sleep(0)
        log("g", "ends")

    g = spawn(body)
    g.join()
    del g
    sleep(0)
    log("main", "back")


@script("2.3 contextvars")
def context_variables_of_each_greenlet():
    var = contextvars.ContextVar("var", default="nothing")

    def body(who):
        log(who, var.get())
        var.set(who)
        sleep(0)
        log(who, var.get())

    var.set("main")
    for who in "ab":
        spawn(body, who)
    sleep(0)
    sleep(0)
    log("main", var.get())


@script("2.3 threadpool")
def pool_of_threads_lets_others_run():
    p = ThreadPool(1)

    def slow():
        time.sleep(3 * T)
        return "value"

    g = spawn(naps, "g", T)
    log("main", p.apply(slow))
    g.join()
    p.kill()


@script("2.3 threadpool")
def pool_of_threads_raises_at_get():
    p = ThreadPool(1)

    def bad():
        raise Boom

    result = p.spawn(bad)
    attempt("main", result.get)
    p.kill()


@script("2.3 threadpool")
def pool_of_threads_wakes_in_the_order_of_ends():
    p = ThreadPool(2)

    def asks(who, seconds):
        p.apply(time.sleep, (seconds,))
        log(who, "has its result")

    some = [spawn(asks, "a", 3 * T), spawn(asks, "b", T)]
    gevent.joinall(some)
    p.kill()


@script("2.3 threadpool")
def pool_of_threads_spawn_waits_while_busy():
    p = ThreadPool(1)

    def slow():
        time.sleep(2 * T)

    spawn(log, "other", "runs")
    first = p.spawn(slow)
    second = p.spawn(slow)  # gevent takes one more than it has threads for
    log("main", "has spawned two")
    third = p.spawn(slow)
    log("main", "the first has ended: " + yes(first.ready()))
    log("main", "the second has ended: " + yes(second.ready()))
    third.get()
    p.kill()
