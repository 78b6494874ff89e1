#!/usr/bin/python3
# label: ci
"""Clients of Redis: python3-redis from many threads, and redis-cli."""
import os
import signal
import subprocess
import sys
import tempfile

import harness
from harness import NATIVE, check


def test_python_client():
    script = os.path.join(harness.HERE, "redis_client.py")
    if harness.run([harness.PYTHON, "-c", "import redis"])[0] != 0:
        raise harness.Skip("python3-redis is not installed")
    with harness.redis_server() as port:
        done = {mode: harness.run([harness.PYTHON, script, str(port)], mode)
                for mode in harness.modes()}
    native = done[NATIVE]
    check("hits 1000\n" in native[1] and "problems []" in native[1],
          "natively %s", native)
    for mode, result in done.items():
        check(result == native, "%s: %s", mode, result)


def redis_on(port, folder):
    return harness.Program([
        "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save",
        "", "--appendonly", "no", "--dir", folder, "--daemonize", "no"])


def lines_of_killed(mode, folder):
    """What the client prints when its Redis is killed and started anew."""
    port = harness.free_port()
    script = os.path.join(harness.HERE, "redis_killed.py")
    with redis_on(port, folder) as server:
        harness.wait_for_port(server, port)
        with harness.Program([harness.PYTHON, script, str(port)], mode,
                             stdout=subprocess.PIPE) as client:
            lines = [client.line(30)]
            server.stop(signal.SIGKILL)
            lines.append(client.line(40))
            with redis_on(port, folder):
                lines.append(client.line(60))
                client.wait(30)
            check(client.popen.returncode == 0, "%s: %s", mode,
                  client.output())
    return lines


def test_killed_server():
    harness.need("redis-server")
    wanted = ["at work\n", "told 10 ['ConnectionError']\n",
              "again 10 others go on True\n"]
    with tempfile.TemporaryDirectory(prefix="vireo-redis-") as folder:
        for mode in harness.modes():
            lines = lines_of_killed(mode, folder)
            check(lines == wanted, "%s: %s", mode, lines)


def test_redis_cli():
    harness.need("redis-cli")
    with harness.redis_server() as port:
        done = {}
        for mode in harness.modes():
            command = ["redis-cli", "-h", "127.0.0.1", "-p", str(port)]
            done[mode] = [harness.run(command + args, mode) for args in (
                ["set", "key", "value"], ["get", "key"], ["nonsense"],
                ["-r", "20", "ping"])]
    for mode, result in done.items():
        check(result == done[NATIVE], "%s: %s", mode, result)


def test_redis_server_itself():
    """Its own threads (bio_*) and its own event loop, side by side."""
    harness.need("redis-server", "redis-cli")
    for mode in harness.modes():
        with harness.start_server(lambda port: [
                "redis-server", "--port", str(port), "--bind", "127.0.0.1",
                "--save", "", "--appendonly", "no", "--dir", "/tmp"],
                mode) as server:
            command = ["redis-cli", "-p", str(server.port)]
            for n in range(3):
                status, out, err = harness.run(command + ["incr", "n"])
                check(out == "%d\n" % (n + 1), "%s: %d %s %s", mode, status,
                      out, err)
            # UNLINK of a big list is freed by a background thread.
            harness.run(command + ["eval", "for i=1,100000 do redis.call("
                                   "'rpush','l',i) end return 1", "0"])
            status, out, _ = harness.run(command + ["unlink", "l"])
            check(out == "1\n", "%s: unlink: %d %s", mode, status, out)
            check(server.stop(timeout=10) == 0, "%s: does not stop", mode)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
