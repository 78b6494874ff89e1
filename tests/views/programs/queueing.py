"""V-09: tasks on a stream of Redis, whatever dies: for test_v09_queue.py (short) and
test_v09_queue_long.py."""
import contextlib
import json
import random
import signal
import threading
import time

import apps
import harness
from apps import ask, check, until

# Redis has on its disk what it acknowledged.
DURABLE = ["--appendonly", "yes", "--appendfsync", "always"]
QUEUE = "q"


class Worker:
    """One that is started again when it has died."""

    def __init__(self, redis, *args):
        self.env = {"REDIS": redis.where, "QUEUE": QUEUE}
        self.args = [str(arg) for arg in args]
        self.start()

    def start(self):
        self.program = harness.Program(
            apps.command("worker", apps.LINKED, *self.args), env=self.env)

    def died(self):
        return self.program.popen.poll() is not None

    def again(self):
        self.program.stop(signal.SIGKILL)
        self.start()

    def end(self):
        """A warm one: what is under way is finished."""
        self.program.popen.send_signal(signal.SIGTERM)
        status = self.program.wait(30)
        said = self.program.output()
        self.program.stop()
        check(status == 0, "a worker ends with %s: %s", status, said[-500:])


@contextlib.contextmanager
def workers(redis, count, *args):
    crew = [Worker(redis, *args) for _ in range(count)]
    try:
        yield crew
    finally:
        for worker in crew:
            if not worker.died():
                worker.end()
            worker.program.stop()


def add(app, kind, payload, key=None, delay=None):
    """The id, when it was acknowledged; None: nobody knows."""
    fields = {"Idempotency-Key": key} if key else {}
    target = "/tasks/" + kind + ("?delay=%d" % delay if delay else "")
    try:
        status, text, _ = ask(app.port, target, "POST", payload, fields)
    except OSError:
        return None
    check(status in (202, 503, 500), "%d: %s", status, text)
    return json.loads(text)["id"] if status == 202 else None


class Client(threading.Thread):
    """Adds tasks until it is told to stop.  Every other with a key, and repeated
    until it is acknowledged."""

    def __init__(self, app, number, stop):
        super().__init__()
        self.app, self.number, self.stop = app, number, stop
        self.acknowledged, self.in_vain, self.trouble = {}, 0, None

    def run(self):
        try:
            count = 0
            while not self.stop.is_set():
                count += 1
                self.one("%d-%d" % (self.number, count), count % 2 == 0)
                time.sleep(0.01)
        except Exception as error:
            self.trouble = error

    def one(self, payload, with_key):
        key = "key-" + payload if with_key else None
        found = add(self.app, "mail", payload, key)
        while found is None and with_key:
            self.in_vain += 1
            time.sleep(0.1)
            found = add(self.app, "mail", payload, key)
        if found is None:
            self.in_vain += 1
        else:
            self.acknowledged[payload] = found


def disturb(redis, crew, seconds, seed):
    """Workers die at random instants, and once Redis does."""
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    redis_at, killed = time.monotonic() + seconds / 2, 0
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.02, 0.4))
        chance.choice(crew).again()
        killed += 1
        if redis_at and time.monotonic() > redis_at:
            redis.kill()
            time.sleep(0.5)
            redis.start()
            redis_at = None
    return killed


def everything_is_done(redis, clients):
    wanted = {payload for client in clients for payload in client.acknowledged}
    left = lambda: wanted - set(redis.lines("SMEMBERS", "outbox"))
    until(lambda: not left(), "%d tasks, all done" % len(wanted), 120)
    until(lambda: redis.tell("XLEN", "{q}:tasks") == "0", "none is left", 60)
    check(redis.tell("XLEN", "{q}:dead") == "0", "some were given up: %s",
          redis.tell("XRANGE", "{q}:dead", "-", "+", "COUNT", "3"))
    return len(wanted)


def whatever_dies(seconds, seed, clients=4, crew=3):
    stop = threading.Event()
    with apps.Redis(DURABLE) as redis, \
            apps.start("enqueue", {"REDIS": redis.where, "QUEUE": QUEUE}) as app, \
            workers(redis, crew, 500, 100000) as working:
        asking = [Client(app, number, stop) for number in range(clients)]
        for client in asking:
            client.start()
        killed = disturb(redis, working, seconds, seed)
        stop.set()
        for client in asking:
            client.join()
            check(client.trouble is None, "%s", client.trouble)
        check(sum(client.in_vain for client in asking) > 0,
              "Redis was away, and nobody has seen it")
        done = everything_is_done(redis, asking)
        one_task_for_a_key(redis, app, asking)
        print("%d acknowledged, all done; %d in vain, %d workers killed" % (
            done, sum(client.in_vain for client in asking), killed))
        apps.stop(app)


def one_task_for_a_key(redis, app, clients):
    """What was repeated until it was acknowledged is one task; so is what is
    repeated now, when it was done."""
    for client in clients:
        keyed = [payload for payload in client.acknowledged
                 if int(payload.split("-")[1]) % 2 == 0]
        check(len(keyed) >= 1, "no keys")
        for payload in keyed[-3:]:
            check(redis.tell("GET", "{q}:key:key-" + payload)
                  == client.acknowledged[payload], "%s has another", payload)
            again = add(app, "mail", payload, "key-" + payload)
            check(again == client.acknowledged[payload], "%s: %s, and %s",
                  payload, client.acknowledged[payload], again)
