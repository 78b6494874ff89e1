#!/usr/bin/python3
# label: long
# timeout: 1500
"""The blog under wrk while PostgreSQL and Redis are restarted and killed, many times: no
answer is other than good or 503, no connection is cut, nothing that was acknowledged is
lost, and at the end it serves as it did.  Then the same of a blog that an
AddressSanitizer watches, with all that it is linked to."""
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import apps # finds the others
import blogging
import harness
import queueing
from apps import check, until

CONNECTIONS, WRITERS, ROUNDS = 64, 4, 4
# What is done to them: orderly, at once, and with no time for anything.
WAYS = {"PostgreSQL": (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL),
        "Redis": (signal.SIGTERM, signal.SIGKILL)}
# wrk's own summary has one number for all that is not 2xx or 3xx.
SCRIPT = """
good, away, other, what = 0, 0, 0, ""
local paths = { "/api/posts/1", "/health", "/api/posts", "/", "/api/home" }
local count, threads = 0, {}
function setup(thread) table.insert(threads, thread) end
function request()
    count = count + 1
    return wrk.format("GET", paths[count % #paths + 1])
end
function response(status, headers, body)
    if status == 200 then good = good + 1
    elseif status == 503 then away = away + 1
    else other = other + 1; what = status .. " " .. body end
end
function done(summary)
    local all, e = { good = 0, away = 0, other = 0 }, summary.errors
    for _, thread in ipairs(threads) do
        for name in pairs(all) do all[name] = all[name] + thread:get(name) end
        if thread:get("what") ~= "" then print(thread:get("what")) end
    end
    for name in pairs(all) do print("count", name, all[name]) end
    for name in pairs({connect = 0, read = 0, write = 0, timeout = 0}) do
        print("count", name, e[name])
    end
end
"""


class Wrk:
    """Asks until it is told to stop, by SIGINT."""

    def __init__(self, port, folder):
        harness.need("wrk")
        path = os.path.join(folder, "wrk.lua")
        with open(path, "w", encoding="ascii") as file:
            file.write(SCRIPT)
        self.program = harness.Program(
            ["wrk", "-t1", "-c%d" % CONNECTIONS, "-d3600s", "--timeout", "60s",
             "-s", path, "http://127.0.0.1:%d" % port])

    def end(self):
        """{name: count}"""
        self.program.popen.send_signal(signal.SIGINT)
        self.program.wait(90)
        said = self.program.output()
        self.program.stop()
        found = {name: int(count) for name, count in re.findall(
            r"^count\t(\w+)\t(\d+)$", said, re.M)}
        check(len(found) == 7, "wrk: %s", said[-1500:])
        wrong = {name: count for name, count in found.items()
                 if count and name not in ("good", "away")}
        check(not wrong, "wrk: %s: %s", wrong, said[-1500:])
        return found


def restart(name, server, way, crowd, chance):
    """It is away for a while, which those who write notice."""
    blogging.until_served(crowd, "all are served")
    away = sum(visitor.away for visitor in crowd)
    server.running.stop(way, timeout=60)
    until(lambda: sum(visitor.away for visitor in crowd) >= away + WRITERS,
          "%s is missed" % name)
    time.sleep(chance.random())
    server.start()
    blogging.until_served(crowd, "all are served again behind %s, %s" % (
        name, way.name))


def few_sessions(database, size=20, workers=2):
    """The pools' connections are those of the pools: none was forgotten."""
    count = lambda: int(database.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres'"))
    # The mailer has four, and who asks one.
    check(count() <= workers * size + 5, "%d sessions", count())


def under_load(blog, database, redis, folder, chance):
    stop = threading.Event()
    browsers = [blogging.Browser(blog.port) for _ in range(WRITERS)]
    for number, browser in enumerate(browsers):
        browser.login("user%d" % number)
    crowd = blogging.visitors(browsers, stop)
    wrk = Wrk(blog.port, folder)
    try:
        for number in range(ROUNDS):
            for name, server in (("PostgreSQL", database), ("Redis", redis)):
                way = WAYS[name][number % len(WAYS[name])]
                restart(name, server, way, crowd, chance)
        few_sessions(database)
    finally:
        stop.set()
    found = wrk.end()
    print("wrk: %d good, %d times 503" % (found["good"], found["away"]))
    check(found["good"] > 100 and found["away"] > 0, "%s", found)
    print(blogging.nothing_is_lost(crowd, database))
    check(sum(visitor.broken for visitor in crowd) == 0,
          "a connection was cut: %s", [v.last_failure for v in crowd])


def rounds(build_dir):
    seed = random.randrange(1 << 30)
    print("seed %d" % seed)
    with tempfile.TemporaryDirectory() as folder, apps.Postgres() as database, \
            apps.Redis(queueing.DURABLE) as redis, built_in(build_dir):
        env = blogging.environment(database.conninfo, redis.where)
        with apps.start("blog", env, args=("--workers", "2")) as blog, \
                blogging.Mailer(env) as mailer:
            under_load(blog, database, redis, folder, random.Random(seed))
            mailer.end()
            said = apps.stop(blog)
            check("anitizer" not in said and "runtime error" not in said, "%s",
                  said[-3000:])


@contextlib.contextmanager
def built_in(folder):
    before = harness.BUILD_DIR
    harness.set_build_dir(folder)
    try:
        yield
    finally:
        harness.set_build_dir(before)


def test_blog_under_wrk():
    rounds(harness.BUILD_DIR)


def test_blog_under_wrk_with_asan():
    if not shutil.which("clang"):
        raise harness.Skip("no clang")
    folder = os.path.join(harness.BUILD_DIR, "asan-blog")
    for words in (["--preset", "asan", "-B", folder,
                   "-DVIREO_UNIT_ONLY=OFF"],
                  ["--build", folder, "-j2", "--target", "app_blog",
                   "app_blog_mailer", "--", "--quiet"]):
        done = subprocess.run(["cmake", *words], cwd=harness.SOURCE_DIR,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        check(done.returncode == 0, "cmake %s: %s", words, done.stdout[-3000:])
    rounds(folder)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
