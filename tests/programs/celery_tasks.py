"""Tasks for a Celery worker, and who asks for them.

The worker imports `app`; REDIS names the Redis of broker and results.  As a
program: prints what came back of all kinds of tasks; with `rate` as an
argument it asks for as many seconds as each line of its input says, and prints
tasks/s."""
import hashlib
import os
import sys
import threading
import time

import celery

REDIS = os.environ.get("REDIS", "redis://127.0.0.1/0")
app = celery.Celery("celery_tasks", broker=REDIS, backend=REDIS)
app.conf.update(worker_hijack_root_logger=False, result_expires=600,
                broker_connection_retry_on_startup=True,
                worker_prefetch_multiplier=4, task_track_started=True)
local = threading.local()
tries = {}


@app.task
def add(a, b):
    return a + b


@app.task
def sleep(seconds):
    time.sleep(seconds)
    return "slept"


@app.task
def own(name):
    """Threads of the worker do not see each other's."""
    local.name = name
    time.sleep(0.02)
    return local.name == name


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=3)
def third_time(self, name):
    tries[name] = tries.get(name, 0) + 1
    if tries[name] < 3:
        raise self.retry(countdown=0.05)
    return tries[name]


@app.task
def digest(data):
    return hashlib.sha256(data.encode()).hexdigest()


@app.task
def compute(n):
    return sum(i * i for i in range(n))


@app.task(bind=True)
def compose(self, n):
    return self.replace(celery.chain(add.s(n, 1), add.s(10)))


def everything():
    print("add", add.delay(2, 3).get(timeout=30))
    print("many", celery.group(add.s(n, n) for n in range(200))().get(
        timeout=60) == [2 * n for n in range(200)])
    start = time.monotonic()
    print("slept", celery.group(sleep.s(0.5) for _ in range(20))().get(
        timeout=60) == ["slept"] * 20, time.monotonic() - start < 5)
    print("own", all(celery.group(own.s("n%d" % n) for n in range(100))().get(
        timeout=60)))
    try:
        fail.delay("as asked").get(timeout=30)
    except ValueError as error:
        print("failed", error)
    print("tries", third_time.delay(str(os.getpid())).get(timeout=30))
    print("big", digest.delay("x" * 3000000).get(timeout=60))
    print("chain", celery.chain(add.s(1, 2), add.s(3), add.s(4))().get(
        timeout=30))
    print("chord", celery.chord(add.s(n, n) for n in range(20))(
        total.s()).get(timeout=60))
    print("replaced", compose.delay(5).get(timeout=30))
    print("computed", celery.group(compute.s(50000) for _ in range(8))().get(
        timeout=60) == [41665416675000] * 8)
    later = sleep.apply_async((5,), countdown=60)
    later.revoke()
    print("ping", [list(answer.values()) for answer in app.control.ping(
        timeout=3)])
    print("pool", [answer["pool"]["max-concurrency"]
                   for answer in app.control.inspect(timeout=3).stats()
                   .values()])


@app.task
def total(numbers):
    return sum(numbers)


def rate():
    print("0", flush=True)
    while line := sys.stdin.readline():
        start = time.monotonic()
        count = 0
        while time.monotonic() < start + float(line):
            celery.group(add.s(n, n) for n in range(50))().get(timeout=60)
            count += 50
        print(count / (time.monotonic() - start), count, flush=True)


if __name__ == "__main__":
    from celery_tasks import *  # the worker's names for the tasks

    if "rate" in sys.argv[1:]:
        rate()
    else:
        everything()
