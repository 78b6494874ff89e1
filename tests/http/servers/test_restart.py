#!/usr/bin/python3
# label: ci, http
# timeout: 300
"""A master and its workers: restarts, crashes and ends, without a request lost
(V-28)."""
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serving  # noqa: E402
from serving import Hammer, Server, check, harness, wait_until  # noqa: E402


def signal_all(pids, number):
    for pid in pids:
        os.kill(pid, number)


def queue_up(server, count):
    """Requests of clients whom nobody has accepted."""
    clients = [server.connect() for _ in range(count)]
    for s in clients:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    return clients


def answers(clients):
    return [serving.read_answer(s) for s in clients]


def kill_and_count(worker):
    """How many connections it holds: of each at most one request is lost.  Those who
    wait in the queue are the next worker's."""
    os.kill(worker, signal.SIGSTOP)
    wait_until(lambda: harness._stat(worker)[0] == "T", "it stops")
    held = len(sockets_of(worker) - listeners_of(worker))
    os.kill(worker, signal.SIGKILL)
    return held


def hammer_under(requests, connections, restarts, kills, pause=0.05):
    events = ["restart"] * restarts + ["kill"] * kills
    random.shuffle(events)
    held = 0
    with Server() as server:
        load = Hammer(server.address, connections, requests)
        for i, event in enumerate(events):
            time.sleep(pause)
            if event == "restart":
                server.restart(str(i + 1))
            else:
                held += kill_and_count(random.choice(server.workers()))
        late = not load.running()
        report = load.result()
        print("  %d requests, %d connections, %d failed of %d held (%s), %d ms at "
              "most%s" % (report["done"], report["connections"], report["failed"],
                          held, report, report["slowest_ms"],
                          ", load ended early" if late else ""))
        check(report["failed"] <= held, "%s with %d held at most", report, held)
        check(report["done"] + report["failed"] == requests, "%s", report)
        if kills == 0:
            check(report["failed"] == 0, "%s", report)
        check(server.stop() == 0, "status of the master")


def test_restarts_alone_lose_nothing():
    hammer_under(40000, 16, restarts=3, kills=0)


def test_slow_requests_survive_a_restart():
    """Each is under way when the program is replaced, several times over."""
    with Server() as server:
        load = Hammer(server.address, 50, 300, "/slow")
        for i in range(3):
            time.sleep(0.7)
            server.restart(str(i + 1))
        report = load.result()
        check(report["failed"] == 0 and report["done"] == 300, "%s", report)


def test_requests_in_crumbs_survive_a_restart():
    """Byte after byte, heads and bodies, and a restart in the middle of each."""
    ends = b"Connection: close\r\n\r\n"
    requests = [b"GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n" % (b"x" * 25) + ends,
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n" + ends
                + b"nine char"]
    with Server() as server:
        for i in range(3):
            clients = [server.connect() for _ in range(100)]
            for s in clients:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(max(map(len, requests))):
                for k, s in enumerate(clients):
                    s.sendall(requests[k % 2][at:at + 1])
                if at == 40:
                    server.restart(str(i + 1))
            check(len(answers(clients)) == 100, "answers")
        check(server.stop() == 0, "status of the master")


def test_what_waits_in_the_queue_is_served_by_the_next_program():
    with Server() as server:
        old = server.workers()
        signal_all(old, signal.SIGSTOP)
        clients = queue_up(server, 200)
        server.restart("1")
        found = answers(clients)
        check(len(found) == 200, "%d answers", len(found))
        check(all(a.generation == "1" for a in found), "of the old program")
        signal_all(old, signal.SIGCONT)
        wait_until(lambda: not any(os.path.exists("/proc/%d" % p)
                                   for p in old), "the old workers end")


def test_what_waits_in_the_queue_survives_the_workers():
    with Server() as server:
        old = server.workers()
        signal_all(old, signal.SIGSTOP)
        clients = queue_up(server, 200)
        signal_all(old, signal.SIGKILL)
        found = answers(clients)
        check(len(found) == 200, "%d answers", len(found))
        check(not {a.pid for a in found} & set(old), "from the dead")
        check(server.workers() != old, "nobody was started")


