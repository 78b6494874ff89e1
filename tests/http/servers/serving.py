"""What the scripts here share: the server `restarts`, started, asked, restarted."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "..", "programs"))
import harness  # noqa: E402
from harness import NATIVE, Program, check  # noqa: E402

BIN = os.path.join(harness.BUILD_DIR, "tests", "http", "servers")


def wait_until(condition, what, limit=30):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    check(False, "not in %d s: %s", limit, what)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Answer:
    def __init__(self, text):
        words = text.split()
        self.pid, self.generation = int(words[0]), words[1]
        self.client, self.scheme, self.host = (words[2:] + [""] * 3)[:3]


class Server:
    """`restarts` on a port or a path, in a folder of its own."""

    def __init__(self, *options, address=None, workers=2, env=None,
                 program=None, limit=30):
        self.folder = tempfile.mkdtemp(prefix="vireo-serving-")
        self.file = os.path.join(self.folder, "generation")
        self.port = free_port()
        self.address = address or "127.0.0.1:%d" % self.port
        self.be("0")
        self.program = Program(
            [program or os.path.join(BIN, "restarts"), "-w", str(workers),
             *options, self.address], NATIVE,
            dict(env or {}, GENERATION_FILE=self.file))
        self.pid = self.program.pid
        wait_until(lambda: self.generation() == "0", "the server answers",
                   limit)

    def be(self, generation, behaviour=""):
        """What the next program will be."""
        with open(self.file + ".new", "w") as f:
            f.write("%s %s\n" % (generation, behaviour))
        os.replace(self.file + ".new", self.file)

    def connect(self):
        if "/" in self.address:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(30)
            s.connect(self.address)
            return s
        return socket.create_connection(("127.0.0.1", self.port), 30)

    def ask(self, path="/", head="", s=None):
        with s or self.connect() as s:
            s.sendall(("GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                       "%s\r\n" % (path, head)).encode())
            return read_answer(s)

    def generation(self):
        with contextlib.suppress(OSError, harness.Failed):
            return self.ask().generation
        return None

    def said(self):
        return self.program.output()

    def workers(self):
        """Those who answer: the children of the youngest master."""
        return sorted(self.children(self.master()))

    def children(self, pid):
        found = []
        for one in self.program.pids():
            stat = harness._stat(one)
            if stat and int(stat[1]) == pid:
                found.append(one)
        return found

    def master(self):
        """The process whose children serve."""
        return int(self.parent(self.ask().pid))

    def parent(self, pid):
        stat = harness._stat(pid)
        return stat[1] if stat else "0"

    def restart(self, generation, behaviour="", limit=30):
        """SIGHUP, and wait until all who answer are of the new program."""
        self.be(generation, behaviour)
        before = self.said().count("serves now")
        os.kill(self.pid, signal.SIGHUP)
        wait_until(lambda: self.said().count("serves now") > before,
                   "a new program serves: " + self.said(), limit)

    def stop(self, number=signal.SIGTERM, limit=30):
        os.kill(self.pid, number)
        status = self.program.popen.wait(limit)
        wait_until(lambda: not self.program.pids(), "all have ended", 10)
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.stop()
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        os.rmdir(self.folder)


def read_all(s):
    data = b""
    while True:
        piece = s.recv(65536)
        if not piece:
            return data
        data += piece


def read_answer(s):
    data = read_all(s).decode(errors="replace")
    head, _, body = data.partition("\r\n\r\n")
    check(head.startswith("HTTP/1.1 200 "), "answer: %r", data[:200])
    length = int(re.search(r"(?i)content-length: (\d+)", head).group(1))
    check(length == len(body), "%d of %d bytes", len(body), length)
    return Answer(body)


class Hammer:
    """A load client in the background; result() is what it counted."""

    def __init__(self, address, connections, requests, path="/"):
        self.popen = subprocess.Popen(
            [os.path.join(BIN, "hammer"), address, str(connections),
             str(requests), path], stdout=subprocess.PIPE,
            preexec_fn=harness._in_child)

    def running(self):
        return self.popen.poll() is None

    def result(self, limit=600):
        out, _ = self.popen.communicate(timeout=limit)
        report = json.loads(out)
        report["failed"] = sum(report[k] for k in ("refused", "reset",
                                                   "ended", "bad"))
        return report


def main(tests):
    """Nothing here is preloaded."""
    harness.modes = lambda: [NATIVE]
    sys.exit(harness.main(tests))
