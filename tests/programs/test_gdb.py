#!/usr/bin/python3
# label: ci
"""gdb/vireo-gdb.py: greenlets of a live process and of core files, by name of
the functions that they are suspended in; without debug information of our
library too; and threads that the preload library maps."""
import os
import re
import resource
import subprocess
import sys
import tempfile

import harness
from harness import check

EXTENSION = os.path.join(harness.SOURCE_DIR, "gdb", "vireo-gdb.py")
LIBRARY = os.path.join(harness.BUILD_DIR, "lib")
THREE_DEEP = r"#\d+ .*innermost.*\n#\d+ .*middle.*\n#\d+ .*outermost.*\n"
LIVE = ("set confirm off", "break everything_is_there", "run")


def gdb(*commands, program, core=None, environment=None):
    command = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off",
               "-x", EXTENSION]
    for name, value in (environment or {}).items():
        command += ["-ex", "set env %s %s" % (name, value)]
    for each in commands:
        command += ["-ex", each]
    done = subprocess.run(command + [program] + ([core] if core else []),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          env=harness.environment(harness.NATIVE),
                          timeout=120)
    return done.stdout


def number_of(text, name):
    found = re.search(r"^ *(\d+) 0x\w+ .*\b%s$" % name, text, re.M)
    check(found, "no greenlet \"%s\" in:\n%s", name, text)
    return found.group(1)


def check_list(text):
    for state in ("main     suspended", "greenlet running", "greenlet dead",
                  "greenlet new", "greenlet suspended"):
        check(state in text, "no \"%s\" in:\n%s", state, text)
    number_of(text, "at work")
    return number_of(text, "parked one")


def check_three_deep(text):
    check(re.search(THREE_DEEP, text), "not three functions in:\n%s", text)
    check(re.search(r"^#0 ", text, re.M), "frames begin with #0:\n%s", text)
    last = [line for line in text.splitlines() if line.startswith("#")][-1]
    check("greenlet__entry" in last or "?? ()" in last,
          "the last frame is %s", last)


def live(program, environment=None):
    listed = gdb(*LIVE, "info greenlets", "kill", program=program,
                 environment=environment)
    n = check_list(listed)
    shown = gdb(*LIVE, "greenlet %s bt" % n, "kill", program=program,
                environment=environment)
    check_three_deep(shown.partition("Breakpoint 1, ")[2])
    shown = gdb(*LIVE, "greenlet %s up 3" % n, "kill", program=program,
                environment=environment)
    check("middle" in shown, "up 3 is not in middle():\n%s", shown)
    shown = gdb(*LIVE, "greenlet 1 bt", "greenlet 99 bt", "kill",
                program=program, environment=environment)
    check(re.search(r"^#\d+ .* main ", shown, re.M), "main is not in:\n%s",
          shown)
    check("no greenlet 99" in shown, "99 is one in:\n%s", shown)


def of_core(program, core):
    n = check_list(gdb("info greenlets", program=program, core=core))
    shown = gdb("echo begin\\n", "greenlet %s bt" % n, program=program,
                core=core)
    check_three_deep(shown.partition("begin\n")[2])


def program():
    harness.need("gdb", "strip", "cc")
    path = harness.c_program(
        "hosts_greenlets", "-I" + os.path.join(harness.BUILD_DIR, "include"),
        "-L" + LIBRARY, "-lvireo", "-Wl,-rpath," + LIBRARY,
        source=os.path.join(harness.HERE, "hosts", "greenlets.c"))
    first = gdb("break everything_is_there", "run", "kill", program=path)
    if "Breakpoint 1, " not in first:
        raise harness.Skip("gdb cannot run a program here: %s" % first)
    return path


def test_live():
    live(program())


def test_core_made_by_gdb():
    path = program()
    with tempfile.TemporaryDirectory(prefix="vireo-gdb-") as folder:
        core = os.path.join(folder, "core")
        text = gdb(*LIVE, "greenlets-core " + core, "kill", program=path)
        check(os.path.exists(core), "no core file: %s", text)
        of_core(path, core)


def test_core_made_by_the_kernel():
    path = program()
    with open("/proc/sys/kernel/core_pattern") as f:
        pattern = f.read().strip()
    if not re.fullmatch(r"\w+", pattern):
        raise harness.Skip("core files go to %s" % pattern)
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard == 0:
        raise harness.Skip("core files are not allowed")
    with tempfile.TemporaryDirectory(prefix="vireo-gdb-") as folder:
        subprocess.run(
            [path, "abort"], cwd=folder, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE,
                                                  (hard, hard)))
        cores = os.listdir(folder)
        check(len(cores) == 1, "not one core file, but %s", cores)
        of_core(path, os.path.join(folder, cores[0]))


def test_without_debug_information():
    path = program()
    with tempfile.TemporaryDirectory(prefix="vireo-gdb-") as folder:
        library = os.path.join(folder, "libvireo.so.0")
        subprocess.run(["strip", "-s", "-o", library,
                        os.path.join(LIBRARY, "libvireo.so")], check=True)
        live(path, {"LD_LIBRARY_PATH": folder})


def test_mapped_threads():
    program()
    path = harness.c_program("hosts_mapped", source=os.path.join(
        harness.HERE, "hosts", "mapped.c"))
    shown = gdb("set confirm off", "set startup-with-shell off",
                "break everything_is_there", "run", "info greenlets",
                "greenlet all bt", "kill", program=path,
                environment={"LD_PRELOAD": harness.preload(),
                             "VIREO_REQUIRE": "1"})
    check(len(re.findall("thread   suspended", shown)) == 3,
          "not three suspended threads in:\n%s", shown)
    check(len(re.findall(r"#\d+ .* sleeps_deep ", shown)) == 3,
          "not three in sleeps_deep():\n%s", shown)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
