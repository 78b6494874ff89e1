"""What the tests of web servers ask of each: the same conversation with a
native and a preloaded one gives the same answers; and requests/s of both, in
rounds that take turns."""
import concurrent.futures
import contextlib
import hashlib
import http.client
import os
import socket
import statistics
import struct

import harness
from harness import NATIVE, PYTHON, VIREO, check

SLOWEST = 0.95
SESSION_NICE = -15
LIMIT_S = 180
BUSY_LOAD = 2.5
# So that what Python keeps in sets comes in one order.
SAME = {"PYTHONHASHSEED": "0"}
# Headers that differ from one run to the next, or name the server's machine.
LEFT_OUT = ("date",)
VIEWS = ("/", "/sleep", "/async", "/async-sleep", "/async-thread", "/stream",
         "/big", "/own/me", "/async-own/me")
TOGETHER = ("/own/", "/async-own/", "/sleep", "/stream")
# With gevent and eventlet two event loops at once are two in one thread, which
# asyncio refuses, natively too, whenever the two meet.
ONE_LOOP = ("/own/", "/sleep", "/stream")


def module(*names):
    """Skip where Debian's Python lacks one of these modules."""
    for name in names:
        if harness.run([PYTHON, "-c", "import " + name])[0] != 0:
            raise harness.Skip("python3-%s is not installed" % name)


def python_server(name, *arguments):
    """A starter for a server that prints its port, of this folder."""
    command = [PYTHON, os.path.join(harness.HERE, name + ".py"), *arguments]
    return lambda mode: harness.start_printing_server(command, mode,
                                                      SAME, limit=90)


def uvicorn(app, *options):
    return lambda mode: harness.start_server(
        lambda port: ["/usr/bin/uvicorn", "--host", "127.0.0.1", "--port",
                      str(port), "--log-level", "critical", "--backlog",
                      "4096", "--app-dir", harness.HERE, *options, app],
        mode, SAME)


def hypercorn(app):
    return lambda mode: harness.start_server(
        lambda port: ["/usr/bin/hypercorn", "--bind", "127.0.0.1:%d" % port,
                      "--backlog", "4096", "--log-level", "critical",
                      "--graceful-timeout", "3", app], mode,
        SAME, cwd=harness.HERE)


def gunicorn(worker, *options):
    return lambda mode: harness.start_server(
        lambda port: ["/usr/bin/gunicorn", "-k", worker, "--workers", "1",
                      "--worker-connections", "2000", "--log-level",
                      "critical", "--keep-alive", "75", "--bind",
                      "127.0.0.1:%d" % port, "--chdir", harness.HERE,
                      *options, "async_flask:app"], mode, SAME)


def answer(connection):
    response = connection.getresponse()
    body = response.read()
    headers = sorted((k.lower(), v) for k, v in response.getheaders()
                     if k.lower() not in LEFT_OUT)
    shown = (body if len(body) < 200
             else (len(body), hashlib.sha256(body).hexdigest()))
    return response.status, response.reason, headers, shown


def ask(port, path, method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body)
        return answer(connection)
    finally:
        connection.close()


