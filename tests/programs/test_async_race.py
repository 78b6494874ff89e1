#!/usr/bin/python3
# label: long
# timeout: 2400
# serial
"""The servers of test_async_web.py are not slower than natively: medians of
rounds that take turns."""
import sys

import harness
import webtalk
from webtalk import race

# Async views are no way to use gevent and eventlet (webtalk.ONE_LOOP).
SYNC = ("/", "/own/me")


def test_flask_on_werkzeug():
    race("Werkzeug", webtalk.python_server("async_flask"))


def test_flask_on_gunicorn_gthread():
    harness.need("gunicorn")
    race("gthread", webtalk.gunicorn("gthread", "--threads", "100"))


def test_flask_on_gunicorn_gevent():
    harness.need("gunicorn")
    webtalk.module("gevent")
    race("gevent", webtalk.gunicorn("gevent"), SYNC)


def test_flask_on_gunicorn_eventlet():
    harness.need("gunicorn")
    webtalk.module("eventlet")
    race("gunicorn -k eventlet", webtalk.gunicorn("eventlet"), SYNC)


def test_flask_on_eventlet():
    webtalk.module("eventlet")
    race("eventlet", webtalk.python_server("async_flask", "eventlet"), SYNC)


def test_flask_behind_wsgi_to_asgi():
    webtalk.module("uvicorn")
    # asgiref 3.6 refuses the next of several requests on one connection while
    # another connection is answered, natively too.
    race("WsgiToAsgi", webtalk.uvicorn("async_flask:asgi", "--header",
                                       "connection:close"))


def test_quart_on_uvicorn():
    webtalk.module("quart", "uvicorn")
    race("Quart on uvicorn", webtalk.uvicorn("async_quart:app"))


def test_quart_on_hypercorn():
    webtalk.module("quart", "hypercorn")
    race("Quart on hypercorn", webtalk.hypercorn("async_quart:app"))


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
