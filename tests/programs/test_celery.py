#!/usr/bin/python3
# label: long
# timeout: 600
# serial
"""A Celery worker with -P threads on Redis: all kinds of tasks come back as
natively, it ends warmly with tasks under way, and tasks/s."""
import contextlib
import os
import subprocess
import sys

import harness
import webtalk
from harness import NATIVE, VIREO, PYTHON, check

TASKS = os.path.join(harness.HERE, "celery_tasks.py")
ROUNDS = 7


def environment(redis_port, number=0):
    return {"REDIS": "redis://127.0.0.1:%d/%d" % (redis_port, number)}


def worker(mode, env):
    return harness.Program(
        [PYTHON, "-m", "celery", "-A", "celery_tasks", "worker",
         "-P", "threads", "-c", "20", "--without-gossip", "--without-mingle", "-l", "WARNING",
         "-n", "test@localhost"], mode, env, cwd=harness.HERE)


def ready(program, env, limit=60):
    """A worker answers a first task when it is."""
    status, out, err = harness.run(
        [PYTHON, "-c", "import celery_tasks as t; "
         "print(t.add.delay(1, 1).get(timeout=%d))" % limit],
        env=env, limit=limit + 30, cwd=harness.HERE)
    check(out == "2\n", "%s: %d %s %s", program.mode, status, err[-500:],
          program.output()[-500:])


def needs():
    harness.need("celery", "redis-server")
    webtalk.module("celery", "redis")


def test_the_same_comes_back():
    needs()
    done = {}
    for mode in harness.modes():
        with harness.redis_server() as port:
            env = environment(port)
            with worker(mode, env) as program:
                ready(program, env)
                said = harness.run([PYTHON, TASKS], env=env, limit=240)
                done[mode] = said, program.stop(timeout=30)
    native = done[NATIVE]
    check(native[0][0] == 0 and "computed True" in native[0][1]
          and native[1] == 0, "natively %s", native)
    for mode, result in done.items():
        check(result == native, "%s: %s, natively %s", mode, result, native)


SEND = ("import celery_tasks as t, sys, time\n"
        "found = [t.sleep.delay(1.5) for _ in range(5)]\n"
        "while any(f.state == 'PENDING' for f in found): time.sleep(0.05)\n"
        "print('sent', flush=True); sys.stdin.readline()\n"
        "print([f.get(timeout=30) for f in found] == ['slept'] * 5)\n")


def test_a_warm_end_finishes_what_is_under_way():
    needs()
    for mode in harness.modes():
        with harness.redis_server() as port:
            env = environment(port)
            with worker(mode, env) as program, harness.Program(
                    [PYTHON, "-c", SEND], env=env, cwd=harness.HERE,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
                check(client.popen.stdout.readline() == b"sent\n", "%s: %s",
                      mode, client.output())
                status = program.stop(timeout=30)
                out, _ = client.popen.communicate(b"\n", timeout=60)
                check(out == b"True\n" and status == 0, "%s: %s, status %s",
                      mode, out, status)


def asked(program, client, seconds):
    before = program.usage()["cpu_s"]
    client.popen.stdin.write(b"%f\n" % seconds)
    client.popen.stdin.flush()
    line = client.popen.stdout.readline().split()
    check(len(line) == 2, "%s: %s", program.mode, client.output())
    return (float(line[0]), (program.usage()["cpu_s"] - before)
            / float(line[1]))


def test_no_slower():
    needs()
    harness.session_nice = webtalk.SESSION_NICE
    rates, times, pairs = {}, {}, {}
    with harness.redis_server() as port, contextlib.ExitStack() as stack:
        for number, mode in enumerate(harness.modes()):
            env = environment(port, number)
            program = stack.enter_context(worker(mode, env))
            ready(program, env)
            pairs[mode] = program, stack.enter_context(
                harness.start_printing_server(
                    [PYTHON, TASKS, "rate"], NATIVE, env,
                    stdin=subprocess.PIPE))
            asked(*pairs[mode], 1)
        for n in range(ROUNDS):
            turns = list(pairs.items())
            for mode, pair in turns[::-1] if n % 2 else turns:
                rate, spent = asked(*pair, 2)
                rates.setdefault(mode, []).append(rate)
                times.setdefault(mode, []).append(spent)
    if VIREO in rates:
        ratio = webtalk.judge("celery -P threads, tasks", rates, times)
        check(ratio >= webtalk.SLOWEST, "%.2f of native", ratio)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
