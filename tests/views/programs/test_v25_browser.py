#!/usr/bin/python3
# label: long, views
# timeout: 240
"""The status page, and pages with server-sent events and WebSockets, in headless
Chromium (Debian's); where there is none only that is said."""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from developing import BUILD, PROGRAM, Program  # noqa: E402

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


def document(program, target, *options):
    """What the page is after three seconds of its own time."""
    with tempfile.TemporaryDirectory() as profile:
        shown = subprocess.run(
            [BROWSER, "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--disable-extensions", "--no-first-run",
             "--disable-background-networking", "--user-data-dir=" + profile,
             "--virtual-time-budget=3000", "--window-size=1100,900"]
            + list(options) + ["http://127.0.0.1:%d%s" % (program.port, target)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100,
            env=dict(os.environ, HOME=profile))
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def inside(text, identity):
    """What an element contains."""
    found = re.search(r'<(\w+)[^>]*\bid="?%s"?[^>]*>(.*?)</\1>' % identity, text,
                      re.DOTALL)
    assert found, text
    return found.group(2)


def test_the_status_page():
    with Program(PROGRAM, "--status") as program:
        for target in ("/", "/nowhere<b>", "/returns"):
            program.ask(target)
        following = [follow(program) for _ in range(3)]
        text = document(program, "/-/status", "--dump-dom")
        assert "process %d" % program.process.pid not in text  # it is a worker's
        assert re.match(r"process \d+, up for \d+ s", inside(text, "state")), text
        tiles = dict(re.findall(r"<dt>(.*?)</dt><dd>(\S+) ", text))
        assert int(tiles["Requests"]) >= 6 and tiles["Errors"] == "1", tiles
        assert inside(text, "told").split(",")[0] == "3 in flight", text
        picture = inside(text, "picture")
        assert picture.count('class="run"') == 3, picture
        for kind in ("ok", "client", "server"):
            assert picture.count('class="%s"' % kind) == 1, (kind, picture)
        assert "GET /nowhere&lt;b&gt;, 404 after " in picture, picture
        assert inside(text, "flight").count("/events") == 3, text
        assert "<section id=\"workers\" hidden" in text, text  # there is one
        for one in following:
            one.close()
    with Program(PROGRAM, "--status", "--workers=2") as program:
        program.ask("/")
        text = document(program, "/-/status", "--dump-dom")
        assert "<section id=\"workers\"><h2>" in text, text
        rows = re.findall(r"<tr><td>(.*?)</td><td class=\"n\">(\d+)</td>",
                          inside(text, "crew"))
        assert len(rows) == 3 and rows[2] == ("all", "1"), rows
        assert sum("(above)" in name for name, _ in rows) == 1, rows


def follow(program):
    """A client of server-sent events, which has had the first."""
    one = socket.create_connection(("127.0.0.1", program.port), 60)
    one.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    data = b""
    while b"event: tick" not in data:
        piece = one.recv(4096)
        assert piece != b"", data
        data += piece
    return one


def test_events_and_websockets():
    with Program(PROGRAM) as program:
        text = document(program, "/page", "--dump-dom")
        assert inside(text, "sse") == "tick 3", text
        assert inside(text, "ws") == "&lt;from the page&gt;", text


def test_the_chat_room():
    with Program(os.path.join(BUILD, "examples", "websocket_room"),
                 "--workers", "1") as program:
        text = document(program, "/?name=Ann", "--dump-dom")
        assert inside(text, "state") == "connected", text
        assert "<li>Ann: hello</li>" in inside(text, "said"), text


def main():
    if BROWSER is None:
        print("SKIP: there is no chromium (Debian: apt-get install chromium)")
        return 77
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("ok", name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
