#!/usr/bin/python3
# label: long
# timeout: 900
"""The servers around Flask's async story give the answers that they give
natively: each view one after another, at once, with errors, big bodies, and
clients that go away; and they end in the same way."""
import sys

import harness
import webtalk
from webtalk import compare


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
    webtalk.module("uvicorn")
    compare("WsgiToAsgi", webtalk.uvicorn("async_flask:asgi"))


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
