#!/usr/bin/python3
"""The demo: real threaded servers, unmodified, native and under Vireo in turn.

Prints a line for each step and one table, and writes BUILD/demo.html.  Exits
with 1 when a step under Vireo did not hold its connections or gave an error
answer.  Stops everything it has started, however it ends.

VIREO_DEMO_QUICK=1 runs it at a reduced size in well under a minute.
"""
import argparse
import os
import platform
import signal
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "programs"))
sys.path.insert(1, HERE)
sys.dont_write_bytecode = True

import harness  # noqa: E402
import report  # noqa: E402
from harness import NATIVE, VIREO  # noqa: E402

FULL = {"hold": 10000, "socks": 9500, "flask": 1000, "active": 1000,
        "seconds": 3.0, "flask_seconds": 1.8, "hold_rounds": 2,
        "flask_rounds": 5, "budget": 335}
QUICK = {"hold": 500, "socks": 300, "flask": 100, "active": 50,
         "seconds": 0.5, "flask_seconds": 0.5, "hold_rounds": 1,
         "flask_rounds": 1, "budget": 60}
# path, what it is, in how many of the rounds: the views that wait are the ones
# whose ratio the noise of a small machine hides most.
VIEWS = (("/", "hello", 3), ("/sleep", "sync view, sleeps 100 ms", 5),
         ("/async", "async view, awaits 100 ms", 5),
         ("/redis", "asks Redis", 3))
# Hub, monitor, and a thread for each call that is offloaded at that moment or
# was in the last second (name look-ups): far below one for each connection.
MAX_OS_THREADS = 66
# All servers and clients of both modes, before whatever else the machine does.
SESSION_NICE = -15


class OutOfTime(Exception):
    pass


class Asked:
    """Which signals asked the demo to end.  What a handler raises is lost where
    Python destroys an object just then, or where the error of a close() takes
    its place: so each step looks here, too."""

    def __init__(self):
        self.to_end = None

    def _end(self, error):
        self.to_end = error
        raise error

    def listen(self, seconds):
        for signum, error in ((signal.SIGINT, KeyboardInterrupt),
                              (signal.SIGTERM, KeyboardInterrupt),
                              (signal.SIGALRM, OutOfTime)):
            signal.signal(signum, lambda *_, e=error: self._end(e))
        signal.alarm(seconds)

    def check(self):
        if self.to_end:
            raise self.to_end


class Demo:
    def __init__(self, size, modes, asked):
        self.size = size
        self.asked = asked
        self.modes = modes
        self.start = time.monotonic()
        self.rounds = {}     # name -> mode -> measurements
        self.failures = []
        self.current = None  # the step and mode that run now
        self.gave_up = set()

    def say(self, text):
        print("[%3.0f s] %s" % (time.monotonic() - self.start, text),
              flush=True)

    def out_of_time(self, needed):
        left = self.size["budget"] - (time.monotonic() - self.start)
        return left < needed

    def measure(self, name, server, connections, base_stack_kb, **options):
        """One round of one step; the server is running."""
        self.asked.check()
        with harness.Load(server.port, connections, limit=25,
                          **options) as clients:
            clients.phase()
            before = server.usage()
            clients.go_on()
            # Most of the way through the run every thread is there.
            time.sleep(options["seconds"] * 0.7)
            during = server.usage()
            stack_kb = harness.kernel_stack_kb() - base_stack_kb
            clients.phase()
            after = server.usage()
            clients.go_on()
            end = clients.rest()
        cpu_s = after["cpu_s"] - before["cpu_s"]
        result = {
            "held": end["answering"], "open_s": end["open_s"],
            "threads": during["threads"],
            "processes": during["processes"],
            "memory_mb": (during["rss_kb"] + during["pte_kb"]
                          + max(stack_kb, 0)) / 1024,
            "rps": end["rps"], "errors": end["errors"],
            "cpu_us": 1e6 * cpu_s / max(end["requests"], 1),
            "p50_ms": end["p50_ms"], "p99_ms": end["p99_ms"],
        }
        self.rounds.setdefault(name, {}).setdefault(server.mode, []).append(
            result)
        self.say("%s, %s: %d connections held by %d OS threads, %.0f MB, "
                 "%.0f requests/s, %d errors" % (
                     name, report.NAMES[server.mode], result["held"],
                     result["threads"], result["memory_mb"], result["rps"],
                     result["errors"]))
        self.judge(name, server.mode, result, connections, end)

    def judge(self, name, mode, result, connections, end):
        if mode != VIREO:
            return
        if result["held"] < connections or result["errors"]:
            self.gave_up.add(self.current)
            self.failures.append(
                "%s under Vireo: %d of %d connections held, %d errors (%s)"
                % (name, result["held"], connections, result["errors"],
                   end["first_error"]))
        if result["threads"] > MAX_OS_THREADS * result["processes"]:
            self.failures.append("%s under Vireo: %d OS threads" % (
                name, result["threads"]))

    def with_server(self, name, mode, start, use):
        """Start a server, use it, stop it.  One that fails under Vireo fails
        the demo, and is not tried again; the other steps still run."""
        self.asked.check()
        if (name, mode) in self.gave_up:
            return
        self.current = (name, mode)
        base_kb = harness.kernel_stack_kb()
        server = None
        try:
            server = start(mode)
            use(server, base_kb)
        except (harness.Failed, OSError) as error:
            self.say("%s, %s: FAILED: %s" % (name, report.NAMES[mode], error))
            self.failures.append("%s, %s: %s" % (name, report.NAMES[mode],
                                                 error))
            self.gave_up.add(self.current)
        finally:
            if server:
                server.stop(timeout=5)

    def hold(self, name, start, connections, **options):
        """Steps with very many connections: one server at a time, since the
        native ones take a third of the threads that a machine has."""
        for turn in range(self.size["hold_rounds"]):
            for mode in self.modes:
                if turn and self.out_of_time(240):
                    return
                self.with_server(
                    name, mode, start,
                    lambda server, base_kb: self.measure(
                        name, server, connections, base_kb,
                        active=self.size["active"],
                        seconds=self.size["seconds"], **options))

    def flask(self, redis_port):
        starts = (("Werkzeug", harness.start_werkzeug),
                  ("gunicorn gthread", harness.start_gunicorn))

        def views(name, turn):
            def use(server, base_kb):
                for path, what, rounds in VIEWS:
                    if turn >= rounds:
                        continue
                    self.measure("Flask on %s: %s" % (name, what), server,
                                 self.size["flask"], base_kb, path=path,
                                 seconds=self.size["flask_seconds"])
            return use

        slowest = 0
        for turn in range(self.size["flask_rounds"]):
            began = time.monotonic()
            # From the fourth round on, only the views that wait.
            needed = slowest if turn < 3 else slowest * 0.6
            if turn and self.out_of_time(needed):
                self.say("out of time: Flask ends after %d of %d rounds"
                         % (turn, self.size["flask_rounds"]))
                return
            for name, start in starts:
                for mode in self.modes:
                    self.with_server(
                        "Flask on " + name, mode,
                        lambda m, s=start: s(m, redis_port, use_command=True),
                        views(name, turn))
            slowest = max(slowest, time.monotonic() - began)

    def steps(self):
        self.hold("C server, a thread a connection",
                  lambda m: harness.start_httpd(m, use_command=True),
                  self.size["hold"])
        self.hold("python3 ThreadingHTTPServer",
                  lambda m: harness.start_threading_http(m, use_command=True),
                  self.size["hold"])
        # Its target is under Vireo in both modes, where there is one: two
        # native programs with 9,500 threads each are more than a machine of
        # this size has.
        with harness.start_httpd(self.modes[-1]) as target:
            self.hold("microsocks before the C server",
                      lambda m: harness.start_microsocks(m, use_command=True),
                      self.size["socks"], socks_target=target.port)
        with harness.redis_server() as redis_port:
            self.flask(redis_port)

    def rows(self):
        rows = []
        for name, by_mode in self.rounds.items():
            row = {"name": name}
            for mode, results in by_mode.items():
                row[mode] = {key: statistics.median(r[key] for r in results)
                             for key in results[0]}
                row[mode]["errors"] = sum(r["errors"] for r in results)
                row[mode]["held"] = min(r["held"] for r in results)
            pairs = list(zip(by_mode.get(VIREO, []), by_mode.get(NATIVE, [])))
            if pairs:
                row["ratio"] = statistics.median(
                    v["rps"] / max(n["rps"], 0.001) for v, n in pairs)
                row["rounds"] = len(pairs)
            rows.append(row)
        return rows


