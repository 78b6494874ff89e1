#!/usr/bin/python3
# label: ci
"""Bad input and odd hosts: one clear line on stderr at most, and the program
goes on, native or with the error that POSIX names."""
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

import harness
from harness import NATIVE, VIREO, check

COUNT = 60
SUM = "sum %d\n" % (COUNT * (COUNT - 1) // 2)


def host(name, *flags):
    return harness.c_program(name, *flags, source=os.path.join(
        harness.HERE, "hosts", name + ".c"))


def preloaded(env=None, program=None, library=None, require=False, args=None,
              **more):
    """Run a threaded program with the preload; by default without
    VIREO_REQUIRE, so that it may go on native."""
    full = {"LD_PRELOAD": library or harness.preload()}
    if require:
        full["VIREO_REQUIRE"] = "1"
    full.update(env or {})
    return harness.run([program or harness.c_program("threaded"),
                        *(args or ["-l", str(COUNT)])], NATIVE, full, **more)


def need_vireo():
    if VIREO not in harness.modes():
        raise harness.Skip("needs the preload library")


def one_line(err, what, *words):
    lines = err.splitlines()
    check(len(lines) == 1, "%s: %d lines on stderr: %s", what, len(lines), err)
    for word in words:
        check(word in lines[0], "%s: no %r in %r", what, word, lines[0])


def test_the_program_is_light_at_all():
    """What the others compare with: on greenlets, nothing on stderr."""
    need_vireo()
    done = preloaded(require=True)
    check(done == (0, SUM + "light\n", ""), "%s", done)


def test_malformed_values():
    need_vireo()
    for name, value in (
            ("VIREO_STACK", "banana"), ("VIREO_STACK", "-1"),
            ("VIREO_STACK", "0"), ("VIREO_STACK", "12Q"),
            ("VIREO_STACK", "99999999999999999999"), ("VIREO_STACK", "K"),
            ("VIREO_PATCH", "nosuchgroup"), ("VIREO_PATCH", "socket,,-what"),
            ("VIREO_VERBOSE", "loud"), ("VIREO_VERBOSE", "-4"),
            ("VIREO_STATS", "perhaps"), ("VIREO_REQUIRE", "maybe"),
            ("VIREO_TEST_MASK", "everything"),
            ("VIREO_STACK", "9" * 5000), ("VIREO_PATCH", "\x01\xff%s%n")):
        what = "%s=%s" % (name, value[:30])
        status, out, err = preloaded({name: value})
        check(status == 0 and out.startswith(SUM), "%s: %d %s %s", what,
              status, out, err)
        one_line(err, what, name)


def test_empty_values_and_unknown_names():
    need_vireo()
    for env in ({"VIREO_STACK": ""}, {"VIREO_PATCH": ""},
                {"VIREO_VERBOSE": ""}, {"VIREO_NO_SUCH_OPTION": "1"},
                {"VIREO_": "x"}):
        status, out, err = preloaded(env)
        check(status == 0 and out.startswith(SUM), "%s: %d %s %s", env,
              status, out, err)
        check(err.count("\n") <= 1, "%s: %s", env, err)


def test_good_values_say_nothing():
    need_vireo()
    for env in ({"VIREO_STACK": "128K"}, {"VIREO_STACK": "2M"},
                {"VIREO_STACK": "native"}, {"VIREO_STACK": "262144"},
                {"VIREO_PATCH": "-dns"}, {"VIREO_VERBOSE": "0"},
                {"VIREO_VERBOSE": "1"}):
        done = preloaded(env, require=True)
        check(done == (0, SUM + "light\n", ""), "%s: %s", env, done)


def test_what_the_other_libraries_read_is_known():
    need_vireo()
    for name, value in (("VIREO_MONITOR", "1"), ("VIREO_FORK", "all"),
                        ("VIREO_RESOLVER_TRIES", "2"), ("VIREO_MASTER", "1"),
                        ("VIREO_THREADPOOL_SIZE", "2"),
                        ("VIREO_PYTHON_STACK", "256K")):
        done = preloaded({name: value})
        check(done == (0, SUM + "light\n", ""), "%s: %s", name, done)


def test_kernel_features_pretended_absent():
    need_vireo()
    for mask in ("guard", "fsgsbase", "rwf_nowait", "epoll_pwait2", "pidfd",
                 "robust", "rseq",
                 "guard,rwf_nowait,epoll_pwait2,fsgsbase,pidfd,robust,rseq"):
        status, out, err = preloaded({"VIREO_TEST_MASK": mask}, require=True)
        check((status, out) == (0, SUM + "light\n"), "%s: %d %s %s", mask,
              status, out, err)
        check(err.count("\n") <= 1, "%s: %s", mask, err)


def test_runtime_library_missing():
    """The preload library alone in a folder: native, with one line; with
    VIREO_REQUIRE=1 the program does not start to work."""
    need_vireo()
    with tempfile.TemporaryDirectory() as folder:
        alone = shutil.copy(harness.preload(), folder)
        status, out, err = preloaded(library=alone)
        check((status, out) == (0, SUM + "heavy\n"), "%d %s %s", status, out,
              err)
        one_line(err, "no libvireo.so", "libvireo.so")
        status, out, err = preloaded(library=alone, require=True)
        check(status != 0 and out == "", "required: %d %s %s", status, out,
              err)
        one_line(err, "no libvireo.so, required", "libvireo.so")


def test_runtime_library_is_rubbish():
    need_vireo()
    with tempfile.TemporaryDirectory() as folder:
        alone = shutil.copy(harness.preload(), folder)
        for content in (b"", b"not a library\n" * 100):
            with open(os.path.join(folder, "libvireo.so.0"), "wb") as f:
                f.write(content)
            status, out, err = preloaded(library=alone)
            check((status, out) == (0, SUM + "heavy\n"), "%d %s %s", status,
                  out, err)
            one_line(err, "libvireo.so is rubbish", "libvireo.so")


def test_host_that_exports_ev_names():
    program = host("ev_exporter", "-rdynamic")
    done = harness.run([program, str(COUNT)])
    check(done == (0, SUM, ""), "natively %s", done)
    need_vireo()
    done = preloaded(program=program, require=True)
    check(done == (0, SUM + "light\n", ""), "%s", done)


def test_host_linked_to_libev():
    if not os.path.exists("/usr/include/ev.h"):
        raise harness.Skip("libev-dev is not installed")
    program = host("ev_user", "-lev")
    for mode in harness.modes():
        done = harness.run([program], mode)
        check(done == (0, "20 loops ended\n", ""), "%s: %s", mode, done)


def test_jemalloc_beside():
    jemalloc = "libjemalloc.so.2"
    need_vireo()
    if harness.run(["true"], env={"LD_PRELOAD": jemalloc})[2]:
        raise harness.Skip("libjemalloc2 is not installed")
    for order in ((harness.preload(), jemalloc),
                  (jemalloc, harness.preload())):
        both = {"LD_PRELOAD": " ".join(order)}
        done = preloaded(both, require=True)
        check(done == (0, SUM + "light\n", ""), "%s: %s", order, done)
        done = harness.run(
            [harness.PYTHON, os.path.join(harness.HERE, "recursion.py")],
            NATIVE, dict(both, VIREO_REQUIRE="1"))
        errors = 12 if sys.version_info < (3, 12) else 6
        check(done[0] == 0 and done[1].count("RecursionError") >= errors,
              "%s: %s", order, done)


def test_no_memory_for_stacks():
    """pthread_create gives EAGAIN, what is there goes on, and memory that
    comes back is used again."""
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))

    for mode in harness.modes():
        for stack_kb in ("1024", "8192", "65536"):
            command = [harness.c_program("exhaust"), stack_kb]
            env = harness.environment(mode)
            done = subprocess.run(command, env=env, preexec_fn=limit,
                                  capture_output=True, timeout=60)
            out = done.stdout.decode()
            check(done.returncode == 0 and out == "EAGAIN\none more: ok\n",
                  "%s, %s KiB: status %d, %s%s", mode, stack_kb,
                  done.returncode, out, done.stderr.decode())
            lines = done.stderr.decode().splitlines()
            check(len(lines) <= 2, "%s: %s", mode, lines)


def test_all_memory_locked():
    program = host("locked")
    highest = {}
    for mode in harness.modes():
        status, out, err = harness.run([program, str(COUNT)], mode)
        if status == 77:
            raise harness.Skip("mlockall is not allowed here")
        check((status, out) == (0, SUM), "%s: %d %s %s", mode, status, out,
              err)
        check(len(err.splitlines()) <= 2, "%s: %s", mode, err)
        highest[mode] = int(re.search(r"^(\d+) kB$", err, re.M).group(1))
    check(highest.get(VIREO, 0) <= highest[NATIVE] + 65536, "%s", highest)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
