"""The views of async_flask.py for Quart: `app`, for hypercorn and uvicorn."""
import asyncio
import contextvars
import hashlib
import threading
import time

import quart

PIECE = b"0123456789abcdef" * 64
app = quart.Quart(__name__)
asked = contextvars.ContextVar("asked", default="nothing")
local = threading.local()
app.logger.disabled = True


def text(body, status=200):
    return quart.Response(body, status, mimetype="text/plain")


@app.get("/")
async def hello():
    return text("Hello, World!\n")


@app.get("/sleep")
def sleep():
    """Not a coroutine: Quart runs it on a thread."""
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
                                quart.request.path))


@app.get("/async-own/<name>")
async def async_own(name):
    asked.set(name)
    await asyncio.sleep(0.02)
    return text("%s %s\n" % (asked.get() == name, quart.request.path))


@app.get("/stream")
async def stream():
    async def pieces():
        for n in range(20):
            await asyncio.sleep(0.001)
            yield b"%d " % n + PIECE
    return text(pieces())


@app.get("/big")
async def big():
    return text(PIECE * 2048)


@app.post("/digest")
async def digest():
    body = await quart.request.get_data()
    return text("%d %s\n" % (len(body), hashlib.sha256(body).hexdigest()))


@app.get("/error")
def error():
    raise RuntimeError("as asked")


@app.get("/async-error")
async def async_error():
    await asyncio.sleep(0)
    raise RuntimeError("as asked")


@app.get("/status/<int:status>")
async def answer(status):
    return text("status %d\n" % status, status)