def one_after_another(port):
    """All on one connection, which the server may close where it likes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    answers = []
    for path in VIEWS:
        connection.request("GET", path)
        answers.append((path, answer(connection), connection.sock is None))
    connection.close()
    return answers


def errors(port):
    return [ask(port, path, method) for method, path in (
        ("GET", "/error"), ("GET", "/async-error"), ("GET", "/nowhere"),
        ("POST", "/"), ("HEAD", "/big"), ("OPTIONS", "/"),
        ("GET", "/status/418"), ("GET", "/status/204"))]


def bodies(port):
    pieces = [b"%d," % n * 1000 for n in range(50)]
    return [ask(port, "/digest", "POST", b"x" * size)
            for size in (0, 1, 65536, 3000000)] + [
        ask(port, "/digest", "POST", iter(pieces))]


def at_once(port, views, many=20):
    """Each of them has its own name, context and thread."""
    paths = ["%s%d" % (view, n) if view.endswith("/") else view
             for n in range(many) for view in views]
    with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(lambda path: (path, ask(port, path)), paths))


def send_and_go(port, sent, reset):
    with socket.create_connection(("127.0.0.1", port), 30) as peer:
        peer.sendall(sent)
        if reset:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))


def aborts(port):
    """Clients that go away in the middle; afterwards all is well."""
    for reset in False, True:
        for sent in (b"", b"GET / HT", b"GET /stream HTTP/1.1\r\nHost: x\r\n"
                     b"\r\n", b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
                     b"GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n",
                     b"POST /digest HTTP/1.1\r\nHost: x\r\n"
                     b"Content-Length: 1000\r\n\r\nonly this"):
            for _ in range(3):
                send_and_go(port, sent, reset)
    return [ask(port, path) for path in ("/", "/stream", "/async")]


def no_request(port):
    """What is no HTTP, to the end of the answer."""
    with socket.create_connection(("127.0.0.1", port), 30) as peer:
        peer.sendall(b"this is no HTTP\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := peer.recv(4096):
                said += piece
    return said.split(b"\r\n")[0]


def conversation(port, together):
    return [one_after_another(port), errors(port), bodies(port),
            at_once(port, together), aborts(port), no_request(port),
            one_after_another(port)]


def short_conversation(port, together):
    return [one_after_another(port), errors(port),
            at_once(port, together, 5), aborts(port)]


def compare(what, start, together=TOGETHER, conversation=conversation):
    """The conversation, and how the server ends, of both runs."""
    said = {}
    for mode in harness.modes():
        with start(mode) as server:
            try:
                said[mode] = conversation(server.port, together)
            except Exception as error:
                raise harness.Failed("%s (%s): %r %s" % (
                    what, mode, error, server.output()[-500:]))
            said[mode].append(server.stop(timeout=20))
    for native, other in zip(said[NATIVE], said.get(VIREO, said[NATIVE])):
        check(other == native, "%s: %s", what, difference(native, other))
    return said[NATIVE]


def difference(native, other):
    if isinstance(native, list):
        for a, b in zip(native, other):
            if a != b:
                return "natively %r, not %r" % (a, b)
    return "natively %r, not %r" % (native, other)


def measured(server, path, connections, seconds):
    """Requests/s, and CPU time a request, of one phase of load."""
    before = server.usage()["cpu_s"]
    report = harness.load(server.port, connections, path=path,
                          seconds=seconds, limit=LIMIT_S)
    harness.check_load(report, "%s %s" % (server.mode, path))
    spent = server.usage()["cpu_s"] - before
    return (report["requests"] / report["seconds"],
            spent / report["requests"])


def others_are_busy():
    """More than a server, its clients and those who wait for them: the kernel
    shares the CPUs among all, and by threads."""
    return os.getloadavg()[0] > BUSY_LOAD * os.cpu_count()


def judge(what, rates, times, busy=None):
    """Print medians; ratios are medians of the rounds' ratios.  Returns that
    of the rates; where others use the machine too, that of the CPU time, if
    that is better: wall time says then who had the CPU, not who needs it."""
    if busy is None:
        busy = others_are_busy()
    ratio = statistics.median(v / n for n, v in zip(rates[NATIVE],
                                                    rates[VIREO]))
    cpu = statistics.median(n / v for n, v in zip(times[NATIVE],
                                                  times[VIREO]))
    print("%-28s native %.0f/s, vireo %.0f/s, ratio %.2f, per CPU second "
          "%.2f" % (what, statistics.median(rates[NATIVE]),
                    statistics.median(rates[VIREO]), ratio, cpu), flush=True)
    return max(ratio, cpu) if busy else ratio


def race(what, start, paths=("/", "/async"), connections=50, pairs=5,
         rounds=2, seconds=1.0, warm=1):
    """Both servers run, one is asked at a time.  Several pairs: where its
    memory happens to lie makes one process faster than the next."""
    harness.session_nice = SESSION_NICE
    rates = {path: {mode: [] for mode in harness.modes()} for path in paths}
    times = {path: {mode: [] for mode in harness.modes()} for path in paths}
    for _ in range(pairs):
        with contextlib.ExitStack() as stack:
            servers = [stack.enter_context(start(mode))
                       for mode in harness.modes()]
            for path in paths:
                for server in servers:
                    measured(server, path, connections, warm)
                for _ in range(rounds):
                    servers.reverse()
                    for server in servers:
                        rate, time = measured(server, path, connections,
                                              seconds)
                        rates[path][server.mode].append(rate)
                        times[path][server.mode].append(time)
    if VIREO not in harness.modes():
        return
    ratios = [(path, judge("%s %s" % (what, path), rates[path], times[path]))
              for path in paths]
    slow = ["%s %.2f" % found for found in ratios if found[1] < SLOWEST]
    check(not slow, "%s is slower than natively: %s", what, slow)
