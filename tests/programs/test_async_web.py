#!/usr/bin/python3
# label: long
# timeout: 900
"""The servers around Flask's async story give the answers that they give
natively: each view one after another, at once, with errors, big bodies, and
clients that go away; and they end in the same way."""
import http.client
import socket
import sys

import harness
import webtalk
from harness import check
from webtalk import compare

BIG = b"0123456789abcdef" * 64 * 2048  # what /big gives


def test_flask_on_werkzeug():
    compare("Werkzeug", webtalk.python_server("async_flask"))


def test_flask_on_gunicorn_gthread():
    harness.need("gunicorn")
    compare("gthread", webtalk.gunicorn("gthread", "--threads", "100"))


def test_flask_on_gunicorn_gevent():
    harness.need("gunicorn")
    webtalk.module("gevent")
    compare("gevent", webtalk.gunicorn("gevent"), webtalk.ONE_LOOP)


def test_flask_on_gunicorn_eventlet():
    harness.need("gunicorn")
    webtalk.module("eventlet")
    compare("gunicorn -k eventlet", webtalk.gunicorn("eventlet"),
            webtalk.ONE_LOOP)


def test_flask_on_eventlet():
    webtalk.module("eventlet")
    compare("eventlet", webtalk.python_server("async_flask", "eventlet"),
            webtalk.ONE_LOOP)


def test_flask_behind_wsgi_to_asgi():
    """A connection a request: see the next test."""
    webtalk.module("uvicorn")
    compare("WsgiToAsgi", webtalk.uvicorn("async_flask:asgi", "--header",
                                          "connection:close"))


REFUSED = (500, b"Internal Server Error")
ENDED = "closed"


def two_in_a_row(port):
    """The answers to two requests in one packet."""
    with socket.create_connection(("127.0.0.1", port), 30) as peer:
        peer.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
                     b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        got = []
        for _ in range(2):
            response = http.client.HTTPResponse(peer)
            try:
                response.begin()
                got.append((response.status, response.read()))
            except (http.client.HTTPException, ConnectionError):
                got.append(ENDED)
    return got


def one_after_another(port, many=500):
    """How many of the requests are refused, on a connection that is kept
    until one is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    refused = 0
    for _ in range(many):
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            got = response.status, response.read()
        except (http.client.RemoteDisconnected, ConnectionError):
            got = ENDED
            connection.close()
        check(got in ((200, b"Hello, World!\n"), REFUSED, ENDED),
              "it says %s", got)
        refused += got != (200, b"Hello, World!\n")
    connection.close()
    return refused


def test_kept_connections_to_wsgi_to_asgi():
    """asgiref 3.6 refuses a request that comes before the one before it is
    over: uvicorn starts it in the context of that one's sending, where
    sync_to_async believes that its only thread waits for itself ("would
    deadlock").  With Content-Length the client has the whole answer before
    its end, and so it is a matter of who is quicker, natively too.  Never is
    an answer wrong; two at once are always refused."""
    webtalk.module("uvicorn")
    refused = {}
    for mode in harness.modes():
        with webtalk.uvicorn("async_flask:asgi")(mode) as server:
            for _ in range(10):
                big, second = two_in_a_row(server.port)
                check(big == (200, BIG) and second in (REFUSED, ENDED),
                      "%s: two in a row: %s, %s", mode, big[0], second)
            refused[mode] = one_after_another(server.port)
    print("         refused of 500 requests of a kept connection: %s"
          % refused, flush=True)


def test_quart_on_uvicorn():
    webtalk.module("quart", "uvicorn")
    compare("Quart on uvicorn", webtalk.uvicorn("async_quart:app"))


def test_quart_on_uvicorn_with_asyncio():
    webtalk.module("quart", "uvicorn")
    compare("Quart on uvicorn, asyncio's loop", webtalk.uvicorn(
        "async_quart:app", "--loop", "asyncio", "--http", "h11"))


def test_quart_on_hypercorn():
    webtalk.module("quart", "hypercorn")
    compare("Quart on hypercorn", webtalk.hypercorn("async_quart:app"))


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
