"""Threads in PyPy: locks, queues, conditions, recursion, exceptions, stackless
coroutines, sockets, processes, garbage; prints what came of them."""
import concurrent.futures
import gc
import queue
import socket
import subprocess
import sys
import threading
import time


def workers():
    todo, done = queue.Queue(10), queue.Queue()

    def work():
        while (n := todo.get()) is not None:
            done.put(n * n)
    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for n in range(2000):
        todo.put(n)
    for _ in threads:
        todo.put(None)
    for thread in threads:
        thread.join()
    print("squares", sum(done.get() for _ in range(2000)))


def recursion():
    def deeper():
        deeper()

    def work(found):
        try:
            deeper()
        except RecursionError:
            found.append(1)
    found = []
    threads = [threading.Thread(target=work, args=(found,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("recursion", len(found))


def hot_loops():
    """Loops that the JIT compiles, in threads that never wait."""
    def work(n):
        total = 0
        for i in range(300000):
            total += i % (n + 1)
        return total
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        print("loops", sum(pool.map(work, range(16))))


def pairs():
    def serve(end):
        with end:
            while data := end.recv(65536):
                end.sendall(data)

    def ask(n):
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=serve, args=(theirs,))
        thread.start()
        back = 0
        with ours:
            for _ in range(50):
                ours.sendall(b"x" * 1000)
                back += len(ours.recv(1000, socket.MSG_WAITALL))
        thread.join()
        return back
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        print("echoed", sum(pool.map(ask, range(40))))


def waits():
    condition, flag = threading.Condition(), []
    start = time.monotonic()
    with condition:
        print("waited", condition.wait(0.1), time.monotonic() - start >= 0.1)
    event = threading.Event()
    timer = threading.Timer(0.05, event.set)
    timer.start()
    print("event", event.wait(10), flag)
    lock = threading.Lock()
    lock.acquire()
    print("lock", lock.acquire(timeout=0.05), lock.acquire(blocking=False))


def coroutines():
    from greenlet import greenlet, getcurrent

    def work(n):
        def body(x):
            while True:
                x = getcurrent().parent.switch(x + n)
        g = greenlet(body)
        found = 0
        for i in range(100):
            found += g.switch(i)
            time.sleep(0)
        return found
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        print("greenlets", list(pool.map(work, range(8))))


def processes():
    def work(n):
        return int(subprocess.run(["/bin/echo", str(n)], check=True,
                                  stdout=subprocess.PIPE).stdout)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        print("processes", sum(pool.map(work, range(20))))


def garbage():
    class Node:
        count = 0

        def __init__(self):
            self.me = self

        def __del__(self):
            Node.count += 1

    def work():
        for _ in range(1000):
            Node()
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(3):
        gc.collect()
    print("freed", Node.count > 7900)


for step in (workers, recursion, hot_loops, pairs, waits, coroutines,
             processes, garbage):
    step()
print("end", threading.active_count())
sys.exit(0)
