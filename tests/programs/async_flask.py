"""A Flask application with sync and async views, for servers of all kinds: it
streams, takes big bodies, fails, and looks whether a request's context
variables and thread locals stay its own across a wait.

gunicorn, eventlet and Werkzeug import `app`; uvicorn and hypercorn `asgi`,
which is the same behind asgiref's WsgiToAsgi.  async_quart.py has the same
views for Quart.  Run as a program it serves on Werkzeug's threaded server,
with the argument `eventlet` on eventlet's, and prints its port.
"""
import asyncio
import contextvars
import hashlib
import os
import sys
import threading
import time

if "eventlet" in sys.argv[1:]:
    import eventlet

    eventlet.monkey_patch()

import flask

PIECE = b"0123456789abcdef" * 64
app = flask.Flask(__name__)
asked = contextvars.ContextVar("asked", default="nothing")
local = threading.local()
app.logger.disabled = True


def text(body, status=200):
    return flask.Response(body, status, mimetype="text/plain")


@app.get("/")
def hello():
    return text("Hello, World!\n")


@app.get("/sleep")
def sleep():
    time.sleep(0.05)
    return text("slept\n")


@app.get("/async")
async def async_view():
    await asyncio.sleep(0)
    return text("awaited\n")


@app.get("/async-sleep")
async def async_sleep():
    await asyncio.gather(*[asyncio.sleep(0.05) for _ in range(5)])
    return text("slept five times at once\n")


@app.get("/async-thread")
async def async_thread():
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(None, sum, range(1000))
    return text("%d\n" % found)


@app.get("/own/<name>")
def own(name):
    asked.set(name)
    local.name = name
    time.sleep(0.02)
    return text("%s %s %s\n" % (asked.get() == name, local.name == name,
                                flask.request.path))


@app.get("/async-own/<name>")
async def async_own(name):
    asked.set(name)
    await asyncio.sleep(0.02)
    return text("%s %s\n" % (asked.get() == name, flask.request.path))


@app.get("/stream")
def stream():
    def pieces():
        for n in range(20):
            time.sleep(0.001)
            yield b"%d " % n + PIECE
    return text(pieces())


@app.get("/big")
def big():
    return text(PIECE * 2048)


@app.post("/digest")
def digest():
    body = flask.request.get_data()
    return text("%d %s\n" % (len(body), hashlib.sha256(body).hexdigest()))


@app.get("/error")
def error():
    raise RuntimeError("as asked")


@app.get("/async-error")
async def async_error():
    await asyncio.sleep(0)
    raise RuntimeError("as asked")


@app.get("/status/<int:status>")
def answer(status):
    return text("status %d\n" % status, status)


def __getattr__(name):
    if name != "asgi":
        raise AttributeError(name)
    from asgiref.wsgi import WsgiToAsgi

    return WsgiToAsgi(app)


def serve_eventlet():
    import eventlet.wsgi

    listener = eventlet.listen(("127.0.0.1", 0), backlog=4096)
    print(listener.getsockname()[1], flush=True)
    eventlet.wsgi.server(listener, app, log_output=False,
                         log=open(os.devnull, "w"), debug=False)


def serve_werkzeug():
    import logging

    import werkzeug.serving

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    werkzeug.serving.ThreadedWSGIServer.request_queue_size = 4096
    werkzeug.serving.WSGIRequestHandler.protocol_version = "HTTP/1.1"
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    if "eventlet" in sys.argv[1:]:
        serve_eventlet()
    else:
        serve_werkzeug()
