"""The demo's servers for a long time, under Vireo, with clients that do not
behave (soak_load.c), signals, and stops and continuations.

usage: soak.py [--seconds N] [--clients N] [--gap MS] [--slack X] [--seed N]
               [--native] server...

Servers are run two at a time, N seconds a pair.  That time is cut into spells,
each of which is followed by a silence.  In silence there must be as many
descriptors and mapped threads as in the silence at half time, and in the second
half the memory must not grow.  All clients must get what they sent, and in time.
--seed repeats a sequence of clients.
"""
import argparse
import contextlib
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "programs"))
sys.path.insert(1, HERE)
sys.dont_write_bytecode = True

import harness  # noqa: E402
from harness import NATIVE, VIREO, Failed, Skip  # noqa: E402
from sight import Sight  # noqa: E402

SPELL_S = 150
LIMIT_S = 60        # for one exchange, on a busy machine
SETTLE_S = 30       # until the server has closed what clients have left
# Memory in silence, in the second half: allocators keep what they once had at
# most, and that is reached late.
GROWTH_KB = 1024
GROWTH = 0.03
# All of these do nothing, or call a handler of the program's.
HARMLESS = [signal.SIGWINCH, signal.SIGURG, signal.SIGCHLD, signal.SIGCONT]
FLASK = "/,/sleep,/async,/redis"
# What grows with the most that were at work at a time, and is kept: connections of
# redis-py, threads of gunicorn.
POOL = 48
REDIS = {"fds": 16}
GUNICORN = {"fds": 16, "mapped": POOL}


def webrick(mode):
    harness.need("ruby")
    return harness.start_printing_server(
        ["ruby", os.path.join(harness.HERE, "webrick.rb")], mode)


# name: how it is started, paths, whether it has a handler of SIGUSR1, what it may
# keep more of than at half time
SERVERS = {
    "httpd": (lambda mode, _: harness.start_httpd(mode), "/,/sleep", True, {}),
    "threading_http": (lambda mode, _: harness.start_threading_http(mode),
                       "/,/sleep", True, {}),
    "werkzeug": (lambda mode, redis: harness.start_werkzeug(mode, redis),
                 FLASK, True, REDIS),
    "gunicorn": (lambda mode, redis: harness.start_gunicorn(
        mode, redis, threads=POOL), FLASK, True, GUNICORN),
    "webrick": (lambda mode, _: webrick(mode), "/,/sleep", True, {}),
    "microsocks": (lambda mode, _: harness.start_microsocks(mode), "/",
                   False, {}),
}


def poke(port):
    """One more connection: microsocks joins threads that have ended when the
    next begins."""
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 10).close()


def load_program():
    return harness.c_program(
        "soak_load", os.path.join(HERE, "soak_client.c"),
        source=os.path.join(HERE, "soak_load.c"))


