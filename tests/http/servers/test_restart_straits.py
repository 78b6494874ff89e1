#!/usr/bin/python3
# label: ci, http
# timeout: 180
"""Restarts where descriptors are short, or somebody was stopped."""
import contextlib
import os
import resource
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serving  # noqa: E402
from serving import Server, check, wait_until  # noqa: E402
from test_restart import answers  # noqa: E402


def limit_descriptors(pid, most):
    resource.prlimit(pid, resource.RLIMIT_NOFILE,
                     (most, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))


def fds(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def test_workers_without_descriptors():
    """Connections wait, a line or two say so, and a restart works meanwhile:
    the new workers take who waits.  With less of a load all goes on."""
    with Server() as server, contextlib.ExitStack() as stack:
        old = server.workers()
        for pid in old:
            limit_descriptors(pid, fds(pid) + 10)
        clients = [stack.enter_context(server.connect()) for _ in range(60)]
        wait_until(lambda: "open files" in server.said(), "a complaint")
        time.sleep(1.5)
        said = server.said().count("open files")
        check(said <= 4, "%d lines", said)
        # Those that are left, without a request yet, leave room for others.
        for s in clients[4:]:
            s.close()
        del clients[4:]
        wait_until(lambda: server.generation() == "0", "it goes on")
        clients += [stack.enter_context(server.connect()) for _ in range(60)]
        time.sleep(0.3)
        for s in clients:
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n"
                      b"Connection: close\r\n\r\n")
        server.restart("1")
        found = answers(clients)
        check(len(found) == 64, "%d answers", len(found))
        wait_until(lambda: server.generation() == "1", "generation")
        check(server.stop() == 0, "status")


def candidate(server, known):
    """The master of a program that is being started, and its workers."""
    def look():
        for pid in server.children(server.pid):
            if pid not in known and server.children(pid):
                return pid
        return None
    return wait_until(look, "a program that has workers")


def test_a_new_program_without_descriptors_says_that_it_is_ready():
    """Its master has none left when its workers accept."""
    with Server() as server:
        known = server.children(server.pid)
        server.be("1", "late")
        os.kill(server.pid, signal.SIGHUP)
        pid = candidate(server, known)
        wait_until(lambda: len(server.children(pid)) == 2, "both workers")
        limit_descriptors(pid, 3)  # those that are open stay open
        wait_until(lambda: "serves now" in server.said(), "READY=1")
        wait_until(lambda: server.generation() == "1", "generation")
        check("not told" not in server.said(), "%s", server.said())
        check(server.stop() == 0, "status")


def test_a_stopped_program_does_not_outlive_a_killed_master():
    """One that is to take over, not ready or about to say that it is; and one that
    serves."""
    for behaviour, word in (("hang", None), ("late", None),
                            ("listen", "serves now")):
        with Server() as server:
            known = server.children(server.pid)
            server.be("1", behaviour)
            os.kill(server.pid, signal.SIGHUP)
            pid = candidate(server, known)
            if word:
                wait_until(lambda: word in server.said(), word)
            os.kill(pid, signal.SIGSTOP)
            if behaviour == "late":
                time.sleep(1)  # its workers are ready, and nobody hears it
                check(server.generation() is not None, "nobody serves")
            os.kill(server.pid, signal.SIGKILL)
            server.program.popen.wait(5)
            wait_until(lambda: not server.program.pids(), "all have ended", 20)
            check("the master %d has gone" % server.pid in server.said(),
                  "%s", server.said())


if __name__ == "__main__":
    serving.main(globals())
