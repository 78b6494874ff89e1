"""Links, and waits for several: joinall, wait, iwait."""
import gevent
from gevent import getcurrent, get_hub, iwait, joinall, sleep, spawn, wait
from gevent.event import Event

from script import T, Boom, attempt, fails, log, naps, script, ticks, word, yes

LINKS = "2.2 rawlink / link / link_value / link_exception / unlink(_all)"


def tells(who):
    return lambda _: log(who, "told")


@script(LINKS)
def links_are_told_in_order():
    g = spawn(log, "g", "ends")
    for who in "abc":
        g.rawlink(tells(who))
    g.join()
    log("main", "joined")


@script(LINKS)
def raw_links_run_in_the_hub():
    g = spawn(log, "g", "ends")
    g.rawlink(lambda _: log("link", "runs in the hub: "
                            + yes(getcurrent() is get_hub())))
    g.link(lambda _: log("link", "runs in the hub: "
                         + yes(getcurrent() is get_hub())))
    g.join()
    sleep(0)


@script(LINKS)
def late_link_is_told_later():
    g = spawn(log, "g", "ends")
    g.join()
    g.rawlink(tells("late"))
    log("main", "has linked")
    sleep(0)
    log("main", "back")


@script(LINKS)
def links_and_joiners_in_one_order():
    g = spawn(naps, "g", T)

    def joins(who):
        g.join()
        log(who, "joined")

    g.rawlink(tells("link 1"))
    spawn(joins, "joiner")
    sleep(0)
    g.rawlink(tells("link 2"))
    g.join()
    log("main", "joined")


@script(LINKS)
def links_for_values_and_failures():
    def good():
        return "value"

    for who, body, args in (("good", good, ()), ("bad", fails, ("bad",))):
        g = spawn(body, *args)
        g.link_value(tells(who + ", value"))
        g.link_exception(tells(who + ", failure"))
        g.link(tells(who + ", both"))
        g.join()
        sleep(0)


@script(LINKS)
def link_of_a_killed_one_is_for_values():
    g = spawn(naps, "g", 10)
    sleep(0)
    g.link_value(tells("value"))
    g.link_exception(tells("failure"))
    g.kill()
    sleep(0)


@script(LINKS)
def unlinked_is_not_told():
    g = spawn(log, "g", "ends")
    a, b = tells("a"), tells("b")
    g.rawlink(a)
    g.rawlink(b)
    g.unlink(a)
    g.join()
    sleep(0)


@script(LINKS)
def link_unlinked_by_another():
    g = spawn(log, "g", "ends")
    b = tells("b")

    def a(_):
        log("a", "unlinks b")
        g.unlink(b)

    g.rawlink(a)
    g.rawlink(b)
    g.rawlink(tells("c"))
    g.join()
    sleep(0)


@script(LINKS)
def links_may_spawn():
    g = spawn(log, "g", "ends")
    g.rawlink(lambda _: spawn(log, "spawned", "runs"))
    g.rawlink(tells("b"))
    g.join()
    log("main", "joined")
    sleep(0)


@script("2.2 joinall(timeout, raise_error, count)")
def joinall_in_finishing_order():
    some = [spawn(naps, who, n * T) for who, n in (("a", 3), ("b", 1),
                                                   ("c", 2))]
    done = joinall(some)
    log("main", "finished: " + " ".join("abc"[some.index(g)] for g in done))


@script("2.2 joinall(timeout, raise_error, count)")
def joinall_of_ended_ones():
    some = [spawn(log, who, "ends") for who in "ab"]
    sleep(0)
    spawn(log, "other", "runs")
    log("main", len(joinall(some)))
    log("main", len(joinall([])))


@script("2.2 joinall(timeout, raise_error, count)")
def joinall_may_time_out():
    some = [spawn(naps, "a", T), spawn(naps, "b", 5 * T)]
    log("main", len(joinall(some, timeout=2 * T)))
    some[1].kill()


@script("2.2 joinall(timeout, raise_error, count)")
def joinall_of_so_many():
    some = [spawn(naps, who, n * T) for who, n in (("a", 3), ("b", 1),
                                                   ("c", 2))]
    log("main", len(joinall(some, count=2)))
    log("main", len(joinall(some)))


@script("2.2 joinall(timeout, raise_error, count)")
def joinall_raises_the_first_failure():
    def later():
        sleep(T)
        fails("a")

    some = [spawn(later), spawn(naps, "b", 3 * T)]
    attempt("main", joinall, some, raise_error=True)
    log("main", "b is dead: " + yes(some[1].dead))
    some[1].join()


@script("2.2 wait/iwait(objects, timeout, count)")
def wait_in_the_order_of_readiness():
    e = Event()
    g = spawn(naps, "g", 2 * T)
    spawn(lambda: (sleep(T), log("setter", "sets"), e.set()))
    names = {e: "event", g: "greenlet"}
    log("main", " ".join(names[o] for o in wait([g, e])))


@script("2.2 wait/iwait(objects, timeout, count)")
def wait_for_one_of_them():
    some = [spawn(naps, "a", 6 * T), spawn(naps, "b", T)]
    done = wait(some, count=1)
    log("main", "first: " + "ab"[some.index(done[0])])
    log("main", len(wait(some, timeout=0.1 * T)))
    log("main", len(wait(some)))


@script("2.2 wait/iwait(objects, timeout, count)")
def iwait_yields_them_as_they_end():
    some = [spawn(naps, "a", 2 * T), spawn(naps, "b", T),
            spawn(naps, "c", 3 * T)]
    with iwait(some) as ended:
        for g in ended:
            log("main", "has " + "abc"[some.index(g)])


@script("2.2 wait/iwait(objects, timeout, count)")
def iwait_ends_by_its_timeout():
    some = [spawn(naps, "a", T), spawn(naps, "b", 9 * T)]
    with iwait(some, timeout=3 * T) as ended:
        for g in ended:
            log("main", "has " + "ab"[some.index(g)])
    log("main", "no more")
    some[1].kill()


@script("2.2 wait/iwait(objects, timeout, count)")
def iwait_left_in_the_middle():
    some = [spawn(naps, "a", T), spawn(naps, "b", 2 * T)]
    with iwait(some) as ended:
        for g in ended:
            log("main", "has " + "ab"[some.index(g)])
            break
    log("main", "has left")
    some[1].join()


@script("2.2 wait/iwait(objects, timeout, count)")
def iwait_of_those_that_end_together():
    some = [spawn(ticks, who, n) for who, n in (("a", 2), ("b", 1),
                                                ("c", 2))]
    with iwait(some) as ended:
        for g in ended:
            log("main", "has " + "abc"[some.index(g)])