class Soak:
    """One server, its clients, and what is seen of it."""

    def __init__(self, name, mode, options, redis_port, target_port):
        start, self.paths, has_handler, keeps = SERVERS[name]
        self.may_grow = {"fds": 0, "mapped": 0, "tasks": 0, **keeps}
        self.name, self.options, self.target = name, options, target_port
        self.signals = HARMLESS + [signal.SIGUSR1] * has_handler
        self.random = random.Random("%s %d" % (name, options.seed))
        self.sight = Sight()
        self.server = start(mode, redis_port)
        self.sent = self.stops = self.samples = 0
        self.most, self.silences, self.reports = {}, [], []
        self.problems = []

    def look(self):
        total = {}
        for pid in self.server.pids():
            with contextlib.suppress(OSError):
                for key, value in self.sight.look(pid).items():
                    total[key] = total.get(key, 0) + value
        for key, value in total.items():
            self.most[key] = max(value, self.most.get(key, 0))
        self.samples += 1
        return total

    def disturb(self):
        pids = self.server.pids()
        if not pids:
            return
        pid = self.random.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            if self.random.random() < 0.05:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(self.random.uniform(0.01, 0.3))
                os.kill(pid, signal.SIGCONT)
                self.stops += 1
            else:
                os.kill(pid, self.random.choice(self.signals))
                self.sent += 1

    def load(self, seconds, spell):
        command = [load_program(), "-p", str(self.server.port),
                   "-n", str(self.options.clients), "-d", str(seconds),
                   "-r", str(self.options.seed + spell), "-u", self.paths,
                   "-g", str(self.options.gap), "-l", str(LIMIT_S)]
        if self.name == "microsocks":
            command += ["-x", str(self.target), "-F"]
        with harness.Program(command, stdout=subprocess.PIPE) as load:
            end = time.monotonic() + seconds + LIMIT_S + 30
            look = 0
            while load.popen.poll() is None and time.monotonic() < end:
                if time.monotonic() > look:
                    look = time.monotonic() + 1
                    self.look()
                self.disturb()
                time.sleep(self.random.uniform(0.02, 0.2))
            text = load.popen.stdout.read().decode() if (
                load.popen.poll() is not None) else ""
            if not text:
                raise Failed("%s: the clients do not end" % self.name)
        return json.loads(text)

    def silence(self):
        """The figures when the server has settled; the least are looked for."""
        end = time.monotonic() + SETTLE_S
        poke(self.server.port)
        wanted = {key: more + min((s[key] for s in self.silences), default=1 << 30)
                  for key, more in self.may_grow.items()}
        time.sleep(harness.HELPERS_END_S)
        while True:
            now = self.look()
            if time.monotonic() > end or all(
                    now[key] <= wanted[key] for key in wanted):
                return now
            time.sleep(0.5)

    def run(self):
        spells = max(4, round(self.options.seconds / SPELL_S))
        quiet = self.options.seconds / spells
        for spell in range(spells):
            seconds = max(1, round(quiet - harness.HELPERS_END_S - 1))
            report = self.load(seconds, spell)
            self.reports.append(report)
            self.silences.append(self.silence())
            bad = [key for key in ("corrupt", "lost", "refused", "stuck")
                   if report[key]]
            if bad:
                self.problems.append("spell %d: %s; %s" % (
                    spell, ", ".join("%d %s" % (report[k], k) for k in bad),
                    report["first_error"]))
            if self.server.popen.poll() is not None:
                raise Failed("%s has ended: %s" % (
                    self.name, self.server.output()[-2000:]))

    def end(self):
        said = self.server.output()
        lines = [line for line in said.splitlines()
                 if line.startswith("vireo:")]
        if lines:
            self.problems.append("it said: " + "; ".join(lines[:3]))
        status = self.server.stop(timeout=30)
        if status not in (0, -signal.SIGTERM):
            self.problems.append("it ended with %s: %s" % (status,
                                                           said[-1000:]))

    def growth(self):
        """Of memory in the second half, in kB, and what it was at half time: the
        median slope between any two silences, since collectors run now and then,
        and what they leave goes up and down by a tenth."""
        memory = [silence["rss_kb"] for silence in self.silences]
        half = memory[(len(memory) - 1) // 2:]
        slopes = [(half[j] - half[i]) / (j - i)
                  for i in range(len(half)) for j in range(i + 1, len(half))]
        slope = statistics.median(slopes) if slopes else 0
        return slope * (len(half) - 1), statistics.median(half)

    def judge(self):
        half = self.silences[:(len(self.silences) + 1) // 2]
        last = self.silences[-1]
        for key in self.may_grow:
            # A runtime's own thread may be there now and then.
            before = max(silence[key] for silence in half)
            if last[key] > before + self.may_grow[key]:
                self.problems.append("%s: %d until half time, %d at the end" % (
                    key, before, last[key]))
        grown, before = self.growth()
        allowed = max(GROWTH_KB, GROWTH * before)
        if grown > allowed * self.options.slack:
            self.problems.append("memory grows: %s kB in silence" % (
                [s["rss_kb"] for s in self.silences]))

    def tell(self):
        def total(key):
            return sum(report[key] for report in self.reports)

        print("%s: %d lives, %d exchanges, %d left early, %d MB there and back, "
              "%d signals, %d stops, slowest %d ms" % (
                  self.name, total("lives"), total("exchanges"),
                  total("left_early"), total("received") >> 20, self.sent,
                  self.stops, max(r["slowest_ms"] for r in self.reports)))
        for key in ("rss_kb", "fds", "mapped", "tasks", "maps"):
            print("    %-7s in silence %s, at most %d" % (
                key, " ".join(str(s[key]) for s in self.silences),
                self.most[key]))
        for problem in self.problems:
            print("    PROBLEM: %s" % problem)
        sys.stdout.flush()


def soak_one(soak):
    try:
        soak.run()
        soak.judge()
        soak.end()
    except Exception as error:
        soak.problems.append("%s: %s" % (type(error).__name__, error))


def soak_pair(names, mode, options, redis_port, target_port):
    """True when nothing was wrong."""
    soaks = [Soak(name, mode, options, redis_port, target_port)
             for name in names]
    threads = [threading.Thread(target=soak_one, args=(soak,))
               for soak in soaks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for soak in soaks:
        if soak.reports:
            soak.tell()
        else:
            print("%s: %s" % (soak.name, soak.problems))
        soak.server.stop(timeout=1) if soak.problems else None
    return not any(soak.problems for soak in soaks)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("servers", nargs="*", default=list(SERVERS))
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--clients", type=int, default=80)
    parser.add_argument("--gap", type=int, default=5)
    parser.add_argument("--slack", type=float, default=1)
    parser.add_argument("--native", action="store_true")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser.parse_args()


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    harness.need("redis-server", "microsocks", "gunicorn")
    mode = NATIVE if options.native else VIREO
    print("--seed %d, %s, %d seconds a pair of servers, %d clients "
          "each%s" % (options.seed, mode, options.seconds, options.clients,
                      " (reduced: the soak is 1800 seconds)"
                      if options.seconds < 1800 else ""), flush=True)
    good = True
    with harness.redis_server() as redis, harness.start_httpd() as target:
        for at in range(0, len(options.servers), 2):
            good &= soak_pair(options.servers[at:at + 2], mode, options,
                              redis, target.port)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    try:
        main()
    except Skip as reason:
        print("skipped: %s" % reason)
        sys.exit(77)
