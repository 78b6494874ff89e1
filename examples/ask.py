"""Run a server of the examples on a Unix socket, ask it for paths, print what it
answers, end it.

usage: ask.py PROGRAM PATH..."""
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time


class Connection(http.client.HTTPConnection):
    """To a Unix socket."""

    def __init__(self, address):
        super().__init__("localhost", timeout=10)
        self.address = address

    def connect(self):
        deadline = time.monotonic() + 30
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(10)
            try:
                return self.sock.connect(self.address)
            except (FileNotFoundError, ConnectionRefusedError):
                self.sock.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def ask(connection, path):
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode().rstrip("\n")
    print("%d %s %s: %s" % (answer.status, answer.reason,
                            answer.getheader("Content-Type"), body))


def main():
    with tempfile.TemporaryDirectory() as folder:
        address = os.path.join(folder, "socket")
        with subprocess.Popen([sys.argv[1], "unix:" + address]) as server:
            try:
                connection = Connection(address)
                for path in sys.argv[2:]:
                    ask(connection, path)
                connection.close()
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
