#!/usr/bin/python3
# label: ci, python
"""Threads that use greenlets, natively and mapped onto greenlets by the preload
library; references that go in other threads; the counters."""
import support

STORM = """
import greenlet, threading, random, gc, sys
threads, rounds = int(sys.argv[1]), int(sys.argv[2])
problems, shared, lock = [], [], threading.Lock()
def body():
    parent = greenlet.getcurrent().parent
    value = 0
    try:
        while True: value = greenlet.getcurrent().parent.switch(value) + 1
    except greenlet.GreenletExit:
        return "ended"
def thread(seed):
    try:
        rng = random.Random(seed)
        mine = []
        for step in range(rounds):
            what = rng.random()
            if what < .3 or not mine:
                g = greenlet.greenlet(body); g.switch(); mine.append(g)
            elif what < .7:
                assert rng.choice(mine).switch(step) == step + 1
            elif what < .8:
                assert mine.pop().throw() == "ended"
            elif what < .9:
                with lock: shared.append(mine.pop(rng.randrange(len(mine))))
            else:
                with lock: g = shared.pop(rng.randrange(len(shared))) if shared else None
                if g is not None and g not in mine:
                    try:
                        g.switch(1)
                        if g.thread is not threading.current_thread(): raise SystemError
                    except (greenlet.error, AttributeError): pass
                del g
        greenlet.getcurrent()
    except BaseException as error:
        import traceback; traceback.print_exc()
        problems.append(error)
all_threads = [threading.Thread(target=thread, args=(i,)) for i in range(threads)]
for t in all_threads: t.start()
for t in all_threads: t.join()
shared.clear()
gc.collect()
print(problems)
"""


class Threads(support.TestCase):
    def test_each_its_own_tree(self):
        for preload in False, True:
            with self.subTest(preload=preload):
                self.assertRuns("""
import greenlet, threading, time
mains = []
def thread(n):
    main = greenlet.getcurrent()
    assert main.parent is None
    def body():
        for i in range(100):
            time.sleep(0.0005)
            assert greenlet.getcurrent().parent is main
            main.switch(n)
        return "end"
    g = greenlet.greenlet(body)
    assert {g.switch() for _ in range(100)} == {n}
    assert g.switch() == "end" and g.dead
    mains.append(main)
threads = [threading.Thread(target=thread, args=(n,)) for n in range(30)]
for t in threads: t.start()
for t in threads: t.join()
print(len(set(mains)))
""", "30\n", preload=preload)

    def test_storm(self):
        for preload in False, True:
            with self.subTest(preload=preload):
                self.assertRuns(STORM, "[]\n", "8", "3000", preload=preload)

    @support.unless_emulated
    def test_upstreams_module_under_the_preload(self):
        done = support.run("""
import greenlet, threading
print(greenlet.__file__)
def thread():
    g = greenlet.greenlet(lambda x: greenlet.getcurrent().parent.switch(x + 1))
    assert g.switch(1) == 2
threads = [threading.Thread(target=thread) for n in range(10)]
for t in threads: t.start()
for t in threads: t.join()
""", folder="", preload=True)
        self.assertEqual((done.returncode, done.stdout),
                         (0, support.UPSTREAM + "/__init__.py\n"), done.stderr)

    def test_a_thread_of_c(self):
        """Each call from a thread that C made has a thread state of its own, and the
        greenlets of the thread outlive it."""
        self.assertRuns("""
import ctypes, greenlet
kept, seen = [], []
def body():
    parent = greenlet.getcurrent().parent
    while True: parent.switch(len(kept))
@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def called(_):
    if not kept:
        kept.append(greenlet.greenlet(body))
    seen.append(kept[0].switch())
    if len(seen) == 5: kept.clear()
libc = ctypes.CDLL(None)
@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def thread(_): # runs without a frame of Python's that would hold the state
    for _ in range(5): called(None)
ident = ctypes.c_ulong()
libc.pthread_create(ctypes.byref(ident), None, thread, None)
libc.pthread_join(ident, None)
print(seen)
""", "[1, 1, 1, 1, 1]\n")

    def test_counters(self):
        self.assertRuns("""
import greenlet, greenlet._greenlet as c, threading, time
greenlet.getcurrent()
print(c.get_total_main_greenlets(), c.get_pending_cleanup_count())
seen = []
def thread(): greenlet.getcurrent(); seen.append(c.get_total_main_greenlets())
t = threading.Thread(target=thread); t.start(); t.join()
for _ in range(1000):
    if c.get_total_main_greenlets() == 1: break
    time.sleep(0.01)
print(seen, c.get_total_main_greenlets(), c.get_pending_cleanup_count())
print(c.get_clocks_used_doing_optional_cleanup())
c.enable_optional_cleanup(False)
print(c.get_clocks_used_doing_optional_cleanup())
c.enable_optional_cleanup(True)
print(c.get_clocks_used_doing_optional_cleanup(), c.CLOCKS_PER_SEC)
""", "1 0\n[2] 1 0\n0\nNone\n0 1000000\n")


class Collector(support.TestCase):
    def test_cycles(self):
        """New and dead greenlets in cycles are collected; suspended ones are not,
        until they are thrown out (G-107)."""
        self.assertRuns("""
import greenlet, gc, weakref
main = greenlet.getcurrent()
def body(): main.switch()
def cycle(start, finish):
    g = greenlet.greenlet(body)
    if start: g.switch()
    if finish: g.switch()
    g.itself = [g]
    return weakref.ref(g)
refs = [cycle(0, 0), cycle(1, 1), cycle(1, 0)]
gc.collect()
print([r() is None for r in refs], gc.garbage)
g = refs[2](); g.throw(); del g
gc.collect()
print(refs[2]())
""", "[True, True, False] []\nNone\n")

    def test_long_chain_of_parents(self):
        self.assertRuns("""
import greenlet
g = None
for _ in range(20000): g = greenlet.greenlet(int, g)
del g
g = None
for _ in range(3000): g = greenlet.greenlet(lambda x=0: x, g)
print(g.switch(5))
""", "5\n")

    def test_collector_runs_everywhere(self):
        self.assertRuns("""
import gc, greenlet, threading
gc.set_threshold(1)
main = greenlet.getcurrent()
class Switcher:
    def __init__(self): self.cycle = self
    def __del__(self): greenlet.greenlet(lambda: None).switch()
def body(*args, **more):
    Switcher()
    g = greenlet.getcurrent()
    g.gr_frame, g.parent.gr_frame, g._stack_saved, repr(g)
    return g.parent.switch(args, x=more)
for _ in range(200):
    Switcher()
    g = greenlet.greenlet(body)
    assert g.switch(1, k=Switcher())[0] == ((1, ),)
    g.gr_frame
    g.throw(ValueError) if False else g.throw()
    t = threading.Thread(target=lambda: greenlet.greenlet(body).switch())
    if _ % 20 == 0: t.start(); t.join()
print("ok")
""".replace("[0] == ((1, ),)", "[0] == ((1,),)"), "ok\n")


if __name__ == "__main__":
    support.main()
