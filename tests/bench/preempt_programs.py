"""preempt_programs.py - threads that wait beside threads that compute: how late they
wake, how soon they answer; and what it costs where none computes.

All run where the kernel puts them, as a program does that nobody has pinned, unless a
case says one processor.
"""
import functools
import os
import socket
import statistics
import subprocess
import time

from programs import Child, Unavailable, cpu_seconds, run_once

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON, RUBY = "/usr/bin/python3", "/usr/bin/ruby"
SCRIPTS = {"python": (PYTHON, "hogs.py"), "ruby": (RUBY, "hogs.rb")}
SLEEPS, QUESTIONS = 200, 150
LIMIT = 20              # seconds for what takes two, unless it is starved
HOGS_BEGIN = 0.1        # seconds of CPU time until they surely compute
FLASK_CLIENTS, FLASK_MS = 50, 2500
CONNECTIONS, REQUESTS, TURNS_S = 64, 1_000, 4


def command(place, verb, kind, *words):
    """`bench_hogs verb kind words...`, or the script that is that."""
    if kind not in SCRIPTS:
        return [place.program("bench_hogs"), verb, kind, *map(str, words)]
    interpreter, script = SCRIPTS[kind]
    if not os.access(interpreter, os.X_OK):
        raise Unavailable("needs " + interpreter)
    return [interpreter, os.path.join(HERE, script), verb, *map(str, words)]


def part(place, count):
    return count // 4 if place.quick else count


def sleeper(kind, hogs, preload, pin=False):
    """A measurement: how long sleeps of 5 ms last, and how late they end."""
    def measure(place):
        return run_once(
            command(place, "sleep", kind, hogs, part(place, SLEEPS)),
            place.environment(preload, {}),
            place.client_core if pin else None, LIMIT)
    return measure


def wait_for_hogs(process):
    end = time.monotonic() + LIMIT
    while cpu_seconds(process.pid) < HOGS_BEGIN:
        if process.poll() is not None or time.monotonic() > end:
            raise Unavailable("nothing computes in the server")
        time.sleep(0.01)


def served(kind, hogs, preload):
    """A measurement: one connection's requests, as its client sees them."""
    def measure(place):
        server = Child(command(place, "serve", kind, hogs),
                       place.environment(preload, {}), None, LIMIT)
        try:
            port = int(server.figures("port")["port"])
            wait_for_hogs(server.process)
            return run_once([place.program("bench_hogs"), "ask", str(port),
                             str(part(place, QUESTIONS))],
                            place.environment(False, {}), None, LIMIT)
        finally:
            server.end()
    return measure


@functools.cache
def has_flask():
    return os.access(PYTHON, os.X_OK) and subprocess.run(
        [PYTHON, "-c", "import flask"], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        check=False).returncode == 0


def flask(preload, hogs=2):
    """A measurement: the view that sleeps, with `hogs` requests that compute."""
    def measure(place):
        if not has_flask():
            raise Unavailable("needs python3-flask")
        server = Child([PYTHON, os.path.join(HERE, "hogs_flask.py")],
                       place.environment(preload, {}), None, LIMIT)
        links = []
        try:
            port = int(server.figures("port")["port"])
            for _ in range(hogs):
                links.append(socket.create_connection(("127.0.0.1", port), 5))
                links[-1].sendall(b"GET /compute HTTP/1.1\r\nHost: a\r\n\r\n")
            begun = cpu_seconds(server.process.pid)
            while cpu_seconds(server.process.pid) < begun + HOGS_BEGIN:
                time.sleep(0.01)
            load = run_once(
                [place.program("bench_hogs"), "load", str(port), "/sleep",
                 str(FLASK_CLIENTS), str(FLASK_MS)],
                place.environment(False, {}), None, LIMIT)
        finally:
            for link in links:
                link.close()
            server.end()
        if not load["answered"]:
            raise Unavailable(f"not one answer in {FLASK_MS / 1e3:g} s")
        return {"ms": 1e3 / load["per_second"], **load}
    return measure


class Echo:
    """A server and its client, which waits until it is told to ask."""

    def __init__(self, place, preempt):
        self.preempt = preempt
        self.server = Child([place.program("echo_threads")],
                            place.environment(True, {"VIREO_PREEMPT": preempt}),
                            place.server_core)
        port = int(self.server.figures("port")["port"])
        self.client = Child([place.program("echo_client"), str(port),
                             str(CONNECTIONS)], dict(os.environ),
                            place.client_core)
        self.client.figures("ready")

    def end(self):
        for child in (self.client, self.server):
            child.end()

    def one_slice(self):
        """CPU time of the server for each request, and time, us."""
        start = cpu_seconds(self.server.process.pid)
        self.client.send(f"{REQUESTS}\n")
        load = self.client.figures("done")
        if load["errors"] or not load["answered"]:
            raise Unavailable(f"VIREO_PREEMPT={self.preempt}: "
                              f"{load['errors']:.0f} requests without an "
                              f"answer, status {self.server.process.poll()}")
        used = cpu_seconds(self.server.process.pid) - start
        return used * 1e6 / load["answered"], 1e6 / load["per_second"]


def take_turns(place, servers):
    """Slices of load, ABBA; the medians."""
    slices = {label: [] for label in servers}
    order = list(servers) + list(servers)[::-1]
    for label in order: # each is warm before it counts
        servers[label].one_slice()
    end = time.monotonic() + part(place, TURNS_S)
    while time.monotonic() < end:
        for label in order:
            slices[label].append(servers[label].one_slice())
    return {label: dict(zip(("cpu_us", "us"),
                            map(statistics.median, zip(*rows))))
            for label, rows in slices.items()}


def idle_cost():
    """Two measurements, VIREO_PREEMPT=0 and 1, of two echo servers that take turns;
    one run is both."""
    found = {}

    def measure(place):
        servers = {}
        try:
            for preempt in ("0", "1"):
                servers[preempt] = Echo(place, preempt)
            found.update(take_turns(place, servers))
        finally:
            for pair in servers.values():
                pair.end()
        return found.pop("0")

    def other(_):
        if "1" not in found:
            raise Unavailable("the run without preemption failed")
        return found.pop("1")
    return measure, other
