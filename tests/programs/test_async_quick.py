#!/usr/bin/python3
# label: ci
"""The short form of test_async_web.py: Flask's sync and async views on
gunicorn's threads and on gevent, native and preloaded."""
import sys

import harness
import webtalk
from webtalk import compare


def test_flask_on_gunicorn_gthread():
    harness.need("gunicorn")
    compare("gthread", webtalk.gunicorn("gthread", "--threads", "50"),
            conversation=webtalk.short_conversation)


def test_flask_on_gunicorn_gevent():
    harness.need("gunicorn")
    webtalk.module("gevent")
    compare("gevent", webtalk.gunicorn("gevent"), webtalk.ONE_LOOP,
            webtalk.short_conversation)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
