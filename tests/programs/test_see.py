#!/usr/bin/python3
# label: ci, hub
"""Seeing inside a program that links the library: the report of a dead-lock, a
dump by a signal, reports of blocked hubs, the console; by name of the functions
of the program, which exports none."""
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time

import harness
from harness import check

LIBRARY = os.path.join(harness.BUILD_DIR, "lib")
INCLUDE = os.path.join(harness.BUILD_DIR, "include")
COMMAND = os.path.join(harness.BUILD_DIR, "bin", "vireo")


def program():
    harness.need("cc")
    return harness.c_program(
        "hosts_seen", "-I" + INCLUDE, "-L" + LIBRARY, "-Wl,-rpath," + LIBRARY,
        "-lvireo",
        source=os.path.join(harness.HERE, "hosts", "seen.c"))


def start(*arguments, **variables):
    env = harness.environment(harness.NATIVE)
    env.update(variables)
    return subprocess.Popen([program(), *arguments], env=env,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def run(*arguments, **variables):
    process = start(*arguments, **variables)
    out, err = process.communicate(timeout=60)
    check(process.returncode == 0, "ended with %s:\n%s%s", process.returncode,
          out, err)
    return out, err


def until(line, process):
    for got in process.stdout:
        if got.strip() == line:
            return
    raise harness.Failed("it never printed %s" % line)


def finish(process):
    process.kill()
    return process.communicate(timeout=60)[1]


def find(pattern, text):
    check(re.search(pattern, text, re.M | re.S), "no %s in:\n%s", pattern, text)


def test_dead_lock():
    out, err = run("dead-lock", "1")
    find("dead-lock Resource deadlock avoided", out)
    find("would block forever", err)
    find(r'"first"> suspended\n    waits for the end of greenlet 0x\w+ since '
         r'[\d.]+ s, held by <greenlet 0x\w+ "second">\n'
         r'      #0 \S+ hub_join\S* \(libvireo[^\n]*\n'
         r'      #1 \S+ joiner\+0x\w+ \(hosts_seen\)\n', err)
    find(r"main> suspended.* dead_lock\+0x", err)
    check("park" not in err and "greenlet__" not in err and "run_task" not in
          err, "frames of the library in:\n%s", err)


def test_blocked():
    out, err = blocked("spin", "TIME")
    find('is blocked: <greenlet 0x\\w+ "hog"> has not let others run for \\d\\.\\d',
         err)
    find(r"#0 .*spin_here\+0x.*busy\+0x", err)
    find("single-threaded 1", out)
    out, err = run("spin", "0.5", VIREO_MONITOR="0")
    check(err == "", "with VIREO_MONITOR=0: %s", err)
    _, err = run("spin", "0.5", VIREO_MAX_BLOCKING_TIME="30")
    check(err == "", "with 30 s: %s", err)
    _, err = run("spin", "0.5", VIREO_MONITOR_REPORTS="off")
    check(err == "", "without reports: %s", err)


def blocked(*arguments):
    """Output of a run that was reported.  On a busy machine the monitor may be
    late: then again, and longer."""
    for seconds in ("0.5", "2", "8"):
        out, err = run(*[seconds if word == "TIME" else word
                         for word in arguments])
        if "is blocked" in err:
            break
    return out, err


def test_blocked_in_a_child():
    out, err = blocked("child", "TIME")
    child = re.search(r"child (\d+)", out).group(1)
    find("of thread %s is blocked" % child, err)


def test_blocked_rarely_said():
    for _ in range(5):
        _, err = run(*["spin", "0.4"] * 6)
        count = len(re.findall("is blocked", err))
        check(count <= 4, "%d reports in 2.4 seconds:\n%s", count, err)
        if count > 0:
            return
    check(False, "no reports in five runs")


def dump_of(arguments, wait, **variables):
    process = start(*arguments, **variables)
    try:
        until(wait, process)
        time.sleep(0.2)
        process.send_signal(signal.SIGUSR2)
        text = ""
        for line in process.stderr:
            text += line
            if "end of the dump" in line:
                return text
        raise harness.Failed("no dump in:\n%s" % text)
    finally:
        finish(process)


def test_dump_by_signal():
    for monitor in "1", "0":
        for word in "spin", "spin-without-calls":
            text = dump_of([word, "30"], "busy", VIREO_DUMP_SIGNAL="USR2",
                           VIREO_MONITOR=monitor, VIREO_MONITOR_REPORTS="0")
            find('"hog"> running\n      #0 .*' + word.replace("-", "_"), text)
            find('"patient"> suspended\n    waits for a time to come since ',
                 text)
            find(r"waiting_one\+0x", text)
    text = dump_of(["say", "asleep", "sleep", "30"], "asleep",
                   VIREO_DUMP_SIGNAL="SIGUSR2")
    find(r"main> suspended\n    waits for a time to come.* main\+0x", text)
    check("single" not in text, "%s", text)


def test_bad_environment():
    _, err = run("sleep", "0", VIREO_MONITOR="maybe", VIREO_DUMP_SIGNAL="KILL",
                 VIREO_CONSOLE="/nowhere/there/is/none")
    find("VIREO_MONITOR=maybe is not understood", err)
    find("dump_signal=KILL is not used", err)
    find("no console at /nowhere/there/is/none: No such file", err)


def console(path, *words, **more):
    return subprocess.run([COMMAND, "console", path, *words], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False, **more)


def test_console():
    with tempfile.TemporaryDirectory(prefix="vireo-see-") as folder:
        path = os.path.join(folder, "socket")
        process = start("say", "asleep", "sleep", "3", VIREO_CONSOLE=path)
        try:
            until("asleep", process)
            mode = os.stat(path).st_mode
            check(mode == stat.S_IFSOCK | 0o600, "mode %o", mode)
            find("main> suspended", console(path, "list").stdout)
            find(r"main\+0x", console(path, "bt", "1").stdout)
            find("switches ", console(path, "stats").stdout)
            done = console(path, input="help\nwatchers\nquit\n")
            find("list: .*fd ", done.stdout)
            check(done.returncode == 0, "status %d", done.returncode)
            check(process.wait(timeout=60) == 0, "status %s",
                  process.returncode)
            check(not os.path.exists(path), "the socket is still there")
        finally:
            finish(process)
        check(console(path, "list").returncode == 1, "nobody is there")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
