"""What the Python clients share: a scene is a function in many threads at once.
What each thread gives, or the name of the exception, is counted and printed, so
that two runs can be compared."""
import collections
import threading
import time

# The test ends the server when it reads this line.
KILL = "now the server is killed"


def in_threads(count, function):
    results = []

    def run(n):
        try:
            result = function(n)
        except Exception as error:
            result = type(error).__name__
        results.append(str(result))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def scene(name, count, function):
    counted = collections.Counter(in_threads(count, function))
    print(name, *("%s:%d" % item for item in sorted(counted.items())),
          flush=True)


def lose_the_server(count, wait):
    """The server is killed while all threads are in wait(n, arrived), which calls
    arrived() before it waits for the server."""
    arrived = threading.Semaphore(0)

    def tell():
        for _ in range(count):
            arrived.acquire()
        time.sleep(0.5)
        print(KILL, flush=True)

    teller = threading.Thread(target=tell)
    teller.start()
    scene("lost", count, lambda n: wait(n, arrived.release))
    teller.join()
