"""cases.py - what is measured, beside what, and how far it should get.

A Bench is measured by several Series in turn.  A Figure picks one number out
of what a series prints; its ratios are to the series named `reference`.
Targets are those of the project's performance goals; they are shown, never
asserted.
"""
import ctypes
import platform
from dataclasses import dataclass, field

from http_programs import built, busy, calls, idle, nginx
import hubs_programs
import operate_programs
import preempt_programs
import python_cases
from postgres_programs import pgbench, views
from programs import echo, gevent, program, upstream

FCONTEXT = "jump_fcontext"
FIBER = "boost.fiber"
GO = "Go"
GEVENT = "gevent"
NATIVE = "native pthread"
LIBEV = "libev callbacks"
PRELOADED = "vireo, preloaded pthread"
PYTHON = "Python's greenlet"
VIREO = "vireo"


@dataclass
class Target:
    """At most `limit`: times the series `of`, or units where that is None."""
    limit: float
    of: str = None


@dataclass
class Figure:
    key: str
    unit: str
    reference: str
    targets: dict = field(default_factory=dict)


@dataclass
class Bench:
    name: str
    title: str
    series: dict            # label -> measurement
    figures: list
    rounds: int = None      # None: as the command line says
    slow: bool = False      # left out of --quick
    group: str = None       # another name that it is asked for by


def greenlet(case, count, **options):
    return program("bench_greenlet", case, count, **options)


def fcontext(case, count, **options):
    return program("anchor_fcontext", case, count, **options)


def fiber(case, count):
    return program("anchor_fiber", case, count)


def go(case, count, **options):
    return program("anchor_go", case, count, **options)


def preloaded(case, count, *extra, **options):
    return program("bench_pthread", case, count, *extra, preload=True,
                   **options)


def native(case, count, *extra, **options):
    return program("bench_pthread", case, count, *extra, **options)


def switch_cases():
    yield Bench(
        "switch", "one switch between two greenlets", {
            "vireo greenlet_switch": greenlet("switch", 20_000_000),
            FCONTEXT: fcontext("switch", 20_000_000),
        }, [Figure("cpu_ns", "ns", FCONTEXT, {
            "vireo greenlet_switch": Target(1.6, FCONTEXT)})],
        group="context")
    yield Bench(
        "yield", "one yield through the scheduler, two runnable", {
            "vireo hub_yield": greenlet("yield", 10_000_000),
            "vireo, preloaded sched_yield (own TLS)":
                preloaded("yield", 5_000_000),
            FCONTEXT: fcontext("switch", 20_000_000),
            FIBER: fiber("yield", 3_000_000),
            GO: go("yield", 3_000_000),
            NATIVE: native("yield", 200_000),
        }, [Figure("cpu_ns", "ns", FCONTEXT, {
            "vireo hub_yield": Target(2.2, FCONTEXT),
            "vireo, preloaded sched_yield (own TLS)": Target(6, FCONTEXT)})],
        group="hub")


def fsgsbase():
    """Can a program write the thread pointer itself?"""
    at_hwcap2, bit = 26, 2
    if platform.machine() != "x86_64":
        return True
    getauxval = ctypes.CDLL(None).getauxval
    getauxval.restype = ctypes.c_ulong
    getauxval.argtypes = [ctypes.c_ulong]
    return bool(getauxval(at_hwcap2) & bit)