def test_who_waits_at_the_end_is_served():
    """SIGTERM with requests in the queue: they were there before it."""
    with Server() as server:
        old = server.workers()
        signal_all(old, signal.SIGSTOP)
        clients = queue_up(server, 100)
        os.kill(server.pid, signal.SIGTERM)
        time.sleep(0.3)
        signal_all(old, signal.SIGCONT)
        check(len(answers(clients)) == 100, "answers")
        check(server.program.popen.wait(20) == 0, "status")


def test_a_program_that_does_not_start_changes_nothing():
    with Server() as server:
        load = Hammer(server.address, 8, 4000)
        before = server.workers()
        for behaviour, word in (("exit", "ended with status 9"),
                                ("crash", "ended with status 1"),
                                ("hang", "not ready in time")):
            server.be("bad", behaviour)
            os.kill(server.pid, signal.SIGHUP)
            wait_until(lambda: word in server.said(), word)
            wait_until(lambda: server.said().count("the old one goes on"), word)
            check(server.generation() == "0", "generation")
            check(set(before) <= set(server.workers()), "other workers")
        report = load.result()
        check(report["failed"] == 0, "%s", report)
        server.restart("1") # the old one may have taken who came just before
        wait_until(lambda: server.generation() == "1", "generation")


def test_a_program_that_is_gone_changes_nothing():
    """The file is not there any more."""
    folder = harness.tempfile.mkdtemp(prefix="vireo-gone-")
    program = os.path.join(folder, "restarts")
    harness.shutil.copy(os.path.join(serving.BIN, "restarts"), program)
    with Server(program=program) as server:
        os.unlink(program)
        os.kill(server.pid, signal.SIGHUP)
        wait_until(lambda: "No such file" in server.said(), "an error")
        wait_until(lambda: "the old one goes on" in server.said(), "said")
        check(server.generation() == "0", "generation")
        harness.shutil.copy(os.path.join(serving.BIN, "restarts"), program)
        server.restart("1") # the old one may have taken who came just before
        wait_until(lambda: server.generation() == "1", "generation")
    os.unlink(program)
    os.rmdir(folder)


def test_a_new_program_may_have_other_workers():
    with Server(workers=4) as server:
        check(len(server.workers()) == 4, "workers")
        load = Hammer(server.address, 16, 8000)
        server.restart("1")
        report = load.result()
        check(report["failed"] == 0, "%s", report)


def test_hubs_in_one_process():
    with Server("-u", "3", workers=1) as server:
        load = Hammer(server.address, 16, 8000)
        for i in range(2):
            time.sleep(0.2)
            server.restart(str(i + 1))
        report = load.result()
        check(report["failed"] == 0, "%s", report)
        check(server.stop() == 0, "status")


def test_hubs_in_several_processes():
    """Two processes of two hubs: each hub gets connections, before and after
    restarts under load."""
    def hubs():
        found = set()

        def ask():
            answer = server.ask("/hub")
            found.add((answer.generation, answer.client))
            here = {hub for g, hub in found if g == generation}
            return here == set("0123")
        wait_until(ask, "all hubs of %s: %s" % (generation, found))

    with Server("-u", "2", workers=2) as server:
        generation = "0"
        hubs()
        load = Hammer(server.address, 32, 40000)
        for generation in "123":
            time.sleep(0.1)
            server.restart(generation)
            hubs()
        report = load.result()
        check(report["failed"] == 0 and report["done"] == 40000, "%s", report)
        check(len(server.workers()) == 2, "%s", server.workers())
        check(server.stop() == 0, "status")


def test_unix_socket():
    path = os.path.join(harness.tempfile.mkdtemp(prefix="vireo-unix-"), "s")
    with Server(address=path) as server:
        load = Hammer(path, 16, 8000)
        for i in range(2):
            time.sleep(0.2)
            server.restart(str(i + 1))
        report = load.result()
        check(report["failed"] == 0, "%s", report)
        check(server.stop() == 0, "status")
        check(not os.path.exists(path), "the socket's file is left")
    os.rmdir(os.path.dirname(path))


