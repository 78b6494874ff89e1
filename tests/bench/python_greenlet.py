#!/usr/bin/python3
"""python_greenlet.py - the `greenlet` package of PYTHONPATH, or Debian's.

usage: python_greenlet.py PACKAGE case count [depth]; prints "cpu_ns N", the time of
one operation, or "bytes N", what one takes with its part of the page tables.
PACKAGE: the folder that greenlet must come from.
"""
import os
import sys
import time

import greenlet as package
from greenlet import getcurrent, greenlet


def switches(body, count, depth):
    """There and back, `depth` frames down: two switches a round."""
    g = greenlet(body)
    switch = g.switch
    switch(depth)
    start = time.process_time_ns()
    for _ in range(count):
        switch()
    return (time.process_time_ns() - start) / (2 * count)


def through_python(depth):
    if depth > 1:
        return through_python(depth - 1)
    switch = getcurrent().parent.switch
    while True:
        switch()


def through_c(depth):
    if depth > 1:
        return next(map(through_c, (depth - 1,)))
    switch = getcurrent().parent.switch
    while True:
        switch()


def lives(count, _):
    def body():
        pass
    greenlet(body).switch()
    start = time.process_time_ns()
    for _ in range(count):
        greenlet(body).switch()
    return (time.process_time_ns() - start) / count


def crowd(count, alive):
    """`alive` at once, started and then ended, again and again."""
    def body():
        getcurrent().parent.switch()
    rounds = max(count // alive, 1)
    start = 0
    for number in range(rounds + 1):
        if number == 1:
            start = time.process_time_ns()
        made = [greenlet(body) for _ in range(alive)]
        for g in made:
            g.switch()
        for g in made:
            g.switch()
    return (time.process_time_ns() - start) / (rounds * alive)


def memory():
    with open("/proc/self/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    return 1024 * sum(int(fields[key].split()[0])
                      for key in ("VmRSS", "VmPTE"))


def suspended(count, depth):
    def body(more):
        if more > 1:
            return body(more - 1)
        return getcurrent().parent.switch()
    made = [greenlet(body) for _ in range(count)]
    made[0].switch(depth)
    before = memory()
    for g in made[1:]:
        g.switch(depth)
    return (memory() - before) / (count - 1)


CASES = {
    "switch": lambda count, depth: switches(through_python, count, depth),
    "switch-c": lambda count, depth: switches(through_c, count, depth),
    "life": lives, "crowd": crowd, "suspended": suspended}


def main():
    folder, case, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    depth = int(sys.argv[4]) if sys.argv[4:] else 1
    if os.path.dirname(package.__file__) != folder:
        sys.exit("greenlet is " + package.__file__)
    name = "bytes" if case == "suspended" else "cpu_ns"
    print(f"{name} {CASES[case](count, depth):.3f}")


if __name__ == "__main__":
    main()
