#!/usr/bin/python3
# label: ci, views
# timeout: 120
"""V-25: arguments of a program, pages of errors, the status page, over real sockets."""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from developing import HTML, PROGRAM, Program  # noqa: E402

PROXIED = {"X-Forwarded-For": "192.0.2.1"}


def run(*arguments):
    return subprocess.run([PROGRAM] + list(arguments), capture_output=True,
                          text=True, timeout=60)


def test_arguments():
    told = run("--help")
    assert told.returncode == 0
    for name in ("--bind", "--workers", "--tls", "--log", "--status", "--debug",
                 "--reload", "--watch"):
        assert name in told.stdout, name
    for bad in (["--nothing"], ["--bind"], ["--workers", "0"], ["--workers=x"],
                ["--debug=1"], ["--status=nowhere"], ["hello"], ["--debugging"]):
        refused = run(*bad)
        assert refused.returncode == 1 and refused.stderr, bad
    for bad in ("127.0.0.1", "localhost:nothing", "127.0.0.1:99999"):
        refused = run("--bind", bad)
        assert refused.returncode == 1
        assert bad + ": no address, as 127.0.0.1:8080" in refused.stderr, refused.stderr


def test_an_error_says_where_it_comes_from():
    with Program(PROGRAM, "--debug", "--log=-") as program:
        status, text, answer = program.ask("/aborts?a=<b>&c", HTML)
        assert status == 500 and "text/html" in answer.getheader("Content-Type")
        assert "deep_inside" in text and "aborts" in text, text
        assert "/aborts?a=&#60;b&#62;&#38;c" in text and "<b>" not in text
        status, text, answer = program.ask("/returns", {
            "Authorization": "secret", "X-Note": "<script>"})
        assert status == 500 and "text/plain" in answer.getheader("Content-Type")
        assert text.startswith("returns: ETIMEDOUT"), text
        assert "secret" not in text and "X-Note: <script>" in text
        status, text, _ = program.ask("/returns", dict(HTML, **{
            "X-Note": "<script>alert(1)</script>"}))
        assert "&#60;script&#62;" in text and "<script" not in text, text
        for fields in (PROXIED, {"Host": "evil.example"}, {"Forwarded": "for=x"},
                       {"Host": "127.evil.example"}, {"Host": "localhost.example"}):
            status, text, _ = program.ask("/aborts", dict(HTML, **fields))
            assert (status, text) == (500, "500 Internal Server Error\n"), text
        for host in ("localhost", "LOCALHOST:8080", "127.0.0.2:80", "[::1]:1"):
            text = program.ask("/aborts", {"Host": host})[1]
            assert "Where" in text, host
        assert program.ask("/nowhere")[1] == "404 Not Found\n"
    said = program.said()
    assert '"GET /returns HTTP/1.1" 500 ' in said, said  # --log=-


def test_who_writes_to_nobody_gets_an_error():
    with Program(PROGRAM) as program:
        assert program.ask("/pipe")[:2] == (200, "EPIPE\n")


def test_what_was_not_opened_is_not_closed():
    def serve(how):
        os.environ["SERVING"] = how
        try:
            program = Program(PROGRAM)
            if how != "fails":
                assert program.ask("/")[0] == 200
            return program.stop() if how != "fails" else program.process.wait(60), \
                program.said()
        finally:
            del os.environ["SERVING"]

    status, said = serve("works")
    assert (status, said.count("after serving")) == (0, 1), said
    status, said = serve("fails")
    assert status == 1 and "after serving" not in said, said
    assert "http: a function before serving failed: No such device" in said, said


def test_without_it_nothing_is_said():
    with Program(PROGRAM) as program:
        assert program.ask("/aborts", HTML)[1] == "500 Internal Server Error\n"
        assert program.ask("/returns", HTML)[1] == "500 Internal Server Error\n"
        assert program.ask("/-/status")[0] == 404
        assert program.ask("/-/status.json")[0] == 404


def numbers(program, path="/-/status"):
    status, text, answer = program.ask(path + ".json")
    assert status == 200, text
    assert answer.getheader("Content-Type") == "application/json"
    assert answer.getheader("Cache-Control") == "no-store"
    return json.loads(text)


