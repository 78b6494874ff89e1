#!/usr/bin/python3
# label: long
# timeout: 900
"""1,000 dumps of a server under load, and of a program whose threads come and go all
the time: each is answered, none does any harm."""
import subprocess
import sys
import time

import harness
from test_operate import Operated, vireo
from harness import VIREO, check

DUMPS = 1000
CONNECTIONS = 1000


def dump(pid):
    began = time.monotonic()
    text = vireo("dump", pid)
    took = time.monotonic() - began
    check(text.startswith("process %d: " % pid) and "\nhub 1 " in text,
          "it says:\n%s", text[:500])
    return took, text


def test_server_under_load():
    with harness.start_httpd(VIREO) as server:
        load = subprocess.Popen(
            [harness.c_program("load"), "-p", str(server.port), "-n",
             str(CONNECTIONS), "-a", "100", "-d", "800", "-t", "850"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            time.sleep(1)
            took = sorted(dump(server.pid)[0] for _ in range(DUMPS))
            check(load.poll() is None, "the load has ended")
            text = dump(server.pid)[1]
            check(text.count("recv fd") > CONNECTIONS / 2,
                  "only %d threads", text.count("recv fd"))
            print("%d dumps of %d connections: median %.3f s, the longest "
                  "%.3f s" % (DUMPS, CONNECTIONS, took[DUMPS // 2], took[-1]))
        finally:
            load.kill()
            load.communicate()
        check(server.popen.poll() is None, "the server has ended")


def test_threads_that_come_and_go():
    with Operated("churn") as program:
        for _ in range(DUMPS):
            dump(program.pid)
        check(program.popen.poll() is None, "it has ended")
        check(program.end() == (0, ""), "it ends otherwise")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
