"""Callbacks, zero sleeps, timers, and the order in which spawned ones begin."""
import threading
import time

import gevent
from gevent import get_hub, getcurrent, idle, sleep, spawn, spawn_raw

from script import T, log, naps, script, ticks, yes


@script("2.1 Callback queue (`run_callback`)")
def callbacks_and_greenlets_take_turns():
    loop = get_hub().loop
    loop.run_callback(log, "callback", "a")
    spawn(log, "greenlet", "b")
    loop.run_callback(log, "callback", "c")
    spawn(log, "greenlet", "d")
    sleep(0)
    log("main", "back")


@script("2.1 Callback queue (`run_callback`)")
def callback_queued_by_a_callback():
    loop = get_hub().loop

    def first():
        log("callback", "first")
        loop.run_callback(log, "callback", "of the first")

    loop.run_callback(first)
    loop.run_callback(log, "callback", "second")
    spawn(ticks, "g", 3)
    sleep(0)
    log("main", "back")
    sleep(0)
    sleep(0)
    sleep(0)


@script("2.1 Callback queue (`run_callback`)")
def callbacks_before_a_zero_timer():
    loop = get_hub().loop

    def chain(left):
        log("callback", left)
        if left:
            loop.run_callback(chain, left - 1)

    spawn(naps, "timer", 0.000001)
    sleep(0)
    loop.run_callback(chain, 3)
    sleep(T)


@script("2.1 Callback queue (`run_callback`)")
def callback_canceled():
    loop = get_hub().loop
    loop.run_callback(log, "callback", "a")
    b = loop.run_callback(log, "callback", "b")
    loop.run_callback(log, "callback", "c")
    b.stop()
    sleep(0)


@script("2.1 Callback queue (`run_callback`)")
def spinners_let_timers_fire():
    done = []

    def spins():
        while not done:
            time.sleep(0.001)
            sleep(0)
        log("spinner", "saw it")

    def timer():
        sleep(T)
        log("timer", "fires")
        done.append(True)

    gevent.joinall([spawn(spins), spawn(timer)])


@script("2.1 Callback queue (`run_callback`)")
def callback_switches():
    """A callback may switch to a greenlet, which comes back to the loop."""
    me = getcurrent()
    loop = get_hub().loop
    loop.run_callback(me.switch)
    loop.run_callback(log, "callback", "behind it")
    get_hub().switch()
    log("main", "back")
    sleep(0)


@script("2.1 `run_callback_threadsafe`")
def callback_from_a_thread():
    loop = get_hub().loop

    def other():
        loop.run_callback_threadsafe(log, "callback", "a")
        loop.run_callback_threadsafe(log, "callback", "b")

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    log("main", "has joined")
    sleep(2 * T)
    log("main", "awake")


@script("2.1 `run_callback_threadsafe`")
def callback_from_a_thread_wakes_the_loop():
    loop = get_hub().loop

    def sleeper():
        try:
            sleep(100)
        finally:
            log("g", "killed")

    g = spawn(sleeper)
    thread = threading.Thread(target=lambda: (
        time.sleep(T),
        loop.run_callback_threadsafe(lambda: g.kill(block=False))))
    thread.start()
    g.join()
    log("main", "joined")
    thread.join()


@script("2.1 sleep(0) vs sleep(s)")
def zero_sleeps_take_turns():
    for who in "abc":
        spawn(ticks, who, 3)
    ticks("main", 4)


@script("2.1 sleep(0) vs sleep(s)")
def zero_sleep_goes_behind_all():
    def other():
        log("a", "runs")
        spawn(log, "b", "runs")
        sleep(0)
        log("a", "again")

    spawn(other)
    sleep(0)
    log("main", "first")
    sleep(0)
    log("main", "second")


@script("2.1 sleep(0) vs sleep(s)")
def negative_sleep_yields():
    spawn(log, "g", "runs")
    sleep(-1)
    log("main", "back")


@script("2.1 sleep(0) vs sleep(s)")
def sleep_lets_zero_sleeps_run_first():
    spawn(ticks, "g", 3)
    sleep(0.00001)
    log("main", "awake")


@script("2.1 sleep(0) vs sleep(s)")
def sleepers_wake_by_deadline():
    for n in (5, 1, 4, 2, 3):
        spawn(naps, "after %d" % n, n * T)
    get_hub().join()


@script("2.1 sleep(0) vs sleep(s)")
def sleep_counts_from_its_call():
    spawn(naps, "a", 2 * T)
    sleep(0)
    time.sleep(2 * T)
    spawn(naps, "b", T)
    sleep(2 * T)
    log("main", "awake")


@script("2.1 sleep(0) vs sleep(s)")
def due_sleepers_run_before_what_they_start():
    """Both are due when the loop looks: what the first starts comes after."""
    def first():
        sleep(T)
        log("a", "awake")
        spawn(log, "c", "runs")

    spawn(first)
    sleep(0)
    spawn(naps, "b", 1.5 * T)
    sleep(0)
    time.sleep(3 * T)
    get_hub().join()


@script("2.1 idle(priority)")
def idle_comes_last():
    spawn(ticks, "g", 5)
    idle()
    log("main", "idle")


@script("2.1 idle(priority)")
def idle_by_priority():
    def waits(who, priority):
        idle(priority)
        log(who, "idle")

    spawn(waits, "low", -1)
    spawn(waits, "high", 1)
    spawn(waits, "middle", 0)
    spawn(ticks, "g", 2)
    get_hub().join()


@script("2.1 spawn order")
def spawned_run_when_the_spawner_waits():
    for who in "abc":
        spawn(log, who, "runs")
    log("main", "has spawned")
    sleep(0)
    log("main", "back")


@script("2.1 spawn order")
def spawned_by_a_running_one_comes_last():
    def outer(who):
        log(who, "runs")
        spawn(log, who + "'s child", "runs")

    for who in "abc":
        spawn(outer, who)
    sleep(0)
    log("main", "back")
    sleep(0)


@script("2.1 spawn order")
def spawn_between_a_wake_and_its_run():
    def sleeper():
        sleep(0)
        log("sleeper", "back")

    spawn(sleeper)
    sleep(0)
    spawn(log, "new", "runs")
    sleep(0)
    log("main", "back")


@script("2.1 spawn_raw")
def raw_greenlets_run_in_turn():
    def body(who):
        log(who, "its parent is the hub: "
            + yes(getcurrent().parent is get_hub()))
        sleep(0)
        log(who, "again")

    a = spawn_raw(body, "a")
    spawn(ticks, "b", 2)
    spawn_raw(body, "c")
    sleep(0)
    log("main", "it is dead: " + yes(a.dead))
    sleep(0)
    log("main", "it is dead: " + yes(a.dead))
