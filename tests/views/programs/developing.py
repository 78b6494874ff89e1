"""A program on a loopback port of the kernel's, which it is handed like a service."""
import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time

BUILD = os.environ["BUILD_DIR"]
PROGRAM = os.path.join(BUILD, "tests", "views", "programs", "views_develop")
HTML = {"Accept": "text/html,*/*;q=0.8"}
START = "LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec \"$@\""


class Program:
    """It listens on .port until it is stopped; .said() is what it wrote."""

    def __init__(self, program, *arguments):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["sh", "-c", START, "sh", program] + list(arguments),
            preexec_fn=self.hand_over, close_fds=False,
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)

    def hand_over(self):
        """As descriptor 3, which it may be already."""
        os.dup2(self.socket.fileno(), 3)
        os.set_inheritable(3, True)

    def __enter__(self):
        return self

    def said(self):
        self.output.seek(0)
        return self.output.read().decode()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.socket.close()
        return status

    def __exit__(self, error, *rest):
        status = self.stop()
        if error is None:
            assert status == 0, "status %d: %s" % (status, self.said())
        else:
            print(self.said())

    def ask(self, target, fields=None, method="GET"):
        """The status, the text, and the answer itself."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, target, headers=fields or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer
        finally:
            connection.close()

    def wait_for(self, target, wanted, fields=None):
        """Until an answer to target has that text."""
        end = time.monotonic() + 100
        while True:
            status, text, answer = self.ask(target, fields)
            if wanted in text:
                return status, text, answer
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, text + self.said()
            time.sleep(0.05)