def test_worker_that_is_told_to_end_has_a_successor_first():
    with Server() as server:
        load = Hammer(server.address, 16, 10000)
        for _ in range(3):
            old = random.choice(server.workers())
            os.kill(old, signal.SIGTERM)
            wait_until(lambda: not os.path.exists("/proc/%d" % old), "its end")
            wait_until(lambda: len(server.workers()) == 2, "two workers")
        report = load.result()
        check(report["failed"] == 0, "%s", report)


def test_the_master_that_is_killed_takes_all_with_it():
    with Server() as server:
        server.restart("1")
        wait_until(lambda: len(server.program.pids()) == 4,
                   "the old workers have ended")
        os.kill(server.pid, signal.SIGKILL)
        server.program.popen.wait(5)
        wait_until(lambda: not server.program.pids(), "all have ended", 20)


def test_workers_that_hang_do_not_outlive_a_killed_master():
    """One computes for ever, one is stopped, one answers what it was asked: all
    are gone when the time to drain is over, 5 s here."""
    with Server(workers=3) as server, server.connect() as spins, \
            contextlib.ExitStack() as stack:
        workers = server.workers()
        clients = [stack.enter_context(server.connect()) for _ in range(12)]
        spins.sendall(b"GET /spin HTTP/1.1\r\nHost: a\r\n\r\n")
        spinning = wait_until(lambda: [p for p in workers if computes(p)],
                              "one that computes")[0]
        stopped = next(p for p in workers if p != spinning)
        os.kill(stopped, signal.SIGSTOP)
        for s in clients:
            s.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n"
                      b"Connection: close\r\n\r\n")
        time.sleep(0.2)
        os.kill(server.pid, signal.SIGKILL)
        server.program.popen.wait(5)
        check(any(answered(s) for s in clients), "nobody was answered")
        wait_until(lambda: not server.program.pids(), "all have ended", 20)


def computes(pid):
    """Is it running, now and a little later?"""
    before = int(harness._stat(pid)[11])
    time.sleep(0.1)
    return int(harness._stat(pid)[11]) - before >= 3


def answered(s):
    s.settimeout(10)
    try:
        return b" 200 OK" in serving.read_all(s)
    except OSError:
        return False  # of one that hangs


def test_a_new_program_that_dies_is_started_again():
    with Server() as server:
        server.restart("1")
        master = server.master()
        check(master != server.pid, "the same process")
        os.kill(master, signal.SIGKILL)
        wait_until(lambda: server.said().count("serves now") > 1, "another")
        time.sleep(0.5)  # and not one more behind it
        check(server.said().count("serves now") == 2, "%s", server.said())
        wait_until(lambda: server.generation() == "1", "it answers")
        check(server.master() not in (server.pid, master), "master")


def test_many_restarts_at_once():
    """Signals that come while a restart is under way lead to one more."""
    with Server() as server:
        for i in range(10):
            server.be(str(i))
            os.kill(server.pid, signal.SIGHUP)
            time.sleep(0.02)
        wait_until(lambda: server.generation() == "9", "the last one serves")
        check(server.stop() == 0, "status")


def test_end_by_each_signal():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        with Server() as server:
            check(server.stop(number) == 0, "status after %s", number)
            check("ended" not in server.said(), "%s", server.said())


def test_end_has_a_limit():
    """A worker that is stuck is killed when its time is over, 5 s here; and at
    once with a second signal."""
    for signals, most in ((1, 15), (2, 4)):
        with Server() as server:
            with server.connect() as s:
                s.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
                time.sleep(0.3)
                began = time.monotonic()
                for _ in range(signals):
                    os.kill(server.pid, signal.SIGTERM)
                    time.sleep(0.2)
                check(server.program.popen.wait(30) == 0, "status")
                took = time.monotonic() - began
                check(took < most, "%.1f s", took)
                check("is killed" in server.said(), "%s", server.said())


def test_pid_file():
    folder = harness.tempfile.mkdtemp(prefix="vireo-pid-")
    path = os.path.join(folder, "pid")
    with Server("-p", path) as server:
        # One worker may answer before the others are there.
        wait_until(lambda: os.path.exists(path), "the file is there")
        with open(path) as f:
            check(int(f.read()) == server.pid, "pid")
        server.restart("1")
        with open(path) as f:
            check(int(f.read()) == server.pid, "pid after a restart")
        server.stop()
        check(os.listdir(folder) == [], "%s", os.listdir(folder))
    os.rmdir(folder)


