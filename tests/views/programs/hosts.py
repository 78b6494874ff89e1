"""Two hosts behind HAProxy, for test_hosts.py (short) and test_hosts_long.py.

Each host is a network namespace with the blog and its mailer; HAProxy, PostgreSQL and
Redis stand in a third one, which is this process' own from begin() on.  None has a
name, so that all is gone with its processes.  Where namespaces are refused, hosts are
processes on addresses of the loopback."""
import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

import apps
import blogging
import harness
import queueing
from apps import check, until

CLONE_NEWNET = 0x40000000

# A host that was lost does not say so: its sessions go when they are silent.
POSTGRES = ["-c", "max_connections=200", "-c", "tcp_keepalives_idle=2",
            "-c", "tcp_keepalives_interval=1", "-c", "tcp_keepalives_count=2"]
REDIS = [*queueing.DURABLE, "--tcp-keepalive", "3"]

CONF = """
global
    maxconn 500
    stats socket %(folder)s/admin level admin
defaults
    mode http
    timeout connect 500ms
    timeout client 30s
    timeout server 20s
    timeout queue 2s
    timeout check 10s
    retries 3
    option redispatch 1
    option http-buffer-request
    retry-on conn-failure empty-response
# Without `timeout check` a host is DOWN that does not answer within `inter`: on a busy
# machine both were, and alive.  Who is lost does not connect any more.
frontend all
    bind 127.0.0.1:%(port)d
    stats enable
    stats uri /balancer
    # What may be asked twice is asked twice.
    http-request disable-l7-retry if METH_POST !{ req.hdr(Idempotency-Key) -m found }
    default_backend hosts
backend hosts
    balance roundrobin
    option httpchk GET /health
    default-server check inter 500 fastinter 100 fall 2 rise 1
    server a %(a)s
    server b %(b)s
"""


