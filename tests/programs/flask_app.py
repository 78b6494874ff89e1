"""A Flask application: a plain view, two that wait 100 ms, one that asks Redis,
one that sends back what it gets.

Run as a program it serves on Werkzeug's threaded server and prints its port;
gunicorn imports `app`.  REDIS_PORT names the Redis of the /redis view.
"""
import asyncio
import os
import resource
import signal
import sys
import time

import flask
import redis

app = flask.Flask(__name__)
store = redis.Redis(host="127.0.0.1",
                    port=int(os.environ.get("REDIS_PORT", "6379")))


def text(body):
    return flask.Response(body, mimetype="text/plain")


@app.get("/")
def hello():
    return text("Hello, World!\n")


@app.get("/sleep")
def sleep():
    time.sleep(0.1)
    return text("slept\n")


@app.get("/async")
async def async_sleep():
    await asyncio.sleep(0.1)
    return text("awaited\n")


@app.post("/echo")
def echo():
    return flask.Response(flask.request.get_data(),
                          mimetype="application/octet-stream")


@app.get("/redis")
def count():
    return text("%d\n" % store.incr("hits"))


def main():
    import logging

    import werkzeug.serving

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    werkzeug.serving.ThreadedWSGIServer.request_queue_size = 4096
    signal.signal(signal.SIGUSR1, lambda *_: None)
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = werkzeug.serving.make_server("127.0.0.1", port, app,
                                          threaded=True)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
