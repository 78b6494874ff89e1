"""A Flask application whose views wait; each answer says whose it is, twice."""
import asyncio
import contextvars
import time

import greenlet
from flask import Flask, g, request

app = Flask(__name__)
var = contextvars.ContextVar("var", default="unset")


@app.before_request
def begin():
    g.seen = [var.get()]
    var.set(request.args.get("n"))


def told():
    return {"n": request.args.get("n"), "g": g.n, "var": var.get(),
            "before": g.seen, "greenlet": greenlet.__file__}


@app.route("/sync")
def sync():
    g.n = request.args["n"]
    time.sleep(0.02)
    return told()


@app.route("/async")
async def with_await():
    g.n = request.args["n"]
    await asyncio.sleep(0.02)
    return told()


@app.route("/error")
def error():
    time.sleep(0.01)
    raise ValueError(request.args["n"])
