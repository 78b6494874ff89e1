"""http_programs.py - HTTP servers under a load: CPU time a request, system calls,
memory of connections that are idle.
"""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from programs import (PATIENCE, Child, Unavailable, cpu_seconds, memory,
                      need_descriptors, peak)

SETTLE = 3              # seconds until what idles has given back what it can
PACKAGED = "/usr/sbin"  # where it is not in PATH, as for most users

NGINX_CONF = """\
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid %(folder)s/pid;
error_log %(folder)s/error.log;
events { worker_connections 19000; multi_accept on; }
http {
    access_log off;
    default_type text/plain;
    keepalive_requests 1000000000;
    client_body_temp_path %(folder)s/body;
    proxy_temp_path %(folder)s/proxy;
    fastcgi_temp_path %(folder)s/fastcgi;
    uwsgi_temp_path %(folder)s/uwsgi;
    scgi_temp_path %(folder)s/scgi;
    server {
        listen 127.0.0.1:%(port)d backlog=4096;
        location / { return 200 "Hello, World!"; }
    }
}
"""


def tool(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":" + PACKAGED)
    if not path:
        raise Unavailable(f"needs {name}")
    return path


class Built(Child):
    """One of our programs, which prints its port."""

    def __init__(self, place, name):
        super().__init__([place.program(name)], place.environment(False, {}),
                         place.server_core)
        try:
            self.port = int(self.figures("port")["port"])
        except Unavailable:
            self.end()
            raise


class Nginx(Child):
    """Debian's nginx, one process, in a folder of its own."""

    def __init__(self, place):
        program = tool("nginx")
        self.folder = tempfile.mkdtemp(prefix="vireo-bench-nginx-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        conf = os.path.join(self.folder, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(NGINX_CONF % {"folder": self.folder, "port": self.port})
        super().__init__([program, "-p", self.folder, "-c", conf, "-e",
                          os.path.join(self.folder, "error.log")],
                         place.environment(False, {}), place.server_core)
        try:
            self.wait_for_port()
        except Unavailable:
            self.end()
            raise

    def wait_for_port(self):
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise Unavailable("nginx does not listen") from None
                time.sleep(0.05)

    def end(self):
        super().end()
        shutil.rmtree(self.folder, ignore_errors=True)


def nginx(place):
    return Nginx(place)


def built(name):
    return lambda place: Built(place, name)


class Counter:
    """The system calls of a process that runs, by strace."""

    def __init__(self, pid):
        self.pid = pid
        with tempfile.NamedTemporaryFile(prefix="vireo-bench-calls-",
                                         delete=False) as file:
            self.path = file.name
        self.process = subprocess.Popen(
            [tool("strace"), "-f", "-qq", "-c", "-o", self.path, "-p",
             str(pid)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE)
        self.wait_until_attached()

    def wait_until_attached(self):
        end = time.monotonic() + 10
        while True:
            with open(f"/proc/{self.pid}/status", encoding="utf-8") as file:
                tracer = next(line for line in file
                              if line.startswith("TracerPid:"))
            if int(tracer.split()[1]) == self.process.pid:
                return
            if time.monotonic() > end or self.process.poll() is not None:
                said = self.end()[1]
                raise Unavailable("strace cannot attach: " + said)
            time.sleep(0.02)

    def end(self):
        """All that were made, and what strace had to say."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=PATIENCE)[1]
        with open(self.path, encoding="utf-8") as file:
            lines = [line.split() for line in file]
        os.unlink(self.path)
        total = [int(words[3]) for words in lines if words[-1:] == ["total"]]
        return total[0] if total else 0, said.decode().strip()


class Load(Child):
    """echo_client: connections that are open, and can be made busy."""

    def __init__(self, place, server, connections, protocol, depth=1):
        need_descriptors(connections + 200)
        super().__init__([place.program("echo_client"), str(server.port),
                          str(connections), protocol, str(depth)],
                         dict(os.environ), place.client_core)
        self.depth = depth
        try:
            self.opened = self.figures("ready")
        except Unavailable:
            self.end()
            raise

    def run(self, requests):
        self.send(f"{requests}\n")
        done = self.figures("done")
        if done["errors"] or not done["answered"]:
            raise Unavailable(f"{done['errors']:.0f} of {requests} requests "
                              "without an answer")
        return done


def measured(make_server, connections, protocol, depth, look):
    """A measurement: look(place, server, load), when they are there.  The limit on
    descriptors is raised first, since the server inherits it."""
    def measure(place):
        need_descriptors(connections + 200)
        server = make_server(place)
        try:
            load = Load(place, server, connections, protocol, depth)
            try:
                return look(place, server, load)
            finally:
                load.end()
        finally:
            server.end()
    return measure


def busy(make_server, connections, requests, depth=1, path="/"):
    """CPU time of the server a request, all connections being busy; and the
    most memory that it had."""
    def look(place, server, load):
        pid = server.process.pid
        total = max(requests // 5, 2 * connections * depth) \
            if place.quick else requests
        load.run(2 * connections * depth)
        start = cpu_seconds(pid)
        done = load.run(total)
        used = cpu_seconds(pid) - start
        return {"cpu_us": used * 1e6 / done["answered"],
                "per_second": done["per_second"], "p99_us": done["p99_us"],
                "peak_mb": peak(pid) / 1e6}
    return measured(make_server, connections, "http:" + path, depth, look)


def calls(make_server, connections, requests, depth=1):
    """System calls a request."""
    def look(_, server, load):
        load.run(2 * connections * depth)
        counter = Counter(server.process.pid)
        try:
            done = load.run(requests)
        finally:
            count, _said = counter.end()
        return {"calls": count / done["answered"]}
    return measured(make_server, connections, "http", depth, look)


def idle(make_server, connections, protocol="http"):
    """Memory of a connection that was answered and is idle; less what the
    server has with one."""
    def look(place, server, load):
        pid = server.process.pid
        load.run(1)
        time.sleep(SETTLE)
        before, _ = memory(pid)
        more = Load(place, server, connections, protocol)
        try:
            time.sleep(SETTLE)
            held, _ = memory(pid)
        finally:
            more.end()
        return {"bytes": (held - before) / connections,
                "open_ms": more.opened["open_ms"]}
    return measured(make_server, 1, protocol, 1, look)