def context_cases():
    own = "vireo, each its own TLS"
    without = ("" if fsgsbase() else
               "; no FSGSBASE here, so each is a system call")
    count = 20_000_000 if fsgsbase() else 200_000
    yield Bench(
        "context-own-tls",
        "one switch that writes the thread pointer" + without, {
            own: program("bench_own_tls", "switch", count),
            "writing the thread pointer alone":
                program("bench_own_tls", "write", count),
            FCONTEXT: fcontext("switch", 20_000_000),
        }, [Figure("cpu_ns", "ns", FCONTEXT, {own: Target(4, FCONTEXT)})],
        group="context")
    floor = FCONTEXT + ", pooled stacks"
    for name, case, raw, title, goal in (
            ("context-life", "life", "spawn",
             "create, run, die, one at a time", 30),
            ("context-life-1000", "life-many", "spawn-many",
             "create, run, die, 1,000 alive", 40)):
        yield Bench(name, title, {
            "vireo greenlet_new + switch + unref": greenlet(case, 3_000_000),
            floor: fcontext(raw, 3_000_000),
        }, [Figure("cpu_ns", "ns", floor, {
            "vireo greenlet_new + switch + unref": Target(goal)})],
            group="context")
    for name, case, title in (
            ("context-counts", "switch", "switches"),
            ("context-counts-life", "life", "lives")):
        yield Bench(
            name, f"what many {title} with a plain pointer ask for, in all", {
                VIREO: program("bench_counts", case, 1_000_000),
            }, [Figure("allocations", "allocations", VIREO,
                       {VIREO: Target(0)}),
                Figure("system_calls", "system calls", VIREO,
                       {VIREO: Target(0)})],
            rounds=1, group="context")


def upstream_cases():
    """The six benchmarks of upstream.  Python is given a part of the work."""
    for name, case, count, part, depth, title in (
            ("create", "create", 5_000_000, 1_000_000, (), "create and drop"),
            ("switch", "switch", 10_000_000, 1_000_000, (),
             "a switch, shallow"),
            ("deep", "switch", 1_000_000, 10_000, (200,),
             "a switch, 200 frames down and back up"),
            ("deeper", "switch", 500_000, 5_000, (400,),
             "a switch, 400 frames down and back up"),
            ("getcurrent", "getcurrent", 50_000_000, 5_000_000, (),
             "the current greenlet"),
            ("chain", "chain", 500_000, 100_000, (),
             "a link in a chain of 100,000")):
        yield Bench(
            "context-upstream-" + name, "upstream's benchmarks: " + title, {
                VIREO: program("bench_upstream", case, count, *depth),
                PYTHON: upstream(case, part, *depth),
            }, [Figure("cpu_ns", "ns", PYTHON, {
                VIREO: Target(0.1, PYTHON)})],
            rounds=1 if name == "chain" else 3, group="context")


def spawn_cases():
    for name, case, title in (
            ("spawn", "spawn", "spawn and join, one at a time"),
            ("spawn-1000", "spawn-many", "spawn and join, 1,000 alive")):
        yield Bench(name, title, {
            "vireo hub_spawn + hub_join": greenlet(case, 3_000_000),
            FCONTEXT + ", pooled stacks": fcontext(case, 3_000_000),
            FIBER + ", pooled stacks": fiber(case, 500_000),
            GO: go(case, 500_000),
        }, [Figure("cpu_ns", "ns", FCONTEXT + ", pooled stacks", {
            "vireo hub_spawn + hub_join": Target(45)})], group="hub")
    for name, case, title in (
            ("create", "create", "pthread_create + join, one at a time"),
            ("create-1000", "create-many",
             "pthread_create + join, 1,000 alive")):
        yield Bench(name, title, {
            PRELOADED: preloaded(case, 300_000),
            NATIVE: native(case, 5_000),
        }, [Figure("cpu_ns", "ns", NATIVE, {PRELOADED: Target(250)})])


def handover_cases():
    yield Bench(
        "handover", "hand-over by mutex and condition, two threads", {
            PRELOADED: preloaded("handover", 2_000_000),
            NATIVE: native("handover", 100_000),
            GO + ", channels": go("handover", 2_000_000),
        }, [Figure("cpu_ns", "ns", NATIVE)])


