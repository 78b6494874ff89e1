"""What threaded Python programs do, one trial after the other.  The output is
always the same; a trial that goes wrong prints its error."""
import asyncio
import concurrent.futures
import multiprocessing
import os
import queue
import select
import signal
import socket
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import zlib


def in_threads(count, function):
    """Results of function(0) ... function(count - 1), each in a thread."""
    results = [None] * count

    def run(n):
        try:
            results[n] = function(n)
        except BaseException as error:
            results[n] = repr(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def pool():
    with concurrent.futures.ThreadPoolExecutor(50) as executor:
        start = time.monotonic()
        done = list(executor.map(lambda n: (time.sleep(0.1), n)[1],
                                 range(100)))
        return done == list(range(100)), time.monotonic() - start < 2


def producers_and_consumers():
    items, total = queue.Queue(10), []

    def consume(n):
        while True:
            item = items.get()
            if item is None:
                return
            total.append(item)

    def produce(n):
        for i in range(100):
            items.put(n * 100 + i)

    consumers = [threading.Thread(target=consume, args=(n,)) for n in range(5)]
    for thread in consumers:
        thread.start()
    in_threads(10, produce)
    for _ in consumers:
        items.put(None)
    for thread in consumers:
        thread.join()
    return sorted(total) == list(range(1000))


def synchronisation():
    barrier, limit = threading.Barrier(20), threading.BoundedSemaphore(3)
    inside, most = [], []
    event, condition = threading.Event(), threading.Condition()

    def work(n):
        barrier.wait(10)
        with limit:
            inside.append(n)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(n)
        with condition:
            early = condition.wait(0.02)
        return early, event.wait(10)

    timer = threading.Timer(0.3, event.set)
    timer.start()
    return set(in_threads(20, work)), max(most)


def thread_local():
    own = threading.local()

    def work(n):
        own.value = n
        time.sleep(0.01)
        return own.value

    return in_threads(50, work) == list(range(50))


def identities():
    together = threading.Barrier(30)  # or one may have that of an earlier one

    def work(n):
        together.wait()
        return threading.get_ident(), threading.get_native_id()

    pairs = in_threads(30, work)
    return len({p[0] for p in pairs}), len({p[1] for p in pairs})


def processes():
    def work(n):
        done = subprocess.run(["sh", "-c", "cat; exit %d" % n],
                              input=b"x" * 100000, capture_output=True)
        return done.returncode, len(done.stdout)

    return in_threads(15, work) == [(n, 100000) for n in range(15)]


def shells():
    return (in_threads(10, lambda n: os.system("exit %d" % n) >> 8),
            in_threads(5, lambda n: os.popen("echo %d" % n).read()))


def forks():
    def work(n):
        pid = os.fork()
        if pid == 0:
            time.sleep(0.02)
            os._exit(n)
        return os.waitpid(pid, 0)[1] >> 8

    context = multiprocessing.get_context("fork")
    with context.Pool(3) as workers:
        squares = workers.map(abs, [-1, -2, -3])
    return in_threads(10, work), squares


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


def tcp_server():
    # Its backlog of 5 would make this a test of retransmitted SYNs.
    socketserver.ThreadingTCPServer.request_queue_size = 64
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def client(n):
            with socket.create_connection(server.server_address) as s:
                lines = s.makefile("rwb")
                for i in range(20):
                    lines.write(b"line %d\n" % i)
                    lines.flush()
                    if lines.readline() != b"LINE %d\n" % i:
                        return "wrong"
            return "right"

        answers = in_threads(50, client)
        server.shutdown()
        thread.join()
    return set(answers)


def udp_and_timeouts():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.05)
        try:
            server.recv(10)
            timed_out = False
        except TimeoutError:
            timed_out = True

        def client(n):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(5)
                s.sendto(b"%d" % n, server.getsockname())
                return s.recv(10)

        def answer(n):
            server.settimeout(5)
            for _ in range(20):
                data, peer = server.recvfrom(10)
                server.sendto(data, peer)

        thread = threading.Thread(target=answer, args=(0,))
        thread.start()
        answers = in_threads(20, client)
        thread.join()
    return timed_out, answers == [b"%d" % n for n in range(20)]


def selecting():
    def work(n):
        a, b = socket.socketpair()
        with a, b:
            nothing = select.select([a], [], [], 0.01)[0]
            threading.Timer(0.05, b.send, (b"x",)).start()
            poller = select.poll()
            poller.register(a, select.POLLIN)
            return nothing, len(poller.poll(5000)), a.recv(1)

    return in_threads(10, work) == [([], 1, b"x")] * 10


def event_loops():
    async def main(n):
        loop = asyncio.get_running_loop()
        slept = loop.run_in_executor(None, time.sleep, 0.05)
        values = await asyncio.gather(*(asyncio.sleep(0.01 * i, i)
                                        for i in range(5)))
        await slept
        process = await asyncio.create_subprocess_exec(
            "echo", str(n), stdout=subprocess.PIPE) if n == 0 else None
        said = (await process.communicate())[0] if process else b"0\n"
        return sum(values), said

    return {asyncio.run(main(0))} | set(in_threads(
        10, lambda n: asyncio.run(main(n + 1))))


def database():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "db")
        with sqlite3.connect(path) as base:
            base.execute("create table t (n integer)")

        def work(n):
            with sqlite3.connect(path, timeout=30) as mine:
                for _ in range(5):
                    mine.execute("insert into t values (?)", (n,))
                    mine.commit()

        in_threads(8, work)
        with sqlite3.connect(path) as base:
            return base.execute("select count(*), sum(n) from t").fetchone()


def signals():
    got = []
    signal.signal(signal.SIGUSR1, lambda *_: got.append("usr1"))
    signal.signal(signal.SIGALRM, lambda *_: got.append("alarm"))
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    signal.setitimer(signal.ITIMER_REAL, 0.15)
    end = time.monotonic() + 5
    while len(got) < 2 and time.monotonic() < end:
        time.sleep(0.5)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    os.kill(os.getpid(), signal.SIGUSR2)
    waited = signal.sigwait({signal.SIGUSR2})
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return got, int(waited)


def compression():
    data = os.urandom(1000) * 1000
    return len(set(in_threads(4, lambda n: zlib.crc32(zlib.decompress(
        zlib.compress(data)))))) == 1


def big_pipe():
    readable, writable = os.pipe()

    def write(n):
        with os.fdopen(writable, "wb") as f:
            f.write(b"x" * 3000000)

    thread = threading.Thread(target=write, args=(0,))
    thread.start()
    with os.fdopen(readable, "rb") as f:
        size = len(f.read())
    thread.join()
    return size


def names():
    def work(n):
        found = socket.getaddrinfo("localhost", 80, socket.AF_INET,
                                   socket.SOCK_STREAM)
        return found[0][4]
    return set(in_threads(20, work))


TRIALS = (pool, producers_and_consumers, synchronisation, thread_local,
          identities, processes, shells, forks, tcp_server, udp_and_timeouts,
          selecting, event_loops, database, signals, compression, big_pipe,
          names)


def main():
    picked = sys.argv[1:]
    for trial in TRIALS:
        if picked and trial.__name__ not in picked:
            continue
        try:
            result = trial()
        except BaseException as error:
            result = repr(error)
        print("%s: %s" % (trial.__name__, result), flush=True)


main()
