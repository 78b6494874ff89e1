"""hogs_flask.py - a Flask application with a view that sleeps and one that computes

Prints "port N" and serves, a thread for each connection, until it is killed.
"""
import time

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

app = Flask(__name__)


class Quiet(WSGIRequestHandler):
    def log(self, *_):
        pass


@app.get("/sleep")
def sleep():
    time.sleep(0.05)
    return "slept\n"


@app.get("/compute")
def compute():
    value = 1
    while True:
        value = (value * 3 + 1) % 1000003


server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
print("port", server.server_port, flush=True)
server.serve_forever()