def memory_cases():
    # A page each, page tables, and what the machine needs for itself.
    large = {"memory_needed": 5 * 10**9}
    yield Bench(
        "parked-100k", "memory of a parked greenlet, 128 KiB stack, 100,000", {
            "vireo greenlet": greenlet("parked", 100_000),
            FCONTEXT: fcontext("parked", 100_000),
            FIBER + " (no guard)": fiber("parked", 20_000),
            GO: go("parked", 100_000),
        }, [Figure("bytes", "B", FCONTEXT, {"vireo greenlet": Target(4400)})],
        rounds=3, group="memory")
    yield Bench(
        "parked-1m", "memory of a parked greenlet, 128 KiB stack, 1,000,000", {
            "vireo greenlet": greenlet("parked", 1_000_000, **large),
            FCONTEXT: fcontext("parked", 1_000_000, **large),
            GO: go("parked", 1_000_000, **large),
        }, [Figure("bytes", "B", FCONTEXT, {"vireo greenlet": Target(4400)})],
        rounds=1, slow=True, group="memory")
    yield Bench(
        "mapped-100k", "memory of an idle pthread in a condition wait", {
            "vireo, 128 KiB stack": preloaded("parked", 100_000, 128 * 1024),
            "vireo, default stack": preloaded("parked", 100_000),
            NATIVE + " (2,000)": native("parked", 2_000),
        }, [Figure("bytes", "B", NATIVE + " (2,000)", {
                "vireo, 128 KiB stack": Target(8800),
                "vireo, default stack": Target(10700)}),
            Figure("with_kernel_stack", "B with kernel stacks",
                   NATIVE + " (2,000)")],
        rounds=3)


def time_cases():
    # Not pinned: a sleeper that wakes is placed by the kernel, here as there.
    yield Bench(
        "usleep", "usleep(100) in a thread, median of the calls", {
            PRELOADED: preloaded("usleep", 2_000, 100, pin=False),
            NATIVE: native("usleep", 2_000, 100, pin=False),
        }, [Figure("wall_us", "us", NATIVE, {
            PRELOADED: Target(1.3, NATIVE)})])
    yield Bench(
        "no-thread", "1-byte read + write of /dev/zero, no thread ever made", {
            "vireo, preloaded": preloaded("no-thread", 1_000_000),
            "native": native("no-thread", 1_000_000),
        }, [Figure("cpu_ns", "ns", "native", {
            "vireo, preloaded": Target(1.02, "native")})],
        rounds=15)


def hub_cases():
    """What greenlets wait with, beside the same of others."""
    for name, case, count, part, extra, title, go_case in (
            ("timer", "timer", 1_000_000, 200_000, 100_000,
             "a timer set and fired among 100,000", "timer"),
            ("event", "event", 3_000_000, 300_000, 0,
             "hand-over by events, two greenlets", "handover"),
            ("queue", "queue", 5_000_000, 500_000, 0,
             "an item through a queue of 128", "queue"),
            ("semaphore", "semaphore", 3_000_000, 300_000, 0,
             "a contended semaphore of one, held over a yield", "semaphore")):
        more = (extra,) if extra else ()
        yield Bench("hub-" + name, title, {
            VIREO: program("bench_hub", case, count, *more),
            FIBER: program("anchor_fiber", case, part * 2, *more),
            GO: program("anchor_go", go_case, count, *more),
            GEVENT: gevent(case, part, *more),
        }, [Figure("cpu_ns", "ns", GO)], rounds=3, group="hub")
    yield Bench(
        "hub-usleep", "hub_sleep() of 100 us, median of the calls", {
            VIREO: program("bench_hub", "usleep", 2_000, 100, pin=False),
            NATIVE: native("usleep", 2_000, 100, pin=False),
        }, [Figure("wall_us", "us", NATIVE, {VIREO: Target(1.3, NATIVE)})],
        group="hub")