def open_websocket(program):
    opened = socket.create_connection(("127.0.0.1", program.port), timeout=60)
    opened.sendall(b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket"
                   b"\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                   b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert opened.recv(4096).startswith(b"HTTP/1.1 101 ")
    return opened


def wait_until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_is_going_on_is_counted():
    with Program(PROGRAM, "--status") as program:
        assert program.ask("/")[0] == 200
        assert program.ask("/nowhere%20%ff<b>")[0] == 404
        assert program.ask("/returns")[0] == 500
        opened = open_websocket(program)
        waiting = [threading.Thread(target=program.ask, args=("/slow",))
                   for _ in range(5)]
        for thread in waiting:
            thread.start()
        wait_until(lambda: numbers(program)["requests"]["in_flight"] == 6)
        seen = numbers(program)
        assert seen["requests"] == {"total": 9, "in_flight": 6, "websockets": 1}
        assert seen["connections"]["open"] >= 7, seen["connections"]
        assert sorted(r["path"] for r in seen["in_flight"]) == \
            5 * ["/slow"] + ["/socket"]
        assert [(r["path"], r["status"]) for r in seen["done"]] == [
            ("/", 200), ("/nowhere%20%ff<b>", 404), ("/returns", 500)], seen
        for thread in waiting:
            thread.join()
        opened.close()
        wait_until(lambda: numbers(program)["requests"]["in_flight"] == 0)
        seen = numbers(program)
        assert seen["responses"] == {"none": 0, "1xx": 1, "2xx": 6, "3xx": 0,
                                     "4xx": 1, "5xx": 1}, seen["responses"]
        assert seen["latency_us"]["count"] == 8  # the WebSocket is none
        assert seen["latency_us"]["max"] >= 1000000, seen["latency_us"]
        assert seen["latency_us"]["p50"] <= seen["latency_us"]["p99"]
        assert seen["process"]["greenlets"] > 0
        assert seen["process"]["resident_bytes"] > 1 << 20
        assert seen["in_flight"] == []
        for i in range(200):  # more than are kept
            program.ask("/")
        assert len(numbers(program)["done"]) == 128


def test_each_worker_has_a_row_and_there_are_sums():
    with Program(PROGRAM, "--status", "--workers=3") as program:
        for _ in range(60):
            assert program.ask("/")[0] == 200
        for _ in range(5):
            assert program.ask("/nowhere")[0] == 404
        slow = [threading.Thread(target=program.ask, args=("/slow",))
                for _ in range(9)]
        for thread in slow:
            thread.start()
        # Connections go to any of them; whoever is asked knows of all.
        wait_until(lambda: numbers(program)["workers"]["sum"]["in_flight"] == 9)
        for thread in slow:
            thread.join()
        wait_until(lambda: numbers(program)["workers"]["sum"]["in_flight"] == 0)
        seen = numbers(program)["workers"]
        assert len({row["pid"] for row in seen["each"]} - {0}) == 3, seen
        assert seen["sum"]["total"] == 74 and seen["sum"]["4xx"] == 5, seen
        assert seen["sum"]["2xx"] == 69, seen
        for name in ("total", "2xx", "accepted"):
            assert seen["sum"][name] == sum(row[name] for row in seen["each"])
        # One that died: its row is another's, who begins anew.
        before = {row["pid"] for row in seen["each"]}
        os.kill(seen["each"][0]["pid"], signal.SIGKILL)
        wait_until(lambda: {row["pid"] for row in numbers(program)["workers"]["each"]}
                   - before)
        assert len(numbers(program)["workers"]["each"]) == 3


def test_it_is_for_this_machine_alone():
    with Program(PROGRAM, "--status=/what", "--workers=2") as program:
        status, text, answer = program.ask("/what", HTML)
        assert status == 200 and "<!DOCTYPE html>" in text
        assert "default-src 'none'" in answer.getheader("Content-Security-Policy")
        for outside in ("src=", "href=", "url(", "import"):
            assert outside not in text, outside
        assert numbers(program, "/what")["requests"]["total"] == 0
        for fields in (PROXIED, {"Host": "evil.example"}):
            assert program.ask("/what", fields)[0] == 404
            assert program.ask("/what.json", fields)[0] == 404
        assert program.ask("/what", method="POST")[0] == 404
        assert program.ask("/what.js")[0] == 404
        assert program.ask("/whatever")[0] == 404
        assert program.ask("/-/status")[0] == 404


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("ok", name)


if __name__ == "__main__":
    main()
