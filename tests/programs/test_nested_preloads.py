#!/usr/bin/python3
# label: ci
"""Other libraries in LD_PRELOAD, before and behind ours: the program's answer is
the native one, on greenlets or after one line that says why not."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

import harness
from harness import NATIVE, VIREO, check

COUNT = 60
SUM = "sum %d\n" % (COUNT * (COUNT - 1) // 2)


def need_vireo():
    if VIREO not in harness.modes():
        raise harness.Skip("needs the preload library")


def find(pattern):
    """Path of a library of some package; found where Debian has it."""
    for folder in ("/usr/lib/*-linux-gnu", "/usr/lib/*-linux-gnu/*",
                   "/usr/lib/gcc/*-linux-gnu/*"):
        found = sorted(glob.glob(os.path.join(folder, pattern)))
        if found:
            return os.path.realpath(found[0])
    raise harness.Skip("%s is not installed" % pattern)


def threaded(order, env=None, require=False):
    full = {"LD_PRELOAD": ":".join(order)}
    if require:
        full["VIREO_REQUIRE"] = "1"
    full.update(env or {})
    return harness.run([harness.c_program("threaded"), "-l", str(COUNT)],
                       NATIVE, full)


def both_orders(library, **env):
    """It runs on greenlets, and says nothing."""
    need_vireo()
    for order in ((harness.preload(), library), (library, harness.preload())):
        done = threaded(order, env, require=True)
        check(done == (0, SUM + "light\n", ""), "%s: %s", order, done)


def test_tcmalloc():
    both_orders(find("libtcmalloc_minimal.so.4"))


def test_eatmydata():
    both_orders(find("libeatmydata.so*"))


def test_undefined_behaviour_sanitizer():
    both_orders(find("libubsan.so.1"))


def test_faketime():
    """Whose clocks the program sees, and what its waits go by."""
    for name in ("libfaketime.so.1", "libfaketimeMT.so.1"):
        for fake in (None, "+1d", "-3d", "+0 x10"):
            both_orders(find(name), **({"FAKETIME": fake} if fake else {}))


def clock_program():
    return harness.c_program("clocks", source=os.path.join(
        harness.HERE, "hosts", "clocks.c"))


def test_waits_until_a_faked_time():
    """Absolute times, of the clock that the program reads."""
    need_vireo()
    faketime = find("libfaketime.so.1")
    for fake in ("+1d", "-3d"):
        for order in ((faketime,), (harness.preload(), faketime),
                      (faketime, harness.preload())):
            done = harness.run([clock_program()], NATIVE, {
                "LD_PRELOAD": ":".join(order), "FAKETIME": fake}, limit=20)
            check(done == (0, "all waits ended in time\n", ""), "%s %s: %s",
                  fake, order, done)


def one_line(err, word, what):
    check(err.count("\n") == 1 and word in err, "%s: %s", what, err)


def test_address_sanitizer():
    """It wants to be the first, and says so itself; then ours works."""
    need_vireo()
    library = find("libasan.so.*")
    for _ in range(25): # the monitor waited through a wrapper in one of four
        done = threaded((library, harness.preload()), require=True,
                        env={"ASAN_OPTIONS": "detect_leaks=0"})
        check(done == (0, SUM + "light\n", ""), "%s", done)
    status, out, err = threaded((harness.preload(), library))
    check(status == 1 and out == "", "%d %s %s", status, out, err)
    one_line(err, "does not come first", "behind ours")


def test_thread_sanitizer():
    """It knows the kernel's threads only: native, or refused."""
    need_vireo()
    library = find("libtsan.so.*")
    for order in ((harness.preload(), library), (library, harness.preload())):
        status, out, err = threaded(order)
        check((status, out) == (0, SUM + "heavy\n"), "%s: %d %s %s", order,
              status, out, err)
        one_line(err, "ThreadSanitizer", order)
        status, out, err = threaded(order, require=True)
        check(status == 97 and out == "", "%s: %d %s", order, status, out)
        one_line(err, "ThreadSanitizer", order)


def test_leak_sanitizer():
    need_vireo()
    library = find("liblsan.so.*")
    done = threaded((harness.preload(), library), require=True)
    check(done == (0, SUM + "light\n", ""), "%s", done)
    status, out, err = threaded((library, harness.preload()))
    check((status, out) == (0, SUM + "heavy\n"), "%d %s %s", status, out, err)
    one_line(err, "LeakSanitizer", "in front")


def test_twice():
    """A copy of ours: the first one works, the other one says it does not."""
    need_vireo()
    done = threaded((harness.preload(), harness.preload()), require=True)
    check(done == (0, SUM + "light\n", ""), "the same file: %s", done)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("libvireo-preload.so.0", "libvireo.so.0"):
            shutil.copy(os.path.join(os.path.dirname(harness.preload()), name),
                        folder)
        copy = os.path.join(folder, "libvireo-preload.so.0")
        status, out, err = threaded((harness.preload(), copy), require=True)
        check((status, out) == (0, SUM + "light\n"), "%d %s %s", status, out,
              err)
        one_line(err, "preloaded twice", "a copy")


def test_runtime_beside():
    """libvireo.so itself is no preload, and does no harm."""
    runtime = os.path.join(os.path.dirname(harness.preload()), "libvireo.so.0")
    both_orders(runtime)


def test_audit_and_debug():
    """What ld.so does on top: early binding, tracing."""
    need_vireo()
    done = threaded((harness.preload(),), {"LD_BIND_NOW": "1"}, require=True)
    check(done == (0, SUM + "light\n", ""), "LD_BIND_NOW: %s", done)
    status, out, err = threaded((harness.preload(),), {"LD_DEBUG": "files"},
                                require=True)
    check((status, out) == (0, SUM + "light\n"), "LD_DEBUG: %d %s", status, out)
    check("vireo: " not in err, "LD_DEBUG: %s", err[-500:])
    with tempfile.TemporaryDirectory() as folder:
        source, audit = (os.path.join(folder, n) for n in ("a.c", "a.so"))
        with open(source, "w") as f:
            f.write("unsigned la_version(unsigned v) { return v; }\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", audit, source],
                       check=True)
        done = threaded((harness.preload(),), {"LD_AUDIT": audit})
        check(done[0] == 0 and done[1].startswith(SUM), "LD_AUDIT: %s", done)
        check(done[2].count("\n") <= 1, "LD_AUDIT: %s", done)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