def echo_cases():
    ours = "vireo, preloaded thread server"
    small = "vireo, the same with VIREO_STACK=128K"
    linked = "vireo, linked"
    # The goals are for 10,000; with 1,000 what a runtime starts once weighs
    # 700 B on each connection.
    cpu = {ours: Target(1.15, LIBEV), small: Target(1.15, LIBEV),
           linked: Target(1.10, LIBEV)}
    held = {ours: Target(11_000), small: Target(9_000)}
    for name, connections, requests, cpu_goals, held_goals in (
            ("echo-1000", 1_000, 200_000, {}, {}),
            ("echo-10000", 10_000, 200_000, cpu, held)):
        load = (connections, requests)
        yield Bench(
            name, f"echo, {connections:,} connections, all busy", {
                ours: echo("echo_threads", *load, preload=True),
                small: echo("echo_threads", *load, preload=True,
                            settings={"VIREO_STACK": "128K"}),
                linked: echo("bench_hub_echo", *load),
                LIBEV: echo("anchor_echo_ev", *load),
                GO: echo("anchor_echo_go", *load),
                NATIVE: echo("echo_threads", *load, threads=True),
            }, [Figure("cpu_us", "us CPU a request", LIBEV, cpu_goals),
                Figure("bytes", "B a connection", LIBEV, held_goals),
                Figure("threads", "OS threads", LIBEV),
                Figure("open_ms", "ms to open", NATIVE),
                Figure("p99_us", "us, p99", LIBEV)],
            slow=connections > 1_000, group="hub")


def http_cases():
    """A hello, beside a loop that only makes the system calls, and nginx."""
    bare, other = "bare epoll loop", "nginx, return 200"
    servers = {VIREO: built("bench_http"), bare: built("anchor_http_epoll"),
               other: nginx}

    def each(measurement, *args, **options):
        return {label: measurement(server, *args, **options)
                for label, server in servers.items()}

    for connections in (64, 1_000):
        yield Bench(
            f"http-{connections}", f"HTTP, {connections:,} connections kept "
            "alive, all busy", each(busy, connections, 200_000),
            [Figure("cpu_us", "us CPU a request", bare,
                    {VIREO: Target(1.10, bare)}),
             Figure("cpu_us", "us CPU a request, beside nginx", other,
                    {VIREO: Target(1, other)}),
             Figure("p99_us", "us, p99", bare)], group="http")
    yield Bench(
        "http-pipelined", "HTTP, 64 connections, 16 requests at once in each",
        each(busy, 64, 500_000, depth=16),
        [Figure("cpu_us", "us CPU a request", other,
                {VIREO: Target(0.15, other)})], group="http")
    yield Bench(
        "http-calls", "system calls a request, 64 connections",
        each(calls, 64, 20_000),
        [Figure("calls", "system calls", bare, {VIREO: Target(2.1)})],
        rounds=1, group="http")
    yield Bench(
        "http-idle", "memory of an idle connection kept alive, 10,000",
        each(idle, 10_000),
        [Figure("bytes", "B", other, {VIREO: Target(10 * 1024)})],
        rounds=1, group="http")
    yield Bench(
        "http-websocket", "memory of an idle WebSocket, 10,000",
        {VIREO: idle(servers[VIREO], 10_000, "websocket")},
        [Figure("bytes", "B", VIREO, {VIREO: Target(16 * 1024)})],
        rounds=1, group="http")


def view_cases():
    """Applications: a rule, a variable, JSON; and views that wait."""
    bare, hello = "bare epoll loop", "vireo, hello"
    ours = built("bench_views")
    yield Bench(
        "views-json", "a rule, a context variable, JSON; 64 connections", {
            VIREO: busy(ours, 64, 200_000, path="/users/7"),
            hello: busy(ours, 64, 200_000),
            bare: busy(built("anchor_http_epoll"), 64, 200_000)},
        [Figure("cpu_us", "us CPU a request", bare,
                {VIREO: Target(1.35, bare)})], group="http")
    count, requests = 5_000, 200_000
    sync, waits = "sync view, 100 ms", "async view, 100 ms"
    goals = {sync: Target(2, hello), waits: Target(2, hello)}
    yield Bench(
        "views-wait", f"views that wait for 100 ms, {count:,} connections", {
            sync: busy(ours, count, requests, path="/sync"),
            waits: busy(ours, count, requests, path="/async"),
            hello: busy(ours, count, requests),
            GO: busy(built("anchor_http_go"), count, requests, path="/sync")},
        [Figure("cpu_us", "us CPU a request", hello, goals),
         Figure("p99_us", "us, p99", GO,
                {sync: Target(1.5, GO), waits: Target(1.5, GO)}),
         Figure("peak_mb", "MB at most", GO,
                {sync: Target(75), waits: Target(75)})], group="http")


