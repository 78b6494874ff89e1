"""The hub, what ends its loop, and what keeps it going."""
import gevent
from gevent import getcurrent, get_hub, sleep, spawn

from script import T, attempt, log, naps, script, ticks, unstarted, yes


@script("2.1 Hub")
def hub_is_the_parent():
    def child():
        log("child", "its parent is the hub: "
            + yes(getcurrent().parent is get_hub()))

    spawn(child).join()
    log("main", "it is the hub's parent: "
        + yes(get_hub().parent is getcurrent()))


@script("2.1 Hub")
def hub_goes_on_after_an_end():
    def short(who):
        log(who, "ends")

    for who in "abc":
        spawn(short, who)
    spawn(ticks, "d", 2)
    log("main", "waits")
    sleep(0)
    log("main", "back")
    sleep(0)
    sleep(0)


@script("2.1 Blocking inside the hub")
def blocking_in_a_callback():
    loop = get_hub().loop
    loop.run_callback(lambda: attempt("sleep", sleep, T))
    loop.run_callback(lambda: attempt("yield", sleep, 0))
    loop.run_callback(lambda: attempt("join", unstarted().join))
    loop.run_callback(log, "next", "called")
    sleep(T)
    log("main", "awake")


@script("2.1 LoopExit")
def loop_exit_in_main():
    nobody = unstarted()
    attempt("first", nobody.join)
    attempt("again", nobody.join)
    naps("sleep", T)
    attempt("later", nobody.join)


@script("2.1 LoopExit")
def loop_exit_is_not_for_the_stuck():
    nobody = unstarted()

    def stuck():
        nobody.join()
        log("stuck", "came back")

    g = spawn(stuck)
    attempt("main", g.join)
    log("main", "it is dead: " + yes(g.dead))
    nobody.start()
    g.join()
    log("main", "it is dead: " + yes(g.dead))


@script("2.1 LoopExit")
def loop_exit_comes_after_all_timers():
    nobody = unstarted()
    for i in (2, 1):
        spawn(naps, "g%d" % i, i * T)
    attempt("main", nobody.join)


@script("2.1 ref counting of watchers")
def unreferenced_sleep_alone():
    attempt("main", sleep, 100 * T, ref=False)
    naps("main", T)


@script("2.1 ref counting of watchers")
def unreferenced_sleep_beside_another():
    spawn(naps, "g", 2 * T)
    attempt("first", sleep, T, ref=False)
    attempt("second", sleep, 100 * T, ref=False)


@script("2.1 ref counting of watchers")
def callbacks_keep_the_loop():
    loop = get_hub().loop
    nobody = unstarted()
    loop.run_callback(log, "a", "called")
    loop.run_callback(lambda: loop.run_callback(log, "b", "called"))
    attempt("main", nobody.join)


@script("2.1 Hub.join / wait() without objects")
def drain_waits_for_all():
    spawn(naps, "a", 2 * T)
    spawn(naps, "b", T)
    spawn(ticks, "c", 2)
    log("main", "dry: " + yes(get_hub().join()))
    log("main", "dry: " + yes(get_hub().join()))


@script("2.1 Hub.join / wait() without objects")
def drain_may_time_out():
    g = spawn(naps, "a", 4 * T)
    log("main", "dry: " + yes(get_hub().join(timeout=T)))
    log("main", "dry: " + yes(gevent.wait(timeout=T)))
    g.kill()
    log("main", "dry: " + yes(gevent.wait(timeout=T)))


@script("2.1 Hub.join / wait() without objects")
def drain_is_for_main():
    g = spawn(lambda: attempt("g", get_hub().join))
    g.join()


@script("2.1 Hub.join / wait() without objects")
def drain_leaves_the_stuck():
    g = spawn(unstarted().join)
    log("main", "dry: " + yes(get_hub().join()))
    log("main", "it is dead: " + yes(g.dead))
    g.kill()
    log("main", "it is dead: " + yes(g.dead))
