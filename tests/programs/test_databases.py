#!/usr/bin/python3
# label: long
# timeout: 600
# serial
"""python3-databases with asyncpg against PostgreSQL: queries, transactions,
errors, time-outs, ended connections, loops in threads; and queries/s."""
import contextlib
import os
import subprocess
import sys

import harness
import postgres
import webtalk
from harness import NATIVE, VIREO, PYTHON, check

CLIENT = os.path.join(harness.HERE, "databases_client.py")
PAIRS = 5
ROUNDS = 8
SECONDS = 0.6


def url(port):
    return "postgresql://postgres@127.0.0.1:%d/postgres" % port


def test_the_same_comes_back():
    webtalk.module("databases", "asyncpg")
    with postgres.server() as port:
        done = {mode: harness.run([PYTHON, CLIENT, url(port)], mode)
                for mode in harness.modes()}
    native = done[NATIVE]
    check(native[0] == 0 and "in threads True" in native[1], "natively %s",
          native)
    for mode, result in done.items():
        check(result == native, "%s: %s, natively %s", mode, result, native)


def asked(client, seconds):
    client.popen.stdin.write(b"%f\n" % seconds)
    client.popen.stdin.flush()
    line = client.popen.stdout.readline().split()
    check(len(line) == 2, "%s: %s", client.mode, client.output())
    return float(line[0]), float(line[1])


def client(stack, mode, port):
    found = stack.enter_context(harness.start_printing_server(
        [PYTHON, CLIENT, url(port), "rate"], mode, webtalk.SAME,
        stdin=subprocess.PIPE))
    asked(found, 1)
    return found


def test_no_slower():
    """The processes of each pair have their memory elsewhere."""
    webtalk.module("databases", "asyncpg")
    harness.session_nice = webtalk.SESSION_NICE
    rates = {mode: [] for mode in harness.modes()}
    times = {mode: [] for mode in harness.modes()}
    with postgres.server() as port:
        check(harness.run([PYTHON, CLIENT, url(port)])[0] == 0, "tables")
        for _ in range(PAIRS):
            with contextlib.ExitStack() as stack:
                clients = [client(stack, mode, port)
                           for mode in harness.modes()]
                for _ in range(ROUNDS):
                    clients.reverse()
                    for each in clients:
                        rate, time = asked(each, SECONDS)
                        rates[each.mode].append(rate)
                        times[each.mode].append(time)
    if VIREO in rates:
        ratio = webtalk.judge("databases, queries", rates, times)
        check(ratio >= webtalk.SLOWEST, "%.2f of native", ratio)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