def database_cases():
    other = "pgbench -c 200 -t 1"
    yield Bench(
        "http-postgres", "200 views with SELECT pg_sleep(0.1) at once, by "
        "blocking libpq on one OS thread", {VIREO: views, other: pgbench},
        [Figure("wall_ms", "ms", other, {VIREO: Target(2, other)})],
        group="http")


ONE_HUB = "vireo, one hub"
HUBS = "vireo, --hubs=auto"


def cores_cases():
    hubs = {NATIVE: None, ONE_HUB: "1", HUBS: "auto"}

    def series(make):
        return {label: make(value) for label, value in hubs.items()}

    def computing(pairs, requests, rounds):
        return series(lambda value: program(
            "bench_cores", "serve", pairs, requests, rounds, pin=False,
            preload=value is not None,
            settings={} if value is None else {"VIREO_HUBS": value}))

    most = {HUBS: Target(1 / 0.95, NATIVE)}
    for pairs, requests, rounds in (20, 5000, 2000), (300, 300, 2000):
        yield Bench(
            "hubs-cpu-%d" % pairs, "%d clients of a server that computes"
            % pairs, computing(pairs, requests, rounds),
            [Figure("wall_ns", "ns", NATIVE, most)], group="hubs", slow=True)
    yield Bench(
        "hubs-memory", "5,000 threads that wait, each",
        series(lambda value: program(
            "bench_cores", "hold", 5000, 1, 1, pin=False,
            preload=value is not None,
            settings={} if value is None else {"VIREO_HUBS": value})),
        [Figure("kb_each", "KB", NATIVE, {HUBS: Target(1, NATIVE)})],
        group="hubs", slow=True)
    for name, script in (("read-only", "oltp_read_only"),
                         ("read/write", "oltp_read_write")):
        for threads in 20, 300:
            yield Bench(
                "hubs-mariadb-%s-%d" % (name.replace("/", "-"), threads),
                "MariaDB, sysbench %s, %d connections" % (name, threads),
                series(lambda value, script=script, threads=threads:
                       hubs_programs.database(script, threads, value)),
                [Figure("us", "us", NATIVE, most)], rounds=3, group="hubs",
                slow=True)
    yield Bench(
        "hubs-mariadb-memory", "MariaDB, 5,000 connections, each",
        series(lambda value: hubs_programs.idle(5000, value)),
        [Figure("bytes", "B", NATIVE, {HUBS: Target(1, NATIVE)})], rounds=1,
        group="hubs", slow=True)


def operate_cases():
    """The server, its control thread and the client on two cores; the command on
    either."""
    alone, dumped = operate_programs.dumps(10_000)
    label, other = "with a dump a second", "without"
    yield Bench(
        "dump", "echo, 10,000 connections, all busy, and `vireo dump`",
        {other: alone, label: dumped},
        [Figure("us", "us a request", other, {label: Target(1.01, other)}),
         Figure("cpu_us", "us CPU of the server a request", other)],
        rounds=3, group="operate", slow=True)


MAPPED = "vireo, preloaded"


def beside(measurement, *args, **options):
    """The same, natively and preloaded."""
    return {label: measurement(*args, label == MAPPED, **options)
            for label in (NATIVE, MAPPED)}