def machine():
    with open("/proc/cpuinfo") as f:
        models = [line.split(":")[1].strip() for line in f
                  if line.startswith("model name")]
    return "%s, %d cores, Linux %s, %s" % (
        models[0] if models else platform.machine(), os.cpu_count(),
        platform.release(), time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))


def finish(demo, size, quick):
    rows = demo.rows()
    facts = [machine(),
             "Medians of interleaved rounds; ratio: requests/s under Vireo over "
             "native, median of the rounds.",
             "Memory is RSS + page tables + kernel stacks, threads and memory "
             "in the middle of the run; CPU is that of the server alone.",
             "Servers and clients of both modes weigh more than what else the "
             "machine does (autogroup nice %d), where that is allowed; native "
             "Python threads still lose most on a busy machine."
             % SESSION_NICE]
    if quick:
        facts.append("Reduced size: %(hold)d connections instead of 10,000, "
                     "Flask with %(flask)d, one round of %(seconds)s s."
                     % size)
    print("\n" + report.table(rows) + "\n")
    for fact in facts:
        print(fact)
    path = os.path.join(harness.BUILD_DIR, "demo.html")
    with open(path, "w") as f:
        f.write(report.page(rows, facts, demo.failures))
    print("Page with bars: %s" % path)
    for failure in demo.failures:
        print("FAILED: " + failure)
    return 1 if demo.failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build-dir")
    parser.add_argument("--native-only", action="store_true")
    args = parser.parse_args()
    if args.build_dir:
        harness.set_build_dir(args.build_dir)
    quick = os.environ.get("VIREO_DEMO_QUICK", "") not in ("", "0")
    size = QUICK if quick else FULL
    modes = [NATIVE] if args.native_only else [NATIVE, VIREO]
    if VIREO in modes and not os.path.exists(harness.preload()):
        sys.exit("demo: %s is not built" % harness.preload())
    if quick:
        print("Reduced size: %(hold)d, %(socks)d and %(flask)d connections, "
              "one round each." % size)
    harness.session_nice = SESSION_NICE
    asked = Asked()
    asked.listen(size["budget"] + 15)
    demo = Demo(size, modes, asked)
    try:
        demo.steps()
        asked.check()
    except OutOfTime:
        demo.failures.append("the demo was stopped after %d s"
                             % (size["budget"] + 15))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(130)
    finally:
        signal.alarm(0)
        harness.stop_all()
    sys.exit(finish(demo, size, quick))


if __name__ == "__main__":
    main()
