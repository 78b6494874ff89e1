#!/usr/bin/python3
# label: ci
# serial
"""The demo at its reduced size: exits with 0, writes a page that needs nothing
from outside, and leaves no process behind, also when it is interrupted."""
import os
import re
import signal
import subprocess
import sys
import time

import harness
from harness import check

DEMO = os.path.join(harness.SOURCE_DIR, "tests", "demo", "demo.py")


def start_demo():
    env = harness.environment(harness.NATIVE, {"VIREO_DEMO_QUICK": "1"})
    command = [harness.PYTHON, DEMO, "--build-dir", harness.BUILD_DIR]
    if harness.VIREO not in harness.modes():
        command.append("--native-only")
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, start_new_session=True,
                            preexec_fn=harness._in_child)


def descendants(root):
    """Processes below root, whatever session they are in."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = harness._stat(int(name))
            if fields and fields[0] != "Z":
                parents[int(name)] = int(fields[1])
    found = {root}
    while True:
        more = {pid for pid, parent in parents.items()
                if parent in found} - found
        if not more:
            return found - {root}
        found |= more


def alive(pids):
    return [pid for pid in pids
            if (harness._stat(pid) or ["Z"])[0] != "Z"]


def test_quick_demo():
    demo = start_demo()
    try:
        said = demo.communicate(timeout=150)[0].decode()
    finally:
        if demo.poll() is None:
            demo.send_signal(signal.SIGINT)
            demo.wait(30)
    check(demo.returncode == 0, "status %d: %s", demo.returncode, said[-3000:])
    check("Reduced size" in said, "%s", said[:500])
    with open(os.path.join(harness.BUILD_DIR, "demo.html")) as f:
        page = f.read()
    outside = re.findall(r"(?:src|href|url)\s*[=(]|https?://|@import", page)
    check(not outside, "the page refers to %s", outside)
    for what in ("C server", "ThreadingHTTPServer", "gunicorn", "Werkzeug",
                 "microsocks"):
        check(what in page and what in said, "nothing about %s", what)


def test_interrupted():
    for signum, wait in ((signal.SIGINT, 3), (signal.SIGTERM, 5)):
        demo = start_demo()
        time.sleep(wait)
        limit = time.monotonic() + 30
        below = descendants(demo.pid)
        while not below and time.monotonic() < limit:
            time.sleep(0.1)
            below = descendants(demo.pid)
        demo.send_signal(signum)
        try:
            said = demo.communicate(timeout=30)[0].decode()
        finally:
            if demo.poll() is None:
                demo.kill()
        check(demo.returncode == 130, "status %s after signal %d: %s",
              demo.returncode, signum, said[-3000:])
        check(below, "the demo had started nothing after 30 s")
        limit = time.monotonic() + 10  # what it has ended may take a moment
        while alive(below) and time.monotonic() < limit:
            time.sleep(0.1)
        check(not alive(below), "left behind: %s", alive(below))


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
