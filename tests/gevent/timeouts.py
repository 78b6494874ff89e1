"""Timeouts: nested, of zero, of several greenlets."""
import gevent
from gevent import Timeout, get_hub, sleep, spawn, with_timeout

from script import T, attempt, log, naps, script, ticks, unstarted, word, yes


@script("2.3 timeout")
def timeout_ends_a_sleep():
    timeout = Timeout.start_new(T)
    attempt("main", sleep, 10)
    timeout.close()
    naps("main", T)


@script("2.3 timeout")
def timeout_that_does_not_come():
    with Timeout(5 * T) as timeout:
        naps("main", T)
        log("main", "pending: " + yes(timeout.pending))
    log("main", "pending: " + yes(timeout.pending))
    naps("main", T)


@script("2.3 timeout")
def timeout_of_none_never_fires():
    with Timeout(None) as timeout:
        log("main", "pending: " + yes(timeout.pending))
        naps("main", T)
        attempt("main", unstarted().join)


@script("2.3 timeout")
def timeout_of_zero_and_a_zero_sleep():
    with Timeout(0):
        attempt("main", sleep, 0)
    log("main", "left")
    timeout = Timeout.start_new(0)
    attempt("main", sleep, T)
    timeout.close()


@script("2.3 timeout")
def timeout_of_zero_lets_others_run():
    spawn(ticks, "g", 2)
    timeout = Timeout.start_new(0)
    attempt("main", sleep, 10)
    timeout.close()


@script("2.3 timeout")
def timeout_that_swallows_its_own():
    with Timeout(T, False):
        sleep(10)
        log("main", "not reached")
    log("main", "left")
    try:
        with Timeout(T):
            with Timeout(5 * T, False):
                sleep(10)
            log("main", "not reached")
    except Timeout as error:
        log("main", word(error))


def nested(outer_time, inner_time):
    outer = Timeout.start_new(outer_time)
    inner = Timeout.start_new(inner_time)
    try:
        sleep(10)
    except Timeout as error:
        log("main", "it was the %s" % ("outer" if error is outer else "inner"))
    inner.close()
    outer.close()


@script("2.3 timeout")
def nested_outer_is_earlier():
    nested(T, 5 * T)


@script("2.3 timeout")
def nested_inner_is_earlier():
    nested(5 * T, T)


@script("2.3 timeout")
def nested_inner_then_outer():
    outer = Timeout.start_new(3 * T)
    try:
        with Timeout(T):
            sleep(10)
    except Timeout as error:
        log("main", "it was the %s" % ("outer" if error is outer else "inner"))
    try:
        sleep(10)
    except Timeout as error:
        log("main", "it was the %s" % ("outer" if error is outer else "inner"))
    outer.close()


@script("2.3 timeout")
def timeout_canceled():
    timeout = Timeout.start_new(T)
    timeout.cancel()
    log("main", "pending: " + yes(timeout.pending))
    naps("main", 3 * T)
    timeout.close()


@script("2.3 timeout")
def timeouts_of_several():
    def body(who, seconds):
        with Timeout(seconds):
            try:
                sleep(10)
            except Timeout as error:
                log(who, word(error))

    for who, n in (("a", 3), ("b", 1), ("c", 2)):
        spawn(body, who, n * T)
    get_hub().join()


@script("2.3 timeout")
def timeout_of_a_greenlet_that_fails_by_it():
    def body():
        with Timeout(T):
            sleep(10)

    g = spawn(body)
    g.join()
    log("main", "successful: " + yes(g.successful()))
    attempt("main", g.get)


@script("2.3 timeout")
def timeout_of_a_call():
    log("main", with_timeout(5 * T, lambda: "value", timeout_value="late"))
    log("main", with_timeout(T, sleep, 10, timeout_value="late"))
    attempt("main", with_timeout, T, sleep, 10)


@script("2.3 timeout")
def timeout_and_kill():
    """The kill ends the wait first; the deadline does not come after it."""
    def body():
        with Timeout(2 * T):
            try:
                sleep(10)
            except BaseException as error:
                log("g", word(error))
                raise

    g = spawn(body)
    sleep(T)
    g.kill()
    log("main", "successful: " + yes(g.successful()))
    naps("main", 2 * T)
