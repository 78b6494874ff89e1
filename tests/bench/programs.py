"""programs.py - running one benchmark program, or one echo server, once.

Each measurement is a function that takes a Place and returns figures by name,
or raises Unavailable with the reason why there is none.
"""
import os
import resource
import select
import signal
import subprocess
import time

PATIENCE = 180          # seconds for one run of one program
KERNEL_STACK = 16384    # bytes a native thread takes in the kernel, 64-bit Linux
SPARE_THREADS = 16384   # left to the rest of the machine by a native run


class Unavailable(Exception):
    """This measurement cannot be made here; says why."""


class Place:
    """Where the programs are, and which processors they run on."""

    def __init__(self, build_dir, quick):
        cores = sorted(os.sched_getaffinity(0))
        self.programs = os.path.join(build_dir, "tests", "bench")
        self.preload = os.path.join(build_dir, "lib", "libvireo-preload.so")
        self.server_core = cores[0]
        self.client_core = cores[-1]
        self.quick = quick

    def program(self, name):
        reason = os.path.join(self.programs, "missing", name)
        if os.path.exists(reason):
            with open(reason, encoding="utf-8") as file:
                raise Unavailable(file.read().strip())
        path = os.path.join(self.programs, name)
        if not os.path.exists(path):
            raise Unavailable(f"{name} was not built")
        return path

    def environment(self, preload, settings):
        env = {name: value for name, value in os.environ.items()
               if name != "LD_PRELOAD" and not name.startswith("VIREO_")}
        if preload:
            if not os.path.exists(self.preload):
                raise Unavailable("libvireo-preload.so was not built")
            # A run that fell back to native threads must not pass for ours.
            env.update(LD_PRELOAD=self.preload, VIREO_REQUIRE="1")
            env.update(settings)
        return env


def on_core(core):
    """For preexec_fn: pin, and undo what a background shell left ignored."""
    def prepare():
        if core is not None:
            os.sched_setaffinity(0, {core})
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
    return prepare


def parse(lines):
    figures = {}
    for line in lines:
        name, _, value = line.partition(" ")
        figures[name] = float(value)
    return figures


def first_line(text):
    lines = text.strip().splitlines()
    return lines[0] if lines else "no message"


def run_once(words, env, core, limit=PATIENCE):
    """Run a benchmark program to its end.  Returns its figures."""
    try:
        done = subprocess.run(
            words, env=env, preexec_fn=on_core(core),
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"no end within {limit} s") from None
    if done.returncode:
        raise Unavailable(f"ended with {done.returncode}: "
                          + first_line(done.stderr))
    return parse(done.stdout.splitlines())


