#!/usr/bin/python3
# label: ci, views
# timeout: 120
"""V-00: the program of the contract, compiled unchanged, answers as it says."""
import http.client
import json
import os
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time

PROGRAM = os.path.join(os.environ["BUILD_DIR"], "tests", "views", "programs",
                       "views_v00")


class Upstream(socketserver.StreamRequestHandler):
    """Answers with the port that was asked for, 0.3 s later."""

    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        time.sleep(0.3)
        body = head.split(b"Host: 127.0.0.1:")[1].split(b"\r\n")[0]
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
                         b"Content-Length: %d\r\n\r\n%s" % (len(body), body))


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


def ask(path, target, fields=None, method="GET"):
    connection = Unix(path)
    connection.request(method, target, headers={"Authorization": "x"}
                       if fields is None else fields)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body, answer


def wait_for(path, program):
    for _ in range(500):
        assert program.poll() is None, "it has ended"
        try:
            return ask(path, "/")
        except OSError:
            time.sleep(0.02)
    raise AssertionError("it does not answer")


def check(path):
    assert ask(path, "/users/7", {})[0] == 401
    assert ask(path, "/nowhere", {})[0] == 401  # hooks come first
    status, body, answer = ask(path, "/users/7")
    assert (status, json.loads(body)) == (200, {"name": "ada"}), body
    assert answer.getheader("Content-Type") == "application/json"
    status, body, _ = ask(path, "/users/8")
    assert (status, json.loads(body)) == (404, {"error": 404}), body
    status, body, _ = ask(path, "/users/ada")
    assert (status, json.loads(body)) == (404, {"error": 404}), body
    assert ask(path, "/users/500")[0] == 500
    status, _, answer = ask(path, "/users/7", method="POST")
    assert status == 405 and answer.getheader("Allow") == "GET, HEAD, OPTIONS"
    began = time.monotonic()
    status, body, _ = ask(path, "/aggregate")
    lasted = time.monotonic() - began
    assert (status, json.loads(body)) == (
        200, {"users": 8001, "posts": 8002, "tags": 8003}), body
    assert 0.3 <= lasted < 0.85, "not at the same time: %.1f s" % lasted


def check_events(path):
    connection = Unix(path)
    connection.request("GET", "/events", headers={"Authorization": "x"})
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream"
    lines = [answer.readline() for _ in range(6)]
    assert lines == [b"event: tick\n", b"data: 0\n", b"\n",
                     b"event: tick\n", b"data: 1\n", b"\n"], lines
    connection.close()  # in the middle


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        upstream = Server(os.path.join(folder, "upstream"), Upstream)
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        with subprocess.Popen(
                [PROGRAM, "--bind", "unix:" + path],
                env=dict(os.environ, UPSTREAM=upstream.server_address),
                stderr=subprocess.PIPE, text=True) as program:
            try:
                wait_for(path, program)
                check(path)
                check_events(path)
            finally:
                program.send_signal(signal.SIGTERM)
                said = program.communicate(timeout=60)[1]
        print(said)
        assert program.returncode == 0, program.returncode
        assert said.count("failed") == 1, said
        assert "GET /users/500: the view of user failed: Input/output error" \
            in said


if __name__ == "__main__":
    main()
