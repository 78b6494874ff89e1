#!/usr/bin/python3
# label: ci
# timeout: 300
"""VIREO_HUBS: threads are spread, one sees where, bad values are said once and the program
goes on."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import harness
from harness import check

COMMAND = os.path.join(harness.BUILD_DIR, "bin", "vireo")


def environment(**variables):
    env = harness.environment(harness.VIREO)
    env.update(variables)
    return env


def run(words, **variables):
    done = subprocess.run(words, env=environment(**variables), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def plain_environment():
    """For `vireo run`, which preloads by itself."""
    return {name: value for name, value in environment().items()
            if name != "LD_PRELOAD"}


def operated(hubs, folder):
    popen = subprocess.Popen(
        [harness.c_program("operated"), "waits"], text=True,
        env=environment(VIREO_HUBS=hubs, VIREO_CONTROL=folder),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    pid = next(int(line.split()[1]) for line in popen.stdout
               if line.startswith("up"))
    end = time.monotonic() + 10
    while (not os.path.exists(os.path.join(folder, str(pid)))
           and time.monotonic() < end):
        time.sleep(0.01)
    return popen, pid


def seen(pid, folder):
    """({hub: threads}, the output of `vireo stats --json`)"""
    env = environment(VIREO_CONTROL=folder)
    env.pop("LD_PRELOAD", None)
    said = subprocess.run([COMMAND, "ps", str(pid)], env=env, text=True,
                          capture_output=True, check=True).stdout
    places = {}
    for line in said.splitlines()[1:]:
        if line.split()[1] != "-":
            hub = int(line.split()[1])
            places[hub] = places.get(hub, 0) + 1
    counted = subprocess.run([COMMAND, "stats", "--json", str(pid)], env=env,
                             text=True, capture_output=True, check=True).stdout
    return places, json.loads(counted), said


def test_threads_are_spread_and_seen():
    for hubs, most in (("1", 1), ("2", 2), ("3", 3)):
        folder = tempfile.mkdtemp(prefix="vireo-test-")
        popen, pid = operated(hubs, folder)
        try:
            places, counted, said = seen(pid, folder)
            check(len(places) == most, "%s hubs: %s", hubs, said)
            check(max(places.values()) - min(places.values()) <= 1,
                  "uneven: %s", said)
            check(counted["hubs"] == most, "stats: %s", counted)
            tasks = [open("/proc/%d/task/%s/comm" % (pid, task),
                          encoding="utf-8").read().strip()
                     for task in os.listdir("/proc/%d/task" % pid)]
            check(sum(name.startswith("vireo-hub-") for name in tasks)
                  == most - 1, "kernel threads: %s", tasks)
        finally:
            popen.stdin.close()
            check(popen.wait(30) == 0, "%s", popen.stderr.read())
            shutil.rmtree(folder, ignore_errors=True)


def test_bad_values_are_said_and_the_program_goes_on():
    program = [sys.executable, "-c",
               "import threading; t = threading.Thread(target=print, "
               "args=('ran',)); t.start(); t.join()"]
    for value in ("0", "1000", "x", "", "-1", "2x", "65", "auto2",
                  "99999999999999999999"):
        status, out, err = run(program, VIREO_HUBS=value)
        check(status == 0 and out == "ran\n", "%s: %d %s %s", value, status,
              out, err)
        check(re.fullmatch(r"vireo: VIREO_HUBS=%s: must be 1 to 64, or `auto`; "
                           r"one hub is used\n" % re.escape(value), err),
              "%s: it said: %s", value, err)
        done = subprocess.run([COMMAND, "run", "--hubs=" + value, "--",
                               *program], env=plain_environment(), text=True,
                              capture_output=True, timeout=60, check=False)
        check(done.returncode == 0 and done.stdout == "ran\n"
              and done.stderr.count("\n") == 1, "run --hubs=%s: %d %s %s",
              value, done.returncode, done.stdout, done.stderr)


def built_with_address_sanitizer(name, folder):
    """A conformance program, with the sanitizer's runtime in it."""
    tests = os.path.join(harness.SOURCE_DIR, "tests", "conformance")
    path = os.path.join(folder, name)
    done = subprocess.run(
        ["clang", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-fsanitize=address",
         "-fno-pie", "-no-pie", "-pthread", os.path.join(tests, "test_%s.c" % name),
         os.path.join(tests, "conformance.c"), "-o", path,
         *subprocess.run(["pkg-config", "--cflags", "--libs", "check"], text=True,
                         capture_output=True, check=True).stdout.split()],
        text=True, capture_output=True, check=False)
    if done.returncode != 0 and "cannot find" in done.stderr:
        raise harness.Skip("clang has no runtime for -fsanitize=address")
    check(done.returncode == 0, "%s", done.stderr)
    return path


def test_a_program_with_address_sanitizer():
    """There the library's libev finds other functions than elsewhere."""
    harness.need("clang", "pkg-config")
    with tempfile.TemporaryDirectory() as folder:
        for name, case in (("io_mix", {}),
                           ("pthread_cancel",
                            {"CONF_CASE": "main_can_be_cancelled"})):
            program = built_with_address_sanitizer(name, folder)
            for hubs in ("1", "2", "4"):
                status, out, err = run([program], VIREO_HUBS=hubs, CK_FORK="no",
                                       VIREO_REQUIRE="1",
                                       ASAN_OPTIONS="detect_leaks=0", **case)
                check(status == 0 and "100%" in out, "%s, %s hubs: %d\n%s%s",
                      name, hubs, status, out, err)


def test_good_values_say_nothing():
    program = [sys.executable, "-c",
               "import threading\n"
               "n = [threading.Thread(target=print, args=('ran',)) "
               "for i in range(8)]\n"
               "[t.start() for t in n]\n[t.join() for t in n]"]
    for value in ("1", "2", "64", "auto"):
        status, out, err = run(program, VIREO_HUBS=value)
        check(status == 0 and out.count("ran") == 8 and err == "",
              "%s: %d %s %s", value, status, out, err)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
