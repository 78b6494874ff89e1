"""What the tests of WebSockets from outside share: the server, its memory."""
import contextlib
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)),
                                "programs"))
import harness  # noqa: E402


def program(name):
    return os.path.join(harness.BUILD_DIR, "tests", "http", "websocket", name)


class Server:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([program("ws_echo"), *arguments],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def memory_kb(self):
        """What it holds: its pages, and the page tables for them."""
        with open("/proc/%d/status" % self.process.pid) as status:
            lines = dict(line.split(":", 1) for line in status)
        return sum(int(lines[name].split()[0]) for name in ("VmRSS", "VmPTE"))

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)


@contextlib.contextmanager
def server(*arguments):
    it = Server(*arguments)
    try:
        yield it
    finally:
        if it.process.poll() is None:
            it.process.kill()
            it.process.wait()
        it.process.stdout.close()
