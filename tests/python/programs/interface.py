"""Prints what the package shows: names, types, texts of exceptions, forms of repr.
Run on both, it prints the same (test_interface.py has what does not)."""
import copy
import gc
import inspect
import pickle
import re
import sys
import threading
import time
import weakref

import greenlet
import greenlet._greenlet as c

G = greenlet.greenlet
main = greenlet.getcurrent()
NAMES = ("run", "parent", "dead", "gr_frame", "gr_context", "_stack_saved",
         "__dict__", "started", "active")
HAS_VERSION_TAG = 1 << 18 # which CPython has not looked at since 3.10


def say(*words):
    print(re.sub(r"0x[0-9a-f]+|file '[^']*'", "@", " ".join(map(str, words))))


def attempt(label, function, *args, **more):
    try:
        result = function(*args, **more)
    except BaseException as error: # pylint: disable=broad-except
        say(label, "->", type(error), repr(str(error)), repr(error.__cause__))
    else:
        say(label, "->", type(result), repr(result))


class Sub(G):
    pass


class Slots(G):
    __slots__ = "a", "b"


class NoBool:
    def __bool__(self):
        raise ValueError("no bool")


def suspended():
    made = G(lambda: main.switch("suspended"))
    made.switch()
    return made


def dead():
    made = suspended()
    made.switch()
    return made


STATES = (("new", lambda: G(lambda: main.switch("started"))),
          ("suspended", suspended), ("dead", dead), ("main", lambda: main))


def module():
    say(greenlet.__version__, greenlet.__all__)
    for one in greenlet, c:
        for name in sorted(vars(one)):
            if not name.startswith("__"):
                value = getattr(one, name)
                say(one.__name__, name, type(value),
                    bool(getattr(value, "__doc__", None)),
                    getattr(value, "__module__", None))
    for one in G, greenlet.error, greenlet.GreenletExit:
        say(one, one.__mro__, one.__flags__ & ~HAS_VERSION_TAG,
            one.__basicsize__, one.__weakrefoffset__, one.__dictoffset__,
            dir(one))
        for name in sorted(vars(one)):
            value = vars(one)[name]
            say(name, type(value), bool(getattr(value, "__doc__", None)),
                getattr(value, "__text_signature__", None))
    for what in G, G.switch, G.throw, greenlet.getcurrent, greenlet.settrace:
        attempt("signature", inspect.signature, what)


def objects():
    for label, make in STATES:
        g = make()
        say(label, repr(g), str(g), bool(g), sys.getsizeof(g), gc.is_tracked(g))
        for name in NAMES:
            attempt(label + " get " + name, lambda: type(getattr(g, name)))
            attempt(label + " delete " + name, delattr, make(), name)
            for value in None, 3, main, G():
                if (label, name) != ("main", "gr_context"):
                    attempt(label + " set " + name, setattr, make(), name, value)
        attempt(label + " set up again", g.__init__)
        attempt(label + " set up again", g.__init__, int)
        for protocol in range(6):
            attempt(label + " pickle", pickle.dumps, g, protocol)
        for how in copy.copy, copy.deepcopy:
            attempt(label + " copy", how, g)
        for what in iter, len, int, hash, abs:
            attempt(label, lambda what=what: type(what(g)))
        attempt(label, lambda: g())
        attempt(label, lambda: g < g)
    for kind in G, Sub, Slots:
        one = kind()
        one.x = 1
        say(repr(one), sys.getsizeof(one), one.__dict__, weakref.ref(one)() is one)
        attempt("getstate", one.__getstate__)


def making():
    for args in ((1, 2, 3), (None,), (3,), (None, None), (None, 3), (3, main),
                 (main, main)):
        attempt("make", G, *args)
        attempt("make and start", lambda: G(*args).switch())
    for more in ({"x": 3}, {"parent": 3}, {"parent": None}, {"run": 3},
                 {"run": int, "parent": main}):
        attempt("make", G, **more)
    for args in (), (3,), (int,), (G, 1, 2, 3, 4):
        attempt("new", G.__new__, *args)
    attempt("object's new", object.__new__, G)
    for value in Sub, Slots, int:
        attempt("class", setattr, G(), "__class__", value)
    attempt("bases", type, "Both", (G, int), {})
    a = G(int)
    attempt("circle", setattr, a, "parent", a)
    attempt("circle", setattr, a, "parent", G(int, a))


def sending():
    thrown = ((), (1,), (None,), (ValueError,), (ValueError, "x"),
              (ValueError("y"),), (ValueError("y"), "z"),
              (ValueError("y"), None), (ValueError, ValueError("q")),
              (ValueError, ("a", "b")), (ValueError, None, 3),
              (ValueError, None, None), (ValueError, 1, 2, 3), (int,), ("str",),
              (greenlet.GreenletExit,), (greenlet.GreenletExit, "v"),
              (greenlet.GreenletExit(5),), (KeyboardInterrupt,),
              (ValueError, KeyError("k")), (UnicodeDecodeError,))
    for label, make in STATES:
        for args in thrown:
            attempt("%s throw %r" % (label, args), make().throw, *args)
        attempt(label, make().throw, type=ValueError)
        for args in (), (1,), (None,), (1, 2), ((1,),):
            for more in {}, {"a": 1}:
                attempt(label, make().switch, *args, **more)
    attempt("a run that is missing", G().switch)
    attempt("a run that fails", G(lambda: 1 / 0).switch)


def functions():
    for name in ("settrace", "gettrace", "getcurrent", "get_pending_cleanup_count",
                 "get_total_main_greenlets", "enable_optional_cleanup",
                 "get_clocks_used_doing_optional_cleanup", "set_thread_local"):
        function = getattr(c, name)
        for args in (), (None,), (1, 2), (1, 2, 3):
            attempt(name, function, *args)
        attempt(name, function, a=1)
        c.settrace(None)
        c.enable_optional_cleanup(False)
        c.enable_optional_cleanup(True)
    attempt("no bool", c.enable_optional_cleanup, NoBool())
    for tracer in 3, lambda: None, lambda *args: 1 / 0:
        c.settrace(tracer)
        attempt("traced", G(int).switch)
        say(c.gettrace())
    events = []
    c.settrace(lambda *args: events.append(args))
    for call in G(int).switch, G(int).throw, dead, main.throw:
        attempt("traced", lambda call=call: bool(call()))
    c.settrace(None)
    say(events)


def other_thread():
    ours, ready, done = [], threading.Event(), threading.Event()

    def body():
        g = G(lambda: greenlet.getcurrent().parent.switch())
        g.switch()
        finished = G(int)
        finished.switch()
        ours.extend((G(int), g, finished, greenlet.getcurrent()))
        ready.set()
        done.wait()

    thread = threading.Thread(target=body)
    thread.start()
    ready.wait()
    for when in "alive", "gone":
        for g in ours:
            say(when, repr(g), bool(g))
            for name in NAMES:
                attempt(name, lambda: type(getattr(g, name)))
            attempt("switch", g.switch)
            attempt("throw", g.throw)
            attempt("child", lambda: G(int, g).switch())
            attempt("adopted", setattr, suspended(), "parent", g)
            attempt("parent", setattr, g, "parent", main)
            attempt("context", setattr, g, "gr_context", None)
        done.set()
        thread.join()
        time.sleep(0.3) # it ends a little after who joins it is told


for part in module, objects, making, sending, functions, other_thread:
    print("====", part.__name__)
    part()