def test_nothing_is_left_open():
    """Ten restarts leave the master no more descriptors, and no more memory to
    speak of."""
    with Server() as server:
        server.restart("0")

        def fds():
            return len(os.listdir("/proc/%d/fd" % server.pid))

        wait_until(lambda: len(server.program.pids()) == 4, "old ones end")
        before = fds()
        for i in range(10):
            server.restart(str(i))
        wait_until(lambda: len(server.program.pids()) == 4, "old ones end")
        wait_until(lambda: fds() <= before, "descriptors: %d" % before)


def ports(count):
    """Free ones, all at once."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def generation_at(port):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        return Server.ask(None, s=s).generation


def sockets_of(pid, listen=False):
    """Inodes of its sockets of TCP; of those that listen alone."""
    with open("/proc/net/tcp") as f:
        known = {line.split()[9] for line in f
                 if not listen or line.split()[3] == "0A"}
    found = set()
    for fd in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(OSError):
            found.add(os.readlink("/proc/%d/fd/%s" % (pid, fd))[8:-1])
    return found & known


def listeners_of(pid):
    return sockets_of(pid, listen=True)


def test_a_new_program_with_many_new_addresses():
    """It hands up far more sockets than the keeper's queue has room for, while the
    keeper does not listen."""
    many = ports(24)
    words = " ".join("127.0.0.1:%d" % p for p in many)
    with Server() as server:
        server.be("1", "late " + words)
        os.kill(server.pid, signal.SIGHUP)
        wait_until(lambda: len(server.children(server.pid)) == 3, "a program")
        os.kill(server.pid, signal.SIGSTOP)
        time.sleep(1)
        os.kill(server.pid, signal.SIGCONT)
        wait_until(lambda: "serves now" in server.said(), "it serves: "
                   + server.said())
        check(all(generation_at(p) == "1" for p in many), "generations")
        kept = listeners_of(server.pid)
        check(len(kept) >= 2 * len(many), "%d listeners kept", len(kept))
        server.port = many[7]
        server.restart("2", "listen " + words)
        wait_until(lambda: server.generation() == "2", "generation")
        check(listeners_of(server.pid) == kept, "others are kept")
        check(server.stop() == 0, "status")


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 10).close()
    except ConnectionRefusedError:
        return True
    return False


def test_addresses_that_are_dropped_are_closed():
    """Who connects there is refused, and does not wait in a queue that nobody
    empties; the file of a Unix socket goes with it."""
    folder = harness.tempfile.mkdtemp(prefix="vireo-dropped-")
    path = [os.path.join(folder, name) for name in "ab"]
    port = ports(2)
    with Server("127.0.0.1:%d" % port[0], path[0]) as server:
        load = Hammer(server.address, 8, 8000)
        words = "listen %s %s 127.0.0.1:%d" % (server.address, path[1], port[1])
        server.restart("1", words)
        wait_until(lambda: is_refused(port[0]), "refused")
        check(os.listdir(folder) == ["b"], "%s", os.listdir(folder))
        check(generation_at(port[1]) == "1", "a new address")
        server.restart("2")  # as at the beginning
        wait_until(lambda: is_refused(port[1]), "refused")
        wait_until(lambda: generation_at(port[0]) == "2", "the old address")
        check(os.listdir(folder) == ["a"], "%s", os.listdir(folder))
        server.restart("3", words)
        wait_until(lambda: is_refused(port[0]), "refused")
        report = load.result()
        check(report["failed"] == 0, "%s", report)
        check(server.stop() == 0, "status")
        check(os.listdir(folder) == [], "%s", os.listdir(folder))
    os.rmdir(folder)


def test_a_program_that_does_not_start_drops_nothing():
    """Nor are sockets left of those that it has opened."""
    port = ports(1)[0]
    with Server("127.0.0.1:%d" % port) as server:
        kept = listeners_of(server.pid)
        for behaviour in ("exit", "crash"):
            said = server.said().count("the old one goes on")
            server.be("1", "%s %s" % (behaviour, server.address))
            os.kill(server.pid, signal.SIGHUP)
            wait_until(lambda: server.said().count("the old one goes on")
                       > said, "it does not start")
            check(generation_at(port) == "0", "generation")
        check(listeners_of(server.pid) == kept, "listeners")


def test_socket_activation():
    """As systemd does it: one socket for all workers, and a notification."""
    with socket.socket() as listener, socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        notify.bind("\0vireo-test-%d" % os.getpid())
        notify.settimeout(20)
        port = listener.getsockname()[1]
        start = ("import os,sys; os.dup2(%d, 3); os.environ.update("
                 "LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', "
                 "LISTEN_FDNAMES='app.socket'); os.execv(sys.argv[1], sys.argv[1:])"
                 % listener.fileno())
        os.set_inheritable(listener.fileno(), True)
        # A client waits before there is a program.
        client = socket.create_connection(("127.0.0.1", port), 30)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        with open(os.path.join(harness.tempfile.gettempdir(), "vireo-gen-%d"
                               % os.getpid()), "w") as f:
            f.write("0\n")
        env = dict(os.environ, GENERATION_FILE=f.name,
                   NOTIFY_SOCKET="@vireo-test-%d" % os.getpid())
        popen = subprocess.Popen(
            [harness.PYTHON, "-c", start, os.path.join(serving.BIN, "restarts"),
             "-w", "3"], pass_fds=[listener.fileno()], env=env,
            start_new_session=True, preexec_fn=harness._in_child)
        try:
            check(notify.recv(4096) == b"READY=1", "READY")
            with client:
                check(serving.read_answer(client).generation == "0", "answer")
            with open(f.name, "w") as again:
                again.write("1\n")
            os.kill(popen.pid, signal.SIGHUP)
            check(notify.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC="),
                  "RELOADING")
            check(notify.recv(4096) == b"READY=1", "READY again")
            with socket.create_connection(("127.0.0.1", port), 30) as s:
                s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n"
                          b"Connection: close\r\n\r\n")
                found = serving.read_answer(s)
                check(found.generation in ("0", "1"), "answer")
            os.kill(popen.pid, signal.SIGTERM)
            check(notify.recv(4096) == b"STOPPING=1", "STOPPING")
            check(popen.wait(20) == 0, "status")
        finally:
            popen.kill()
            popen.wait()
            os.unlink(f.name)


def fill(name):
    """The queue of a socket that nobody reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                s.sendto(b"STATUS=full", name)


