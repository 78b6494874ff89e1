#!/usr/bin/python3
# label: ci
"""A program that never makes a thread runs the same under the preload: the same
output and status, the same fds, no thread of ours, no extra system call."""
import os
import re
import sys
import tempfile

import harness
from harness import NATIVE, check


def outcomes(command, **more):
    return {mode: harness.run(command, mode, **more)
            for mode in harness.modes()}


def same(command, **more):
    done = outcomes(command, **more)
    for mode, result in done.items():
        check(result == done[NATIVE], "%s: %s gives %s, natively %s",
              " ".join(command)[:60], mode, result, done[NATIVE])
    return done[NATIVE]


def test_what_it_sees_of_itself():
    status, out, _ = same([harness.c_program("nothread")])
    check(status == 7 and "threads: 1\n" in out
          and "single threaded: 1\n" in out, "natively %d %s", status, out)


def test_ordinary_programs():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lines")
        with open(path, "w") as f:
            f.writelines("line %d\n" % (n * 7919 % 1000) for n in range(5000))
        same(["sort", "-u", path])
        same(["sh", "-c", "cat %s | grep 77 | wc -l; exit 3" % path])
        same(["grep", "no such line", path])
        same(["tar", "-C", folder, "-cf", "/dev/null", "lines"])
        same(["find", folder, "-name", "l*"])
        same(["awk", "{n += $2} END {print n}", path])
    same(["ls", "/nonexistent"])
    same(["sh", "-c", "kill -TERM $$"])
    same([harness.PYTHON, "-c", "import sys; print(sum(range(10))); "
          "sys.stderr.write('e'); sys.exit(5)"])
    same([harness.PYTHON, "-c", "import subprocess; print(subprocess.run("
          "['echo', 'x'], capture_output=True).stdout)"])


def system_calls(mode, count):
    """How often the program makes each system call."""
    with tempfile.NamedTemporaryFile("r") as table:
        env = harness.environment(mode)
        command = ["strace", "-f", "-c", "-U", "calls,name", "-o", table.name]
        for name in ("LD_PRELOAD", "VIREO_REQUIRE"):
            if name in env:
                command += ["-E", "%s=%s" % (name, env[name])]
        status, _, err = harness.run(
            command + [harness.c_program("nothread"), str(count)])
        check(status == 7, "strace: %d %s", status, err)
        return {name: int(calls) for calls, name in re.findall(
            r"^\s*(\d+)\s+(\w+)\s*$", table.read(), re.M) if name != "total"}


def test_no_system_call_in_the_steady_state():
    """2,000 rounds make exactly 1,000 reads and writes more than 1,000."""
    harness.need("strace")
    for mode in harness.modes():
        few, many = system_calls(mode, 1000), system_calls(mode, 2000)
        check(few.get("read", 0) >= 1000, "%s: strace saw %s", mode, few)
        more = {name: many.get(name, 0) - few.get(name, 0)
                for name in set(few) | set(many)}
        more = {name: calls for name, calls in more.items() if calls}
        check(more == {"read": 1000, "write": 1000}, "%s: %s more", mode, more)


def test_no_thread_or_event_fd_at_start():
    """The constructor opens nothing that stays and starts nothing."""
    harness.need("strace")
    for mode in harness.modes():
        calls = system_calls(mode, 10)
        ours = [name for name in calls if re.match(
            r"clone|epoll_create|eventfd|timerfd_create|signalfd", name)]
        check(not ours, "%s: %s", mode, ours)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