def ip(*words):
    done = subprocess.run(["ip", *words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    return done.returncode == 0, done.stdout.decode().strip()


def begin():
    """True: this process, and what it starts, has a network of its own."""
    harness.need("haproxy", "ip", "nsenter", "unshare")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        print("SKIP namespaces: unshare: errno %d (%s); on the loopback instead"
              % (error, os.strerror(error)))
        return False
    good, said = ip("link", "set", "lo", "up")
    check(good, "ip link set lo up: %s", said)
    # Of two ends of a cable, to see whether the kernel has them.
    good, said = ip("link", "add", "probe", "type", "veth", "peer", "name",
                    "eborp")
    if not good:
        print("SKIP namespaces: %s; on the loopback instead" % said)
        return False
    ip("link", "del", "probe")
    return True


class Host:
    """The blog and a mailer at an address of their own."""

    def __init__(self, number, apart):
        self.apart, self.number = apart, number
        self.gate = "10.77.%d.1" % number if apart else "127.0.0.1"
        self.address = "10.77.%d.2" % number if apart \
            else "127.0.0.%d" % (number + 1)
        self.port = 8080 if apart else harness.free_port()
        self.holder = self.blog = self.mailer = None
        self.on = False

    def plug_in(self):
        """A namespace, as long as a process is in it, and a cable to it."""
        self.on = True
        if not self.apart:
            return
        self.holder = harness.Program(["unshare", "-n", "sleep", "1000000"])
        here = os.readlink("/proc/self/ns/net")
        until(lambda: self.namespace() != here, "there is a namespace")
        for words in (
                ("link", "add", self.cable, "type", "veth", "peer", "name",
                 "eth0", "netns", str(self.holder.pid)),
                ("address", "add", self.gate + "/30", "dev", self.cable),
                ("link", "set", self.cable, "up")):
            good, said = ip(*words)
            check(good, "ip %s: %s", words, said)
        for words in (("link", "set", "lo", "up"),
                      ("address", "add", self.address + "/30", "dev", "eth0"),
                      ("link", "set", "eth0", "up")):
            check(subprocess.run([*self.inside, "ip", *words],
                                 check=False).returncode == 0, "ip %s", words)

    def namespace(self):
        try:
            return os.readlink("/proc/%d/ns/net" % self.holder.pid)
        except OSError:
            return None

    @property
    def cable(self):
        return "host%d" % self.number

    @property
    def inside(self):
        if not self.apart:
            return []
        return ["nsenter", "-t", str(self.holder.pid), "-n"]

    @property
    def where(self):
        return "%s:%d" % (self.address, self.port)

    def start(self, database, redis):
        self.env = blogging.environment(
            database.conninfo_at(self.gate), "%s:%d" % (self.gate, redis.port))
        self.start_blog()
        self.start_mailer()

    def start_blog(self):
        self.blog = harness.Program(
            [*self.inside, *apps.command("blog", apps.LINKED, "--bind",
                                         self.where, "--workers", "2")],
            env=self.env)

    def start_mailer(self):
        self.mailer = blogging.Mailer(self.env, prefix=self.inside)

    def end_blog(self):
        said = apps.stop(self.blog, "the blog of host %d" % self.number)
        check("failed" not in said, "%s", said)

    def lose(self):
        """Nobody says goodbye: the cable first, then everything that runs there."""
        self.on = False
        if self.apart:
            mine = self.namespace()
            ip("link", "set", self.cable, "down")
            for name in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError):
                    if os.readlink("/proc/%s/ns/net" % name) == mine:
                        os.kill(int(name), signal.SIGKILL)
            self.holder.stop(signal.SIGKILL)
            ip("link", "del", self.cable)
        for program in self.blog, self.mailer.program:
            program.stop(signal.SIGKILL)

    def unplug(self):
        if self.on:
            with contextlib.suppress(Exception):
                self.lose()


class Balancer:
    def __init__(self, a, b):
        self.folder = tempfile.TemporaryDirectory(prefix="vireo-haproxy-")
        conf = os.path.join(self.folder.name, "conf")

        def command(port):
            with open(conf, "w", encoding="ascii") as file:
                file.write(CONF % {"port": port, "a": a, "b": b,
                                   "folder": self.folder.name})
            return ["haproxy", "-db", "-f", conf]

        self.program = harness.start_server(command)
        self.port = self.program.port

    def states(self):
        """{name: "UP", "DOWN" ...}"""
        with urllib.request.urlopen(
                "http://127.0.0.1:%d/balancer;csv" % self.port,
                timeout=10) as answer:
            rows = [line.split(",") for line in
                    answer.read().decode().split("\n")]
        at = rows[0].index("status")
        return {row[1]: row[at] for row in rows[1:]
                if row[0] == "hosts" and row[1] in "ab"}

    def give_up(self, name):
        """What the host has not answered by now it never will: 502 at once, or on to
        the other one, and not after `timeout server`.  on-marked-down
        shutdown-sessions does the same, but also to what a host still answers that
        ends as it should."""
        self.until(name, "DOWN")
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(os.path.join(self.folder.name, "admin"))
            admin.sendall(b"shutdown sessions server hosts/%s\n" % name.encode())
            admin.recv(100)

    def until(self, name, state):
        until(lambda: self.states()[name].startswith(state),
              "host %s is %s" % (name, state))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.program.stop()
        self.folder.cleanup()


@contextlib.contextmanager
def told(hosts, balancer):
    """What there is to see, if something fails."""
    try:
        yield
    except harness.Failed:
        print("the balancer: %s" % balancer.states())
        for name, host in hosts.items():
            for program in host.blog, host.mailer.program:
                if not program.log.closed:
                    print("%s %s: %s" % (name, program.pids(),
                                         program.output()[-1500:]))
        raise


def rolling_restart(hosts, balancer, crowd):
    """One after the other, and nobody notices."""
    before = sum(visitor.away + visitor.broken for visitor in crowd)
    for name, host in hosts.items():
        host.end_blog()
        host.mailer.end()
        balancer.until(name, "DOWN")
        blogging.until_served(crowd, "the other host serves")
        host.start_blog()
        host.start_mailer()
        balancer.until(name, "UP")
        blogging.until_served(crowd, "both serve")
    noticed = sum(v.away + v.broken for v in crowd) - before
    check(noticed == 0, "%d requests failed in a rolling restart: %s", noticed,
          [v.last_failure for v in crowd if v.last_failure])


def loss(name, hosts, balancer, crowd, servers):
    hosts[name].lose()
    balancer.give_up(name)
    blogging.until_served(crowd, "the other host serves")
    time.sleep(0.5)
    hosts[name].plug_in()
    hosts[name].start(*servers)
    balancer.until(name, "UP")
    blogging.until_served(crowd, "both serve")


def rounds(count, people, chance=random.Random(8)):
    """`count` rolling restarts and losses under load; the last host that is lost
    stays so, and the other does the tasks of both."""
    stop, crowd = threading.Event(), []
    apart = begin()
    hosts = {"a": Host(1, apart), "b": Host(2, apart)}
    with contextlib.ExitStack() as stack:
        for host in hosts.values():
            stack.callback(host.unplug)
            host.plug_in()
        gates = [host.gate for host in hosts.values()] if apart else []
        servers = (stack.enter_context(apps.Postgres(POSTGRES, gates)),
                   stack.enter_context(apps.Redis(REDIS, gates)))
        for host in hosts.values():
            host.start(*servers)
        balancer = stack.enter_context(
            Balancer(*(host.where for host in hosts.values())))
        for name in hosts:
            balancer.until(name, "UP")
        browsers = [blogging.Browser(balancer.port) for _ in range(people)]
        for number, browser in enumerate(browsers):
            browser.login("user%d" % number)
        crowd += blogging.visitors(browsers, stop)
        stack.callback(stop.set)
        stack.enter_context(told(hosts, balancer))
        for _ in range(count):
            rolling_restart(hosts, balancer, crowd)
            loss(chance.choice("ab"), hosts, balancer, crowd, servers)
        hosts["b"].lose()
        balancer.give_up("b")
        blogging.until_served(crowd, "the other host serves")
        stop.set()
        print(blogging.nothing_is_lost(crowd, servers[0]))
        hosts["a"].end_blog()
        hosts["a"].mailer.end()