def test_a_service_manager_that_does_not_listen_holds_nothing_up():
    """And is told all when it does, once and in order."""
    name = "vireo-deaf-%d" % os.getpid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind("\0" + name)
        notify.settimeout(20)
        fill("\0" + name)
        with Server(env={"NOTIFY_SOCKET": "@" + name}) as server:
            old = server.workers()
            os.kill(old[0], signal.SIGKILL)
            wait_until(lambda: len(set(server.workers()) - {old[0]}) == 2,
                       "another worker")
            server.restart("1")
            wait_until(lambda: server.generation() == "1", "generation")
            said = [b"STATUS=full"]
            while said.count(b"READY=1") < 2:
                said.append(notify.recv(4096).split(b"\nMONOTONIC")[0])
            check([m for m in said if m != b"STATUS=full"]
                  == [b"READY=1", b"RELOADING=1", b"READY=1"], "%s", said)
            fill("\0" + name)
            check(server.stop(limit=10) == 0, "status")


def test_no_listener_is_an_error():
    done = subprocess.run([os.path.join(serving.BIN, "restarts")],
                          stderr=subprocess.PIPE, timeout=20)
    check(done.returncode == 1 and b"no listener" in done.stderr, "%s", done)
    done = subprocess.run([os.path.join(serving.BIN, "restarts"), "1.2.3.4:80"],
                          stderr=subprocess.PIPE, timeout=20)
    check(done.returncode == 1 and b"1.2.3.4:80" in done.stderr, "%s", done)


if __name__ == "__main__":
    serving.main(globals())
