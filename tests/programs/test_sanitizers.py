#!/usr/bin/python3
# label: ci
# timeout: 1500
"""A program that a sanitizer or valgrind watches, linked to the library as it is
built for everybody: nothing is reported that is not there, and what is there is;
and the unit tests of context/ under valgrind."""
import glob
import os
import shutil
import subprocess
import sys
import time

import harness
from harness import check

LIBRARY = os.path.join(harness.BUILD_DIR, "lib")
SOURCE = os.path.join(harness.HERE, "hosts", "sanitized.c")
# Not under valgrind: blocks of thread-local storage that it does not know; and two
# that take half a minute there and are not about stacks.
NOT_WATCHED = {"context_tls", "context_varmap", "context_varthreads"}


def build(compiler, sanitizer):
    """Path of the program, compiled so; a compiler may lack the runtime."""
    if not shutil.which(compiler):
        raise harness.Skip("%s is not installed" % compiler)
    path = os.path.join(harness.BUILD_DIR, "tests", "programs",
                        "hosts_sanitized_%s_%s" % (compiler, sanitizer))
    flags = ["-fsanitize=" + sanitizer] if sanitizer != "none" else []
    done = subprocess.run(
        [compiler, "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall",
         "-pthread", "-fno-pie", "-no-pie", *flags,
         "-I" + os.path.join(harness.BUILD_DIR, "include"), SOURCE, "-o", path,
         "-L" + LIBRARY, "-lvireo", "-Wl,-rpath," + LIBRARY],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0 and "cannot find" in done.stdout:
        raise harness.Skip("%s has no runtime for -fsanitize=%s"
                           % (compiler, sanitizer))
    check(done.returncode == 0, "%s", done.stdout)
    return path


# Of one program.  Most take seconds; of context_gate, which forks a child for each
# switch that may fail, valgrind makes 23 s of CPU time: many minutes among other
# sessions on a busy machine, each of which gets as much.
LIMIT_S = 600


def run(command, **variables):
    done = subprocess.run(command, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=LIMIT_S,
                          env=harness.environment(harness.NATIVE, variables))
    return done.returncode, done.stdout


def silent(command, **variables):
    status, text = run(command, **variables)
    check(status == 0 and text == "fine\n", "%s %s: %d\n%s", command,
          variables, status, text)


def found(report, function, command, tries=1, **variables):
    """In one of `tries` runs: a race is only seen where two threads meet."""
    for _ in range(tries):
        status, text = run(command, **variables)
        if status != 0:
            break
    check(status != 0 and report in text and function in text,
          "%s is not found; %d\n%s", report, status, text)


def address(compiler):
    path = build(compiler, "address")
    silent([path, "fine"])
    # Frames on a stack of the sanitizer's, where its search for leaks does not
    # look while their greenlet is suspended.
    silent([path, "fine"],
           ASAN_OPTIONS="detect_stack_use_after_return=1:detect_leaks=0")
    found("stack-buffer-overflow", " overflows ", [path, "overflow"])


def thread(compiler):
    path = build(compiler, "thread")
    silent([path, "fine"])
    found("data race", " races ", [path, "race"], tries=10)


def test_address_clang():
    address("clang")


def test_address_gcc():
    address("gcc")


def test_thread_clang():
    thread("clang")


def test_thread_gcc():
    thread("gcc")


# Without what each forked child would do besides: a server for gdb, and reports
# of its own of the signal that was meant to end it.
VALGRIND = ["valgrind", "--error-exitcode=1", "-q", "--vgdb=no"]


def test_valgrind():
    harness.need("valgrind", "cc")
    if not os.path.exists("/usr/include/valgrind/valgrind.h"):
        raise harness.Skip("the library was built without valgrind's header")
    status, text = run(VALGRIND + [build("gcc", "none"), "fine"])
    check(status == 0 and text.endswith("fine\n"), "%d\n%s", status, text)
    check("==" not in text, "something is reported:\n%s", text)


def test_unit_tests_under_valgrind():
    harness.need("valgrind")
    programs = sorted(glob.glob(os.path.join(
        harness.BUILD_DIR, "tests", "context", "context_*")))
    check(programs, "no unit tests are built")
    for path in programs:
        if os.path.basename(path) in NOT_WATCHED:
            continue
        start = time.monotonic()
        status, text = run(VALGRIND + ["--trace-children=no",
                                       "--child-silent-after-fork=yes", path],
                           CK_FORK="no", CK_VERBOSITY="normal")
        print("         %s under valgrind: %.0f s" % (
            os.path.basename(path), time.monotonic() - start), flush=True)
        check(status in (0, 77), "%s: %d\n%s", path, status, text)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
