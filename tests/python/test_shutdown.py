#!/usr/bin/python3
# label: ci, python
"""The end of the interpreter, of threads and of processes, with greenlets that are
suspended.  What is printed is what upstream prints."""
import support

SUSPENDED = """
import greenlet
def body():
    try: greenlet.getcurrent().parent.switch()
    finally: print("finally", flush=True)
def suspended(count):
    made = [greenlet.greenlet(body) for _ in range(count)]
    for g in made: g.switch()
    return made
"""


class Shutdown(support.TestCase):
    def test_suspended_at_the_end(self):
        self.assertRuns(SUSPENDED + "kept = suspended(1000)", "")

    def test_suspended_in_a_cycle(self):
        self.assertRuns(SUSPENDED + """
for g in suspended(10): g.itself = g
""", "")

    def test_nested(self):
        self.assertRuns(SUSPENDED + """
def nest(n):
    if n: greenlet.greenlet(nest).switch(n - 1)
    else: main.switch()
main = greenlet.getcurrent()
outer = greenlet.greenlet(nest)
outer.switch(50)
""", "")

    def test_in_other_threads(self):
        self.assertRuns(SUSPENDED + """
import threading
kept = []
for _ in range(10):
    t = threading.Thread(target=lambda: kept.append(suspended(10)))
    t.start(); t.join()
""", "")

    def test_atexit_and_after(self):
        self.assertRuns(SUSPENDED + """
import atexit, sys
kept = suspended(2)
class Late:
    def __del__(self, get=greenlet.getcurrent): print("late", get() is not None)
sys.modules["late"] = Late()
@atexit.register
def goodbye():
    print(greenlet.getcurrent() is not None, kept[0].dead)
    print(greenlet.greenlet(lambda: 5).switch())
    print(greenlet.settrace(None), greenlet.gettrace())
    kept.pop()
""", "True False\n5\nNone None\nfinally\nlate True\n")

    def test_daemons_end_inside_a_greenlet(self):
        source = """
import greenlet, threading, time, sys
def body():
    while True: time.sleep(0.01)
for _ in range(3):
    threading.Thread(target=greenlet.greenlet, args=(body,), daemon=True)
    threading.Thread(target=lambda: greenlet.greenlet(body).switch(),
                     daemon=True).start()
class Late: # while it sleeps they look for the GIL, and are ended
    def __del__(self, sleep=time.sleep, p=print):
        sleep(0.3); p("late")
sys.modules["late"] = Late()
time.sleep(0.1)
"""
        for preload in False, True:
            with self.subTest(preload=preload):
                self.assertRuns(source, "late\n", preload=preload)

    def test_system_exit_in_a_greenlet(self):
        done = support.run(SUSPENDED + """
kept = suspended(3)
import sys
greenlet.greenlet(sys.exit).switch(7)
""")
        self.assertEqual((done.returncode, done.stderr), (7, ""))


class Fork(support.TestCase):
    SOURCE = """
import greenlet, os, threading
main = greenlet.getcurrent()
def body():
    while True: main.switch(os.getpid())
here = greenlet.greenlet(body); here.switch()
there, ready, done = [], threading.Event(), threading.Event()
def other():
    g = greenlet.greenlet(lambda: greenlet.getcurrent().parent.switch())
    g.switch(); there.append(g); ready.set(); done.wait()
thread = threading.Thread(target=other); thread.start(); ready.wait()
for _ in range(3):
    child = os.fork()
    if child == 0:
        assert here.switch() == os.getpid()
        try: there[0].switch()
        except greenlet.error as error: assert "exited" in str(error), error
        assert there[0].dead
        there.clear()
        for i in range(1000):
            assert greenlet.greenlet(lambda x: x + 1).switch(i) == i + 1
        t = threading.Thread(target=lambda: greenlet.greenlet(int).switch())
        t.start(); t.join()
        os._exit(0)
    print(os.waitpid(child, 0)[1])
assert here.switch() == os.getpid()
done.set(); thread.join()
"""

    def test_child_has_its_own_greenlets(self):
        self.assertRuns(self.SOURCE, "0\n0\n0\n",
                        flags=("-W", "ignore::DeprecationWarning"))

    def test_fork_inside_a_greenlet(self):
        self.assertRuns("""
import greenlet, os
def body():
    child = os.fork()
    if child == 0: return "child"
    return os.waitpid(child, 0)[1] >> 8
result = greenlet.greenlet(body).switch()
if result == "child": os._exit(3)
print(result)
""", "3\n")


if __name__ == "__main__":
    support.main()
