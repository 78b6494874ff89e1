#!/usr/bin/python3
# label: ci
"""Programs that use threads to compute, and clients: xz, zstd, sort, git, gdb,
node, curl.  They gain nothing by greenlets; they must work as natively."""
import hashlib
import os
import random
import sys
import tempfile

import harness
from harness import NATIVE, check


def same(make_command, program, **more):
    """The command gives the same status, output and errors in both modes."""
    harness.need(program)
    with tempfile.TemporaryDirectory(prefix="vireo-tools-") as folder:
        path = os.path.join(folder, "data")
        numbers = random.Random(1)
        with open(path, "w") as f:
            for _ in range(60000):
                f.write("%032x\n" % numbers.getrandbits(128))
        done = {}
        for mode in harness.modes():
            status, out, err = harness.run(make_command(path), mode, **more)
            digest = hashlib.md5(out.encode()).hexdigest()
            done[mode] = status, digest, err
            check(out, "%s: no output; %d %s", mode, status, err)
    check(done[NATIVE][0] == 0, "natively %s", done[NATIVE])
    for mode, result in done.items():
        check(result == done[NATIVE], "%s: %s, natively %s", mode, result,
              done[NATIVE])


def test_xz():
    same(lambda path: ["sh", "-c", "xz -T4 -0 --block-size=300K -c %s | "
                       "xz -T4 -dc | md5sum" % path], "xz")


def test_zstd():
    same(lambda path: ["sh", "-c", "zstd -qT4 -3 -B500K -c %s | md5sum"
                       % path], "zstd")


def test_sort():
    same(lambda path: ["sort", "--parallel=4", "-S", "8M", path], "sort")


def test_git_grep():
    same(lambda path: ["git", "grep", "--no-index", "--threads=4", "-c", "[ab]",
                       "--", harness.HERE], "git", cwd=harness.HERE)


def test_gdb():
    same(lambda path: ["gdb", "-nx", "-batch", "-ex", "info line main",
                       harness.c_program("httpd")], "gdb")


def test_node():
    script = ("const c = require('crypto'), fs = require('fs');"
              "let n = 0; for (let i = 0; i < 8; i++)"
              " c.pbkdf2('a', 'b' + i, 2000, 32, 'sha256', (e, key) => {"
              " n += key.length; if (n == 256) console.log(n); });")
    same(lambda path: ["node", "-e", script], "node")


def test_curl_in_parallel():
    with harness.start_httpd() as server:
        same(lambda path: ["curl", "--no-progress-meter", "--parallel",
                           "--max-time", "20",
                           "http://localhost:%d/sleep?[1-30]" % server.port],
             "curl")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