HOGS = {"arithmetic": ("C arithmetic", 1.5),
        "qsort": ("qsort() of ints", 2), "malloc": ("malloc() and free()", 2),
        "memcpy": ("memcpy() of 1 MB", 2), "python": ("CPython", 1.5),
        "ruby": ("Ruby", 1.5)}


def sleeper_cases():
    """The length of the sleep is what a program sees; by how much it is late is
    the harder figure."""
    def sleeper(name, title, times, *args, **options):
        goal = {MAPPED: Target(times, NATIVE)}
        return Bench(
            "preempt-" + name, "sleeps of 5 ms beside two hogs: " + title,
            beside(preempt_programs.sleeper, *args, **options),
            [Figure(key, unit, NATIVE, goal) for key, unit in (
                ("slept_mean_us", "us, mean length"),
                ("slept_p99_us", "us, p99 of the length"),
                ("late_mean_us", "us too late, mean"),
                ("late_p99_us", "us too late, p99"))],
            rounds=3, group="preempt", slow=True)

    for kind, (title, times) in HOGS.items():
        yield sleeper("sleep-" + kind, title, times, kind, 2)
    yield sleeper("pinned-sleep", "C arithmetic, all on one processor", 1.5,
                  "arithmetic", 2, pin=True)


def served_cases():
    for kind, (title, times) in HOGS.items():
        for hogs in 1, 2, 8:
            goal = {MAPPED: Target(times, NATIVE)}
            yield Bench(
                f"preempt-serve-{kind}-{hogs}",
                f"one connection beside {hogs} of {title}",
                beside(preempt_programs.served, kind, hogs),
                [Figure("mean_us", "us to be served, mean", NATIVE, goal),
                 Figure("p99_us", "us to be served, p99", NATIVE, goal)],
                rounds=3, group="preempt", slow=True)


def preempt_cases():
    yield from sleeper_cases()
    yield from served_cases()
    yield Bench(
        "preempt-flask", "Flask: a view that sleeps 50 ms, 50 clients, two "
        "requests that compute", beside(preempt_programs.flask),
        [Figure("ms", "ms between answers", NATIVE,
                {MAPPED: Target(1, NATIVE)}),
         Figure("per_second", "answers a second", NATIVE)],
        rounds=3, group="preempt", slow=True)
    off, with_it = preempt_programs.idle_cost()
    without, label = "VIREO_PREEMPT=0", "with preemption"
    yield Bench(
        "preempt-idle-echo", "echo, 64 connections, nobody computes",
        {without: off, label: with_it},
        [Figure("cpu_us", "us CPU a request", without,
                {label: Target(1.01, without)}),
         Figure("us", "us a request", without)],
        rounds=7, group="preempt", slow=True)
    yield Bench(
        "preempt-idle-yield", "sched_yield() of two threads",
        {name: preloaded("yield", 5_000_000,
                         settings={"VIREO_PREEMPT": value})
         for name, value in ((without, "0"), (label, "1"))},
        [Figure("cpu_ns", "ns", without, {label: Target(1.01, without)})],
        rounds=15, group="preempt", slow=True)


def python_greenlet_cases():
    other = python_cases.UPSTREAM
    for name, case, count, depth, limit, title in python_cases.CASES:
        key, unit = (("bytes", "B") if limit is None else ("cpu_ns", "ns"))
        targets = {} if limit is None else {
            python_cases.OURS: Target(limit, other)}
        yield Bench("python-" + name, "greenlet for CPython: " + title,
                    python_cases.series(case, count, depth),
                    [Figure(key, unit, other, targets)], rounds=3,
                    group="python")


def all_cases():
    for group in (switch_cases, context_cases, upstream_cases, spawn_cases,
                  handover_cases, hub_cases, memory_cases, time_cases,
                  echo_cases, http_cases, view_cases, database_cases,
                  cores_cases, operate_cases, preempt_cases,
                  python_greenlet_cases):
        yield from group()
