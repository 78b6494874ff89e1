"""kill, killall: when the exit arrives, and who waits for it."""
import gevent
from gevent import GreenletExit, get_hub, getcurrent, killall, sleep, spawn

from script import T, Boom, attempt, log, naps, script, ticks, word, yes


def stays(who, seconds=10):
    """Sleep and say how that ended."""
    try:
        sleep(seconds)
    except BaseException as error:
        log(who, word(error))
        raise
    log(who, "slept")


def cleans_up(who, hops):
    try:
        sleep(10)
    finally:
        log(who, "cleans up")
        for _ in range(hops):
            sleep(0)
        log(who, "is clean")


@script("2.2 kill(exception, block=True, timeout)")
def kill_comes_when_the_killer_waits():
    g = spawn(stays, "g")
    sleep(0)
    g.kill(block=False)
    log("main", "has killed it")
    sleep(0)
    log("main", "back")


@script("2.2 kill(exception, block=True, timeout)")
def kill_goes_behind_who_is_ready():
    g = spawn(stays, "g")
    spawn(ticks, "a", 2)
    sleep(0)
    spawn(log, "b", "runs")
    g.kill(block=False)
    spawn(log, "c", "runs")
    sleep(0)
    sleep(0)


@script("2.2 kill(exception, block=True, timeout)")
def kill_waits_for_the_end():
    g = spawn(cleans_up, "g", 3)
    spawn(ticks, "other", 4)
    sleep(0)
    g.kill()
    log("main", "it is dead: " + yes(g.dead))


@script("2.2 kill(exception, block=True, timeout)")
def kill_before_it_runs():
    g = spawn(log, "g", "runs")
    g.rawlink(lambda _: log("link", "told"))
    g.kill()
    log("main", "it is dead: " + yes(g.dead))
    sleep(0)
    log("main", "back")


@script("2.2 kill(exception, block=True, timeout)")
def kill_before_it_is_started():
    g = gevent.Greenlet(log, "g", "runs")
    g.kill()
    log("main", "it is dead: " + yes(g.dead))
    g.start()
    sleep(0)
    attempt("main", g.get)


@script("2.2 kill(exception, block=True, timeout)")
def kill_times_out_in_silence():
    g = spawn(refuses, "g")
    sleep(0)
    attempt("main", g.kill, timeout=T)
    log("main", "it is dead: " + yes(g.dead))
    g.join()
    log("main", "it is dead: " + yes(g.dead))


def refuses(who):
    """Shielded: the exit does not end what it does."""
    try:
        sleep(10)
    except GreenletExit:
        log(who, "is told")
    sleep(3 * T)
    log(who, "ends")


@script("2.2 kill(exception, block=True, timeout)")
def kill_with_another_error():
    g = spawn(stays, "g")
    sleep(0)
    g.kill(Boom)
    log("main", "successful: " + yes(g.successful()))
    attempt("main", g.get)


@script("2.2 kill(exception, block=True, timeout)")
def kill_with_another_error_before_it_runs():
    g = spawn(log, "g", "runs")
    g.kill(Boom)
    log("main", "successful: " + yes(g.successful()))
    attempt("main", g.get)


@script("2.2 kill(exception, block=True, timeout)")
def kill_of_one_whose_wait_is_over():
    """It was ready, and ends before the exit arrives."""
    started = gevent.Greenlet(log, "first", "ends")

    def joins():
        started.join()
        log("g", "goes on")

    g = spawn(joins)
    sleep(0)
    started.start()
    started.join()
    g.kill(block=False)
    log("main", "has killed it")
    g.join()
    log("main", "successful: " + yes(g.successful()))


@script("2.2 kill(exception, block=True, timeout)")
def kill_of_one_that_yields():
    g = spawn(lambda: (log("g", "yields"), attempt("g", sleep, 0)))
    sleep(0)
    g.kill(block=False)
    log("main", "has killed it")
    g.join()


@script("2.2 kill(exception, block=True, timeout)")
def kill_oneself():
    def body():
        log("g", "kills itself")
        try:
            getcurrent().kill()
            sleep(0)
        except GreenletExit as error:
            log("g", word(error))
            raise
        log("g", "goes on")

    g = spawn(body)
    g.join()
    log("main", "successful: " + yes(g.successful()))


@script("2.2 kill(exception, block=True, timeout)")
def kill_of_an_ended_one():
    g = spawn(log, "g", "ends")
    g.join()
    spawn(log, "h", "runs")
    g.kill()
    log("main", "back")
    sleep(0)


@script("2.2 kill(exception, block=True, timeout)")
def kills_arrive_in_order():
    a, b, c = [spawn(stays, who) for who in "abc"]
    sleep(0)
    for g in (c, a, b):
        g.kill(block=False)
    get_hub().join()


@script("2.2 kill(exception, block=True, timeout)")
def killed_joiner_leaves_the_other():
    g = spawn(naps, "g", 2 * T)
    a = spawn(lambda: attempt("a", g.join))
    sleep(0)
    a.kill()
    log("main", "a is dead: " + yes(a.dead))
    log("main", "g is dead: " + yes(g.dead))
    g.join()


@script("2.2 killall(list, exception, block, timeout)")
def killall_ends_all():
    some = [spawn(stays, who) for who in "abc"]
    sleep(0)
    killall(some)
    log("main", "all dead: " + yes(all(g.dead for g in some)))


@script("2.2 killall(list, exception, block, timeout)")
def killall_stops_those_that_have_not_begun():
    a = spawn(stays, "a")
    sleep(0)
    b = spawn(log, "b", "runs")
    spawn(log, "other", "runs")
    killall([a, b])
    log("main", "all dead: " + yes(a.dead and b.dead))


@script("2.2 killall(list, exception, block, timeout)")
def killall_without_waiting():
    some = [spawn(stays, who) for who in "ab"]
    sleep(0)
    killall(some, block=False)
    log("main", "has killed them")
    sleep(0)
    log("main", "back")


@script("2.2 killall(list, exception, block, timeout)")
def killall_may_time_out():
    some = [spawn(refuses, "a"), spawn(stays, "b")]
    sleep(0)
    attempt("main", killall, some, timeout=T)
    log("main", "a is dead: " + yes(some[0].dead))
    gevent.joinall(some)


@script("2.2 killall(list, exception, block, timeout)")
def killall_with_another_error():
    some = [spawn(stays, who) for who in "ab"]
    sleep(0)
    killall(some, Boom)
    for g in some:
        attempt("main", g.get)