def program(name, case, count, *extra, preload=False, pin=True, settings=None,
            memory_needed=0):
    """A measurement: one run of `name case count extra...`."""
    def measure(place):
        need_memory(memory_needed)
        times = max(count // 10, 1000) if place.quick else count
        words = [place.program(name), case, str(times), *map(str, extra)]
        return run_once(words, place.environment(preload, settings or {}),
                        place.client_core if pin else None)
    return measure


def upstream(case, count, *extra):
    """A measurement: one run of upstream.py, on Python's greenlet."""
    return script("upstream.py", case, count, *extra)


def gevent(case, count, *extra):
    """A measurement: one run of anchor_gevent.py."""
    return script("anchor_gevent.py", case, count, *extra)


def script(name, case, count, *extra):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)

    def measure(place):
        times = max(count // 10, 1000) if place.quick else count
        words = ["/usr/bin/python3", path, case, str(times),
                 *map(str, extra)]
        return run_once(words, place.environment(False, {}),
                        place.client_core)
    return measure


def cpu_seconds(pid):
    """CPU time of a whole process, in ns resolution: its CPU-time clock, as
    clock_getcpuclockid(3) numbers it; /proc/PID/stat counts in 10 ms."""
    return time.clock_gettime((~pid << 3) | 2)


def memory(pid):
    """RSS + page tables + kernel stacks of a process, bytes; and its threads."""
    fields = {}
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            name, _, value = line.partition(":")
            fields[name] = value.split()
    total = sum(int(fields[name][0]) * 1024 for name in ("VmRSS", "VmPTE"))
    threads = int(fields["Threads"][0])
    return total + threads * KERNEL_STACK, threads


def peak(pid):
    """The largest RSS that a process had, bytes."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) * 1024 for line in file
                    if line.startswith("VmHWM:"))


class Child:
    """A server or a client: lines out, lines in, ended by its own pid."""

    def __init__(self, words, env, core, limit=PATIENCE):
        self.limit = limit
        self.process = subprocess.Popen(
            words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, preexec_fn=on_core(core), bufsize=0)
        self.pending = b""

    def line(self):
        end = time.monotonic() + self.limit
        while b"\n" not in self.pending:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [],
                                              left)[0]:
                raise Unavailable(f"no answer within {self.limit} s")
            piece = self.process.stdout.read(4096)
            if not piece:
                raise Unavailable("ended early, "
                                  f"status {self.process.wait(PATIENCE)}")
            self.pending += piece
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode()

    def figures(self, last):
        """Figures up to and with the one named `last`."""
        lines = []
        while not lines or not lines[-1].startswith(last + " "):
            lines.append(self.line())
        return parse(lines)

    def send(self, text):
        self.process.stdin.write(text.encode())

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def need_memory(size):
    """Refuse where that many bytes are not there."""
    with open("/proc/meminfo", encoding="utf-8") as file:
        fields = dict(line.split(":", 1) for line in file)
    there = int(fields["MemAvailable"].split()[0]) * 1024
    if there < size:
        raise Unavailable(f"needs {size / 1e9:.1f} GB of memory, "
                          f"{there / 1e9:.1f} GB are available")


def need_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            raise Unavailable(f"needs {count} descriptors, the limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def need_threads(count):
    with open("/proc/sys/kernel/pid_max", encoding="utf-8") as file:
        limit = int(file.read())
    with open("/proc/loadavg", encoding="utf-8") as file:
        used = int(file.read().split()[3].split("/")[1])
    if used + count + SPARE_THREADS > limit:
        raise Unavailable(f"{count} native threads would leave the machine "
                          f"less than {SPARE_THREADS} of {limit}")


def drive(place, server, connections, requests):
    """Open the connections, keep every one busy, and look at the server."""
    pid = server.process.pid
    port = int(server.figures("port")["port"])
    before, _ = memory(pid)
    client = Child([place.program("echo_client"), str(port), str(connections)],
                   dict(os.environ), place.client_core)
    try:
        opened = client.figures("ready")
        client.send(f"{2 * connections}\n")
        client.figures("done")
        held, threads = memory(pid)
        start = cpu_seconds(pid)
        client.send(f"{requests}\n")
        load = client.figures("done")
        used = cpu_seconds(pid) - start
    finally:
        client.end()
    if load["errors"] or not load["answered"]:
        raise Unavailable(f"{load['errors']:.0f} of {requests} requests "
                          "without an answer")
    return {"cpu_us": used * 1e6 / load["answered"], "threads": threads,
            "bytes": (held - before) / connections,
            "open_ms": opened["open_ms"], "per_second": load["per_second"],
            "p50_us": load["p50_us"], "p99_us": load["p99_us"]}


def echo(name, connections, requests, *extra, preload=False, threads=False,
         settings=None):
    """A measurement: the echo server `name` with this many connections.
    `threads`: it makes that many real threads."""
    def measure(place):
        total = max(requests // 5, 2 * connections) if place.quick else requests
        need_descriptors(connections + 200)
        if threads:
            need_threads(connections)
        server = Child([place.program(name), *map(str, extra)],
                       place.environment(preload, settings or {}),
                       place.server_core)
        try:
            return drive(place, server, connections, total)
        finally:
            server.end()
    return measure
