#!/usr/bin/python3
# label: ci, python
"""Deep recursion, the end of a stack, sizes, memory."""
import sys

import support

RECURSION = """
import greenlet
class Getter:
    def __getattr__(self, name): return getattr(self, name + "x")
class Key:
    def __init__(self, n): self.n = n
    def __eq__(self, other): return Key(self.n + 1) == other
def python(n): return python(n + 1)
def through_c(n): return next(map(through_c, (n + 1,)))
def nested_list():
    x = []
    for _ in range(100000): x = [x]
    return repr(x)
def sort_key(n): return sorted([n], key=sort_key)
WAYS = [lambda: Getter().a, lambda: Key(0) == 1, lambda: python(0),
        lambda: through_c(0), nested_list, lambda: sort_key(0)]
def body():
    for way in WAYS:
        try: way()
        except RecursionError: print("RecursionError")
"""


class Recursion(support.TestCase):
    def test_ends_as_in_a_thread(self):
        expected = "RecursionError\n" * 6
        call = "greenlet.greenlet(body).switch()"
        self.assertRuns(RECURSION + call, expected)
        self.assertRuns(RECURSION + "import threading\n"
                        "t = threading.Thread(target=lambda: %s)\n"
                        "t.start(); t.join()" % call, expected)

    def test_is_each_greenlets_own(self):
        self.assertRuns("""
import greenlet, sys
sys.setrecursionlimit(600)
main = greenlet.getcurrent()
def deep(n):
    if n: return deep(n - 1)
    main.switch()
    return "up again"
made = [greenlet.greenlet(deep) for _ in range(20)]
for g in made: g.switch(500)
print({g.switch() for g in made})
""", "{'up again'}\n")

    def test_of_starts(self):
        """A greenlet that starts a greenlet that starts ...: the depth is that of
        who started it."""
        self.assertRuns("""
import greenlet
def nest(n): return greenlet.greenlet(nest).switch(n + 1)
try: nest(0)
except RecursionError: print("RecursionError")
""", "RecursionError\n")

    def test_deeper_with_a_higher_limit(self):
        self.assertRuns("""
import greenlet, sys
sys.setrecursionlimit(100000)
def python(n): return n and 1 + python(n - 1)
def through_c(n): return n and 1 + next(map(through_c, (n - 1,)))
print(greenlet.greenlet(python).switch(90000))
print(greenlet.greenlet(through_c).switch(3000))
""", "90000\n3000\n")

    def test_overflow_is_named(self):
        done = support.run("""
import greenlet, sys, resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sys.setrecursionlimit(10**6)
def through_c(n): return next(map(through_c, (n - 1,)))
greenlet.greenlet(through_c).switch(0)
""", VIREO_PYTHON_STACK="256K")
        if sys.version_info >= (3, 12): # it counts calls of C
            self.assertIn("RecursionError", done.stderr)
            return
        self.assertEqual(done.returncode, -11, done)
        self.assertIn("vireo: stack overflow in greenlet", done.stderr)
        self.assertIn("256 KiB", done.stderr)


class Sizes(support.TestCase):
    def test_that_of_the_thread(self):
        self.assertRuns("""
import greenlet._greenlet as g, threading
print(g.stack_size())
threading.stack_size(1 << 20)
t = threading.Thread(target=lambda: print(g.stack_size() >> 12))
t.start(); t.join()
""", "%d\n256\n" % (8 << 20))

    def test_chosen(self):
        self.assertRuns("""
import greenlet, greenlet._greenlet as g, sys
print(g.stack_size(512 << 10), g.stack_size())
for bad in 1, 4096, -5 - sys.maxsize:
    try: print(g.stack_size(bad))
    except (ValueError, OverflowError) as error: print(type(error).__name__)
print(greenlet.greenlet(lambda: 1).switch(), g.stack_size(0), g.stack_size())
""", "4194304 524288\nValueError\nValueError\nOverflowError\n1 524288 %d\n"
            % (8 << 20), VIREO_PYTHON_STACK="4M")

    def test_bad_values_are_not_taken(self):
        for value in "", "x", "4", "-1", "4MB", "99999999999999999":
            with self.subTest(value=value):
                self.assertRuns(
                    "import greenlet._greenlet as g; print(g.stack_size())",
                    "%d\n" % (8 << 20), VIREO_PYTHON_STACK=value)

    @support.unless_emulated
    def test_no_memory(self):
        """A greenlet that has no stack: MemoryError where it would have started, and
        it can be started later."""
        self.assertRuns("""
import greenlet, resource
main = greenlet.getcurrent()
limit = 3 << 30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
made = []
try:
    while True:
        made.append(greenlet.greenlet(lambda: main.switch(1)))
        made[-1].switch()
except MemoryError: print("MemoryError", len(made) > 100)
last = made.pop()
print(last.dead, bool(last))
made.pop(0).throw()
print(last.switch())
""", "MemoryError True\nFalse False\n1\n")


@support.unless_emulated
class Memory(support.TestCase):
    MANY = """
import greenlet, sys, gc
count = int(sys.argv[1])
def memory():
    with open("/proc/self/status") as status:
        got = dict(line.split(":", 1) for line in status)
    return sum(int(got[key].split()[0]) for key in ("VmRSS", "VmPTE"))
main = greenlet.getcurrent()
def body(): main.switch()
def make(): return [greenlet.greenlet(body) for _ in range(count)]
def start(made):
    for g in made: g.switch()
start(make()[:10])
"""

    def number(self, source, *args, **more):
        done = support.run(self.MANY + source, *args, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return float(done.stdout)

    def test_of_a_suspended_one(self):
        """Two pages, what the object takes, its part of the page tables."""
        each = self.number("""
made = make()
before = memory(); start(made)
print((memory() - before) * 1024 / count)
""", "10000")
        print("%.0f B each" % each, end=" ", file=sys.stderr)
        self.assertLess(each, 13500)

    def test_comes_back_in_use(self):
        """Ten times 2,000 need no more than 2,000."""
        growth = self.number("""
start(make()); gc.collect()
before = memory()
for _ in range(10): start(make())
print(memory() - before)
""", "2000")
        self.assertLess(growth, 2000)

    def test_trimmed(self):
        """Pages that were used once and are not now."""
        left = self.number("""
import greenlet._greenlet as c
def deep(n):
    if n: return next(map(deep, (n - 1,)))
def body(): deep(200); main.switch()
made = [greenlet.greenlet(body) for _ in range(200)]
before = memory(); start(made); used = memory() - before
assert c.trim_stacks() >= 200
print((memory() - before) / used)
for g in made: g.switch()
assert all(g.dead for g in made)
assert c.trim_stacks() >= 200
start([greenlet.greenlet(body) for _ in range(200)])
""", "1")
        self.assertLess(left, 0.3)

    def test_threads_come_and_go(self):
        """What one thread leaves the next ones use: not 1.2 MB for each of 50."""
        growth = self.number("""
import threading
def body(): greenlet.getcurrent().parent.switch()
def thread(): start(make())
def run():
    t = threading.Thread(target=thread); t.start(); t.join()
for _ in range(5): run()
before = memory()
for _ in range(50): run()
print(memory() - before)
""", "100")
        self.assertLess(growth, 10000)


if __name__ == "__main__":
    support.main()
