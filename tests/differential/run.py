"""Run greenlet scripts on our API and on Python's greenlet, compare the logs.

usage: run.py [options] [SCRIPT...]
  --interp PATH       the interpreter in C (build/tests/differential/differential)
  --seeds A..B        random scripts of these seeds, after the kept cases
  --emulator COMMAND  what the interpreter in C is run by: 'qemu-aarch64-static -L ...'
  --batch N           scripts in one process (250)
  --keep FOLDER       where a difference is kept, made small (cases/ here)
  --show              print the log of each SCRIPT

Scripts that are named are run alone; else all of cases/ is, then the seeds.
A case with a .expect beside it is held against that: upstream 2.0.2 is wrong
there or cannot be asked (README.md, "Made equal").  Status: 0 the same
everywhere, 1 a difference, 77 no python3-greenlet."""
import argparse
import difflib
import os
import shlex
import subprocess
import sys
import time

import batch
import gen
from shrink import shrink

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
ORACLE = [PYTHON, "-B", os.path.join(HERE, "interp.py")]
GIVES_UP = "oracle gives up"
TIMEOUT = 20
SHRUNK = 3  # differences of one run that are made small
UNASKED_PERCENT = 1  # scripts that the oracle itself may fail at


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n", 1)[1])
    parser.add_argument("--interp", default=os.path.join(
        HERE, "../../build/tests/differential/differential"))
    parser.add_argument("--seeds", type=gen.seeds, default=range(0))
    parser.add_argument("--emulator", default="")
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--keep", default=os.path.join(HERE, "cases"))
    parser.add_argument("--show", action="store_true")
    parser.add_argument("scripts", nargs="*")
    options = parser.parse_args()
    options.command = shlex.split(options.emulator) + [options.interp]
    return options


def oracle_is_there():
    probe = "import greenlet; print(greenlet.__version__)"
    try:
        found = subprocess.run([PYTHON, "-c", probe], capture_output=True,
                               text=True, check=False)
    except OSError as error:
        return False, str(error)
    if found.returncode != 0:
        return False, "%s has no greenlet (package python3-greenlet)" % PYTHON
    return True, found.stdout.strip()


def alive(log):
    """Those that are left when all has been given up."""
    last = log[-1].split() if log else []
    return set(last[1:]) if last[:1] == ["alive"] else set()


def without(names, log):
    """The log, but for when these are freed and in what state they are."""
    left = []
    for line in log:
        words = line.split()
        if words[:1] == ["free"] and words[1] in names:
            continue
        if words[:1] in (["~"], ["alive"]):
            words = [words[0]] + [word for word in words[1:]
                                  if word.split(":")[0] not in names]
            if words == ["~"]:
                continue
            line = " ".join(words)
        left.append(line)
    return left


def comparable(theirs, ours):
    """Both logs as far as the oracle's says what is right; made equal (l)."""
    leaked = alive(theirs) - alive(ours)
    if leaked:
        theirs, ours = without(leaked, theirs), without(leaked, ours)
    for i, line in enumerate(theirs):
        if line.startswith(GIVES_UP):
            while ": trace throw " in theirs[i - 1]:  # of the very error
                i -= 1
            return theirs[:i], ours[:i]
    return theirs, ours


def failed(log):
    return log[-1].startswith(batch.ENDED)


def differs(theirs, ours):
    if failed(theirs):
        return failed(ours)  # ours may not crash where theirs does
    left, right = comparable(theirs, ours)
    return left != right or failed(ours)


def print_difference(name, theirs, ours):
    left, right = comparable(theirs, ours)
    for line in difflib.unified_diff(left, right, "%s: greenlet" % name,
                                     "%s: ours" % name, lineterm="", n=12):
        print(line)
    sys.stdout.flush()


class Comparison:
    def __init__(self, options):
        self.options = options
        self.ran = self.gave_up = self.unasked = 0
        self.different = []

    def logs(self, scripts):
        theirs = batch.run(ORACLE, scripts, TIMEOUT)
        ours = batch.run(self.options.command, scripts, TIMEOUT * (
            5 if self.options.emulator else 1))
        return theirs, ours

    def run(self, scripts):
        theirs, ours = self.logs(scripts)
        self.ran += len(scripts)
        for name, text in scripts:
            self.unasked += failed(theirs[name])
            self.gave_up += any(line.startswith(GIVES_UP)
                                for line in theirs[name])
            if differs(theirs[name], ours[name]):
                self.found(name, text, theirs[name], ours[name])

    def found(self, name, text, theirs, ours):
        self.different.append(name)
        print("%s: different" % name)
        if name.isdigit() and len(self.different) <= SHRUNK:
            self.keep(name, text)
        else:
            print_difference(name, theirs, ours)

    def keep(self, seed, text):
        def interesting(smaller):
            theirs, ours = self.logs([("x", smaller)])
            return not failed(theirs["x"]) and differs(theirs["x"], ours["x"])
        small = shrink(text, interesting, 600) if interesting(text) else text
        path = os.path.join(self.options.keep, "seed-%s.txt" % seed)
        try:
            with open(path, "w") as stream:
                stream.write("# made small from seed %s\n%s" % (seed, small))
            print("kept as %s:" % path)
        except OSError as error:
            print("not kept: %s" % error)
        print(small)
        theirs, ours = self.logs([("x", small)])
        print_difference(seed, theirs["x"], ours["x"])


def read(path):
    with open(path) as stream:
        return stream.read()


def run_named(comparison, paths):
    """Those that have a .expect are not for the oracle."""
    asked, expected = [], []
    for path in paths:
        pair = (os.path.basename(path), read(path))
        beside = os.path.splitext(path)[0] + ".expect"
        (expected if os.path.exists(beside) else asked).append(pair)
        if os.path.exists(beside):
            run_expected(comparison, pair, read(beside).splitlines())
    if asked:
        comparison.run(asked)
    if comparison.options.show:
        theirs, ours = comparison.logs(asked + expected)
        for name, log in ours.items():
            print("=== %s\n%s" % (name, "\n".join(log)))


def run_expected(comparison, pair, expected):
    name, text = pair
    ours = batch.run(comparison.options.command, [pair], TIMEOUT * 5)[name]
    comparison.ran += 1
    if ours != expected:
        comparison.found(name, text, expected, ours)


def run_seeds(comparison, seeds, size):
    for start in range(seeds.start, seeds.stop, size):
        some = range(start, min(start + size, seeds.stop))
        comparison.run([(str(seed), gen.generate(seed)) for seed in some])


def cases():
    folder = os.path.join(HERE, "cases")
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
            if name.endswith(".txt")]


def main():
    options = arguments()
    there, what = oracle_is_there()
    if not there:
        print("skipped: " + what)
        return 77
    began = time.monotonic()
    comparison = Comparison(options)
    run_named(comparison, options.scripts or cases())
    if not options.scripts:
        run_seeds(comparison, options.seeds, options.batch)
    print("%d scripts on ours and on greenlet %s: %d different; the oracle "
          "gave up in %d and failed in %d; %.1f s" % (
              comparison.ran, what, len(comparison.different),
              comparison.gave_up, comparison.unasked,
              time.monotonic() - began))
    if comparison.unasked * 100 > comparison.ran * UNASKED_PERCENT:
        print("the oracle itself failed too often to say anything")
        return 1
    return 1 if comparison.different else 0


if __name__ == "__main__":
    sys.exit(main())
