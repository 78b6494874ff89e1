"""python_cases.py - the `greenlet` package of python/ beside upstream's."""
import os

from programs import Unavailable, run_once

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "python_greenlet.py")
DEBIAN = "/usr/lib/python3/dist-packages/greenlet"
OURS, UPSTREAM = "python/", "Debian's greenlet"

# name, its case, count, depth, at most so many times upstream's, title
CASES = (
    ("switch", "switch", 1_000_000, 1, 0.7, "a switch, one frame down"),
    ("switch-200", "switch", 1_000_000, 200, 0.7,
     "a switch, 200 frames of Python down"),
    ("switch-c-200", "switch-c", 20_000, 200, 0.3,
     "a switch, 200 calls through C down: next(map(f, ...))"),
    ("life", "life", 100_000, 1, 0.8, "create, run, die"),
    ("crowd", "crowd", 50_000, 1_000, 0.8,
     "create, run, wait, die; 1,000 at once"),
    ("suspended", "suspended", 10_000, 1, None,
     "a suspended one with its part of the page tables"),
    ("suspended-10", "suspended", 10_000, 10, None,
     "... ten frames of Python down"))


def package(folder, case, count, depth):
    """A measurement: one run on the package in that folder; None: ours."""
    def measure(place):
        where = folder or os.path.join(os.path.dirname(os.path.dirname(
            os.path.abspath(place.programs))), "python", "greenlet")
        if not os.path.isdir(where):
            raise Unavailable("there is no " + where)
        times = max(count // 10, 1000) if place.quick else count
        env = place.environment(False, {})
        env.pop("PYTHONPATH", None)
        if folder is None:
            env["PYTHONPATH"] = os.path.dirname(where)
        return run_once(["/usr/bin/python3", "-B", SCRIPT, where, case,
                         str(times), str(depth)], env, place.client_core)
    return measure


def series(case, count, depth):
    return {OURS: package(None, case, count, depth),
            UPSTREAM: package(DEBIAN, case, count, depth)}
