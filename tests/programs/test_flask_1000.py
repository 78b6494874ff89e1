#!/usr/bin/python3
# label: long
"""Flask with 1,000 connections at once on each view: no error answer."""
import sys

import harness
from test_flask import each_view


def test_werkzeug():
    each_view(harness.start_werkzeug, 1000, 2000)


def test_gunicorn():
    harness.need("gunicorn")
    each_view(harness.start_gunicorn, 1000, 2000)


if __name__ == "__main__":
    sys.exit(harness.main(
        {k: v for k, v in globals().items() if k.startswith("test_")}))
