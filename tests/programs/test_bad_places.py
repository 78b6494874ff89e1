#!/usr/bin/python3
# label: ci
# timeout: 600
"""Places in which a program has less than usual: under a seccomp filter, few
descriptors, little memory, no /proc, closed streams.  Its answer is the native one,
on greenlets or after one line that says why not."""
import ctypes
import os
import platform
import resource
import struct
import sys

import harness
from harness import NATIVE, VIREO, check

COUNT = 30
SUM = "sum %d\n" % (COUNT * (COUNT - 1) // 2)
ERRNO, KILL = 0x50000, 0x80000000
EPERM, ENOSYS = 1, 38
X86 = platform.machine() == "x86_64"
NUMBERS = {
    "epoll_create": [213, 291] if X86 else [20],
    "epoll_ctl": [233] if X86 else [21],
    "epoll_wait": [232, 281, 441] if X86 else [22, 441],
    "timerfd": [283, 286] if X86 else [85, 86],
    "eventfd": [284, 290] if X86 else [19],
}
_libc = ctypes.CDLL(None, use_errno=True)


class Filter(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def forbid(numbers, action):
    """In the child before exec: a filter that answers these calls so."""
    code = [struct.pack("HBBI", 0x20, 0, 0, 0)]
    for at, number in enumerate(numbers):
        code.append(struct.pack("HBBI", 0x15, len(numbers) - at, 0, number))
    code.append(struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
    code.append(struct.pack("HBBI", 6, 0, 0, action))
    text = ctypes.create_string_buffer(b"".join(code))
    program = Filter(len(code), ctypes.addressof(text))
    if (_libc.prctl(38, 1, 0, 0, 0) != 0
            or _libc.prctl(22, 2, ctypes.byref(program), 0, 0) != 0):
        os._exit(77)


def threaded(before=None, env=None, command=None, limit=60):
    """(status, stdout, stderr) of the threaded program, native and with the
    preload, without VIREO_REQUIRE: it may go on native."""
    program = harness.c_program("threaded")
    command = [*(command or []), program, "-l", str(COUNT)]
    if before is not None:
        # harness.run() has a function of its own for the child.
        command = [sys.executable, os.path.abspath(__file__), "--in",
                   before, "--", *command]
    full = {"BUILD_DIR": harness.BUILD_DIR, **(env or {})}
    results = {}
    for mode in harness.modes():
        if mode == VIREO:
            full["PRELOAD_LATE"] = harness.preload()
        results[mode] = harness.run(command, NATIVE, full, limit)
    return results


def places():
    """What is done in the child, by name."""
    def rlimit(which, value):
        return lambda: resource.setrlimit(which, (value, value))

    found = {}
    for name, numbers in NUMBERS.items():
        for word, action in (("EPERM", ERRNO | EPERM),
                             ("ENOSYS", ERRNO | ENOSYS), ("kill", KILL)):
            found["%s:%s" % (name, word)] = (
                lambda n=numbers, a=action: forbid(n, a))
    for count in (5, 6, 8, 10, 16, 32, 64):
        found["fds:%d" % count] = rlimit(resource.RLIMIT_NOFILE, count)
    for mib in (16, 32, 64):
        found["memory:%d" % mib] = rlimit(resource.RLIMIT_AS, mib << 20)
    for kib in (64, 1024):
        found["stack:%d" % kib] = rlimit(resource.RLIMIT_STACK, kib << 10)
    found["stack:-1"] = rlimit(resource.RLIMIT_STACK, -1)
    found["locked:0"] = rlimit(resource.RLIMIT_MEMLOCK, 0)
    found["signals:0"] = rlimit(resource.RLIMIT_SIGPENDING, 0)
    for fds in ((0,), (2,), (0, 2)):
        found["closed:%s" % "".join(map(str, fds))] = (
            lambda fds=fds: [os.close(fd) for fd in fds])
    return found


def enter(place, command):
    """Run in the child: the place, then the program."""
    env = dict(os.environ)
    late = env.pop("PRELOAD_LATE", None)
    if late:
        env["LD_PRELOAD"] = late
    places()[place]()
    os.execve(command[0], command, env)


def same(place, said=None):
    """The outcome is the native one; `said`: it runs natively, and why."""
    results = threaded(place)
    native = results[NATIVE]
    for mode, (status, out, err) in results.items():
        check(status == native[0] and out.splitlines()[:1] ==
              native[1].splitlines()[:1], "%s, %s: %d %s %s, natively %s",
              place, mode, status, out, err, native)
        if mode == VIREO and said is not None and native[0] == 0:
            check(out == native[1] and err.count("\n") == 1 and said in err,
                  "%s: %s %s", place, out, err)
        elif mode == VIREO:
            check(err.count("\n") <= 1 + native[2].count("\n"), "%s: %s",
                  place, err)


def test_seccomp():
    for name in NUMBERS:
        for word in ("EPERM", "ENOSYS", "kill"):
            same("%s:%s" % (name, word), "seccomp")


def test_few_descriptors():
    for count in (5, 6, 8, 10, 16):
        same("fds:%d" % count, "descriptors")
    for count in (32, 64):
        same("fds:%d" % count)


def test_little_memory():
    """What succeeds natively does so with it, and fails as clearly.  (Stacks of
    1 MiB instead of 8: more threads fit in than natively.)"""
    for mib in (16, 32, 64):
        results = threaded("memory:%d" % mib)
        for mode, (status, out, err) in results.items():
            check(status in (0, 2), "%d MiB, %s: %d %s %s", mib, mode, status,
                  out, err)


def test_other_limits():
    for place in ("stack:64", "stack:1024", "stack:-1", "locked:0",
                  "signals:0"):
        same(place)


def test_closed_streams():
    for place in ("closed:0", "closed:2", "closed:02"):
        same(place)


def test_no_proc_no_dev_read_only():
    if os.geteuid() != 0 or harness.run(["unshare", "-m", "true"])[0] != 0:
        raise harness.Skip("needs root and mount namespaces")
    # The program prints `heavy` or `light` by what it sees in /proc.
    for script in ("mount -t tmpfs none /proc", "mount -t tmpfs none /dev",
                   "mount -o remount,bind,ro /"):
        for mode in harness.modes():
            status, out, err = harness.run(
                ["unshare", "-m", "sh", "-c", script + ' && exec "$@"', "sh",
                 harness.c_program("threaded"), str(COUNT)], mode)
            check((status, out, err) == (0, SUM, ""), "%s, %s: %d %s %s",
                  script, mode, status, out, err)


def test_started_by():
    for command in (["nohup"], ["timeout", "30"], ["setsid", "-w"],
                    ["nice"], ["env", "VIREO_VERBOSE=0"]):
        for mode in harness.modes():
            done = harness.run([*command, harness.c_program("threaded"),
                                str(COUNT)], mode)
            check(done[:2] == (0, SUM), "%s %s: %s", command, mode, done)
    done = harness.run(["env", "-i", harness.c_program("threaded"), "-l",
                        str(COUNT)], harness.modes()[-1])
    check(done == (0, SUM + "heavy\n", ""), "without an environment: %s", done)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--in"]:
        enter(sys.argv[2], sys.argv[4:])
    sys.exit(harness.main(globals()))
