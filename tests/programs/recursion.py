"""Infinite recursion in threads, by ways that go through C: every one has to
end in RecursionError, and the interpreter goes on.

With --greedy also the ways that take more than 1 KiB of stack a level.
"""
import json
import pickle
import sys
import threading


class Attribute:
    def __getattr__(self, name):
        return getattr(self, name + "x")


class Printed:
    def __repr__(self):
        return "<%r>" % [self]


class Pickled:
    def __reduce__(self):
        return Pickled, (Pickled(),)


class Called:
    def __call__(self):
        return sorted([1, 2], key=lambda _: self())


class Compared:
    def __eq__(self, other):
        return [self] == [Compared()]


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


TRIALS = (
    ("__getattr__", lambda: Attribute().y),
    ("__repr__", lambda: repr(Printed())),
    ("pickle of itself", lambda: pickle.dumps(Pickled())),
    ("pickle of a deep list", lambda: pickle.dumps(deep(100000))),
    ("json of a deep list", lambda: json.dumps(deep(100000))),
    ("__eq__", lambda: Compared() == 1),
    ("eval of deep brackets", lambda: eval("(" * 190 + "1" + ")" * 190)),
)

GREEDY = (("sort key", lambda: Called()()),)
# Newer ones count levels of C apart, and take up to 2 KiB for each.
if sys.version_info >= (3, 12):
    GREEDY += tuple(trial for trial in TRIALS if trial[0] in (
        "__repr__", "pickle of itself", "json of a deep list"))
    TRIALS = tuple(trial for trial in TRIALS if trial not in GREEDY)


def run(name, call, results):
    try:
        call()
        results[name] = "no error"
    except BaseException as error:
        results[name] = type(error).__name__


def main():
    trials = TRIALS + (GREEDY if "--greedy" in sys.argv else ())
    results = {}
    for name, call in trials:
        thread = threading.Thread(target=run, args=(name, call, results))
        thread.start()
        thread.join()
        print(name, results.get(name), flush=True)
    # All of them at once, so that each has its own stack.
    results = {}
    threads = [threading.Thread(target=run, args=(n, call, results))
               for n, call in trials]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, _ in trials:
        print(name, results.get(name), flush=True)


main()
