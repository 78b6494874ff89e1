"""What the program tests and the demo share: start a program native or under
Vireo, look at its threads, memory and CPU time, stop it and all it started.

Every program is started in a session of its own and dies with the one who
started it; `stop` ends exactly that session.
"""
import atexit
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE_DIR = os.environ.get("SOURCE_DIR") or os.path.dirname(
    os.path.dirname(HERE))
BUILD_DIR = os.path.abspath(os.environ.get("BUILD_DIR") or os.path.join(
    SOURCE_DIR, "build"))
PYTHON = "/usr/bin/python3"
NATIVE, VIREO = "native", "vireo"
# The hub, the monitor and the control thread, and room for two calls that are
# offloaded just now.
MAX_OS_THREADS = 5
# Threads for offloaded calls end when they have been idle for a second.
HELPERS_END_S = 3
TICK = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
# The weight of every session that is started, as a nice value, where that is
# allowed: set where wall time is compared.  The kernel's autogroups share the
# CPUs among sessions, and on a busy machine a program with one OS thread would
# wait for its turn much longer than one with a thousand.
session_nice = None
_libc = ctypes.CDLL(None, use_errno=True)
_started = []


class Skip(Exception):
    """The test cannot run here, for the reason given."""


class Failed(Exception):
    """What the test asks for does not hold."""


def check(condition, message, *args):
    if not condition:
        raise Failed(message % args if args else message)


def need(*programs):
    for name in programs:
        if not shutil.which(name):
            raise Skip("%s is not installed" % name)


def need_libcxx():
    """clang++ -stdlib=libc++ works here."""
    need("clang++")
    probe = ["clang++", "-stdlib=libc++", "-x", "c++", "-E", "-"]
    if subprocess.run(probe, input=b"#include <latch>\n",
                      stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("libc++-dev is not installed")


def set_build_dir(path):
    global BUILD_DIR
    BUILD_DIR = os.path.abspath(path)


def preload():
    return os.path.join(BUILD_DIR, "lib", "libvireo-preload.so")


def built(name, source, command):
    """Path of `source` compiled by `command`, once for all tests."""
    path = os.path.join(BUILD_DIR, "tests", "programs", name)
    if (os.path.exists(path)
            and os.path.getmtime(path) >= os.path.getmtime(source)):
        return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    partial = "%s.%d" % (path, os.getpid())
    subprocess.run([command[0], "-O2", "-g", "-Wall", "-pthread", "-o",
                    partial, source, *command[1:]], check=True)
    os.replace(partial, path)
    return path


def c_program(name, *flags, source=None):
    """Path of tests/programs/NAME.c compiled; CMake has usually done it."""
    return built(name, source or os.path.join(HERE, name + ".c"),
                 ["cc", "-std=gnu11", "-D_GNU_SOURCE", *flags])


def c_client(name, *packages):
    """Path of tests/programs/clients/NAME.c compiled with these packages of
    pkg-config."""
    need("cc", "pkg-config")
    found = subprocess.run(["pkg-config", "--cflags", "--libs", *packages],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if found.returncode != 0:
        raise Skip("not installed: " + found.stderr.decode().strip())
    return c_program(name, *found.stdout.decode().split(),
                     source=os.path.join(HERE, "clients", name + ".c"))


def python_client(name):
    return os.path.join(HERE, "clients", name + ".py")


def same_as_native(command, limit=60, env=None, wanted=None):
    """Run a program in all modes: status, stdout and stderr are the native
    ones, and the native stdout is `wanted`, where that is given."""
    done = {mode: run(command, mode, env, limit) for mode in modes()}
    native = done[NATIVE]
    check(native[0] == 0 and wanted in (None, native[1]), "natively %s",
          native)
    for mode, result in done.items():
        check(result == native, "%s: %s, natively %s", mode, result, native)
    return native


def _in_child():
    # A runner that was started with & has SIGINT and SIGQUIT ignored, and
    # that is inherited through exec.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def environment(mode, extra=None):
    env = {k: v for k, v in os.environ.items()
           if k != "LD_PRELOAD" and not k.startswith("VIREO_")}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env["LC_ALL"] = "C.UTF-8"
    if mode == VIREO:
        env["LD_PRELOAD"] = preload()
        # Whatever passes must not pass by having run native.
        env["VIREO_REQUIRE"] = "1"
    env.update(extra or {})
    return env


def command_line(mode, command, use_command=False):
    """Under Vireo the `vireo` command starts the program where that is asked
    for and it has been built; it sets the preload by itself."""
    vireo = os.path.join(BUILD_DIR, "bin", "vireo")
    if mode == VIREO and use_command and os.path.exists(vireo):
        return [vireo, "run", "--", *command]
    return command


class Program:
    """A program in a session of its own."""

    def __init__(self, command, mode=NATIVE, env=None, use_command=False,
                 stdin=subprocess.DEVNULL, stdout=None, cwd=None):
        self.mode = mode
        self.command = command_line(mode, command, use_command)
        self.log = tempfile.TemporaryFile(mode="w+b")
        full = environment(mode, env)
        if self.command is not command:
            full.pop("LD_PRELOAD", None)
        self.popen = subprocess.Popen(
            self.command, stdin=stdin, stdout=stdout or self.log,
            stderr=self.log, env=full, start_new_session=True, cwd=cwd,
            preexec_fn=_in_child)
        self.pid = self.popen.pid
        self.port = None
        self._weigh()
        _started.append(self)

    def _weigh(self):
        if session_nice is not None:
            with contextlib.suppress(OSError):
                with open("/proc/%d/autogroup" % self.pid, "w") as f:
                    f.write("%d" % session_nice)

    def output(self):
        """What the program has written to its standard error, and to its
        standard output unless that is a pipe."""
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), size, 0).decode(errors="replace")

    def pids(self):
        """All processes of the session."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                fields = _stat(int(name))
                if (fields and int(fields[3]) == self.pid
                        and fields[0] != "Z"):
                    found.append(int(name))
        return found

    def usage(self):
        """OS threads, RSS and page tables in kB, CPU time in seconds."""
        total = {"processes": 0, "threads": 0, "rss_kb": 0, "pte_kb": 0,
                 "cpu_s": 0.0}
        for pid in self.pids():
            fields = _stat(pid)
            status = _status(pid)
            if not fields or "VmRSS" not in status:
                continue
            total["processes"] += 1
            total["threads"] += _count_tasks(pid)
            total["rss_kb"] += status["VmRSS"]
            total["pte_kb"] += status["VmPTE"]
            total["cpu_s"] += (int(fields[11]) + int(fields[12])) / TICK
        return total

    def line(self, timeout):
        """The next line of a standard output that is a pipe."""
        return _read_line(self.popen.stdout, timeout)

    def wait(self, timeout):
        return self.popen.wait(timeout)

    def stop(self, signum=signal.SIGTERM, timeout=10):
        """End the session; return the exit status of its leader, or None when
        it did not heed the signal."""
        status = self.popen.poll()
        if status is None:
            self.popen.send_signal(signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self.popen.wait(timeout)
        for _ in range(100):
            left = self.pids()
            if not left:
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.popen.poll()
            time.sleep(0.05)
        self.popen.wait()
        self.log.close()
        if self.popen.stdout:
            self.popen.stdout.close()
        if self in _started:
            _started.remove(self)
        return status

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self in _started:
            self.stop(timeout=3)


@atexit.register
def stop_all():
    for program in list(_started):
        with contextlib.suppress(Exception):
            program.stop(timeout=2)


def _stat(pid):
    """Fields of /proc/PID/stat after the name: [0] is the state."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None


def _status(pid):
    found = {}
    try:
        with open("/proc/%d/status" % pid) as f:
            for line in f:
                name, _, value = line.partition(":")
                if name in ("VmRSS", "VmPTE"):
                    found[name] = int(value.split()[0])
    except OSError:
        pass
    return found


def _count_tasks(pid):
    try:
        return len(os.listdir("/proc/%d/task" % pid))
    except OSError:
        return 0


def kernel_stack_kb():
    """Kernel stacks of the whole machine: look at the difference."""
    with open("/proc/meminfo") as f:
        for line in f:
            if line.startswith("KernelStack:"):
                return int(line.split()[1])
    return 0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(program, port, limit=30):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if program.popen.poll() is not None:
            return False
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        time.sleep(0.02)
    return False


def start_server(make_command, mode=NATIVE, env=None, limit=30, again=None,
                 **more):
    """Start a server on a port of the kernel's choice and wait until it
    answers.  make_command(port) gives the command; between asking for a port
    and using it somebody else may take it, so there are three attempts.
    again: the port of one that was killed, and is to come back."""
    said = ""
    for _ in range(3):
        port = again or free_port()
        program = Program(make_command(port), mode, env, **more)
        if wait_for_port(program, port, limit):
            program.port = port
            return program
        said = program.output()
        program.stop(timeout=1)
    raise Failed("%s (%s) does not start: %s" % (
        make_command(0)[0], mode, said[-1500:]))


def start_printing_server(command, mode=NATIVE, env=None, limit=30, **more):
    """Start a server that prints its port as its first line."""
    program = Program(command, mode, env, stdout=subprocess.PIPE, **more)
    line = _read_line(program.popen.stdout, limit)
    if not line.strip().isdigit():
        said = program.output()
        program.stop(timeout=1)
        raise Failed("%s (%s) does not start: %r %s" % (
            command[0], mode, line, said[-1500:]))
    program.port = int(line)
    return program


def _read_line(stream, limit):
    import select
    line = b""
    end = time.monotonic() + limit
    while not line.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            break
        byte = os.read(stream.fileno(), 1)
        if not byte:
            break
        line += byte
    return line.decode(errors="replace")


def start_httpd(mode=NATIVE, **more):
    return start_printing_server([c_program("httpd")], mode, **more)


def start_threading_http(mode=NATIVE, **more):
    return start_printing_server(
        [PYTHON, os.path.join(HERE, "threading_http.py")], mode, **more)


def start_werkzeug(mode=NATIVE, redis_port=0, **more):
    return start_printing_server(
        [PYTHON, os.path.join(HERE, "flask_app.py")], mode,
        {"REDIS_PORT": str(redis_port)}, **more)


def start_gunicorn(mode=NATIVE, redis_port=0, threads=1000,
                   worker="gthread", **more):
    return start_server(
        lambda port: ["/usr/bin/gunicorn", "-k", worker, "--workers", "1",
                      "--threads", str(threads),
                      "--worker-connections", "11000", "--backlog", "4096",
                      "--keep-alive", "75", "--log-level", "warning",
                      "--bind", "127.0.0.1:%d" % port, "--chdir", HERE,
                      "flask_app:app"],
        mode, {"REDIS_PORT": str(redis_port)}, **more)


def start_microsocks(mode=NATIVE, **more):
    return start_server(
        lambda port: ["/usr/bin/microsocks", "-i", "127.0.0.1", "-p",
                      str(port)], mode, **more)


@contextlib.contextmanager
def start_redis():
    """A Redis with nothing on disk."""
    need("redis-server")
    with tempfile.TemporaryDirectory(prefix="vireo-redis-") as where:
        with start_server(lambda port: [
                "redis-server", "--port", str(port), "--bind", "127.0.0.1",
                "--save", "", "--appendonly", "no", "--dir", where,
                "--daemonize", "no", "--maxclients", "15000"]) as server:
            yield server


@contextlib.contextmanager
def redis_server():
    """The port of such a Redis."""
    with start_redis() as server:
        yield server.port


class Load:
    """tests/programs/load.c, phase by phase: open, run, end."""

    def __init__(self, port, connections, path="/", seconds=0, requests=0,
                 active=None, socks_target=0, limit=60):
        command = [c_program("load"), "-i", "-p", str(port), "-n",
                   str(connections), "-u", path, "-t", str(limit)]
        if active is not None:
            command += ["-a", str(active)]
        if seconds:
            command += ["-d", str(seconds)]
        if requests:
            command += ["-r", str(requests)]
        if socks_target:
            command += ["-s", str(socks_target)]
        self.program = Program(command, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
        self.limit = limit + seconds + 10

    def phase(self):
        """Wait for the end of the present phase; return its report."""
        line = _read_line(self.program.popen.stdout, self.limit)
        check(line.endswith("\n"), "the load generator failed: %r %s",
              line, self.program.output())
        return json.loads(line)

    def go_on(self):
        self.program.popen.stdin.write(b"\n")
        self.program.popen.stdin.flush()

    def rest(self):
        """All phases that are left; return the last report."""
        while True:
            report = self.phase()
            if report["phase"] == "end":
                return report
            self.go_on()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(OSError):
            self.program.popen.stdin.close()
        self.program.__exit__(*exc)


def load(port, connections, **options):
    with Load(port, connections, **options) as running:
        return running.rest()


def check_load(report, what=""):
    """Every connection was opened, answered in the end; no error at all."""
    good = (report["errors"] == 0
            and report["opened"] == report["connections"]
            and report["answering"] == report["connections"])
    check(good, "%s: %d of %d connections opened, %d answer in the end, "
          "%d errors (%s)", what or "load", report["opened"],
          report["connections"], report["answering"], report["errors"],
          report["first_error"])


def natively(run, attempts=3):
    """What run() gives, a native run: it is the yardstick, not what is tested.
    Where a busy machine makes it fail it is made again, and that is printed."""
    for _ in range(attempts - 1):
        try:
            return run()
        except Failed as failure:
            print("         natively once more, since %s" % failure,
                  flush=True)
    return run()


def settled_usage(server):
    """Usage of a server that is idle now; under Vireo, once the threads for
    offloaded calls have gone, or should have."""
    end = time.monotonic() + HELPERS_END_S
    while True:
        usage = server.usage()
        few = usage["threads"] <= MAX_OS_THREADS * usage["processes"]
        if server.mode != VIREO or few or time.monotonic() > end:
            return usage
        time.sleep(0.1)


def hold(server, connections, what="", **options):
    """Open connections, look at the server, run, and require every answer.
    Returns the report, and the server's usage while all were held."""
    with Load(server.port, connections, **options) as running:
        opened = running.phase()
        usage = settled_usage(server)
        check(opened["errors"] == 0, "%s: %d errors while opening; %s", what,
              opened["errors"], server.output()[-500:])
        running.go_on()
        report = running.rest()
    check_load(report, "%s (%s)" % (what, server.mode))
    if server.mode == VIREO:
        check(usage["threads"] <= MAX_OS_THREADS * usage["processes"],
              "%s: %d OS threads under Vireo", what, usage["threads"])
    return report, usage


def run(command, mode=NATIVE, env=None, limit=60, **more):
    """Run a program to its end: (status, stdout, stderr)."""
    full = environment(mode, env)
    done = subprocess.run(command, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=full, timeout=limit, preexec_fn=_in_child,
                          start_new_session=True, **more)
    return (done.returncode, done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"))


def modes():
    if "--native-only" in sys.argv[1:]:
        return [NATIVE]
    return [NATIVE, VIREO]


def main(tests):
    """Run the functions test_* of a test program in order.  A name on the
    command line picks one.  Exit 0: all hold; 77: all skipped; 1: not."""
    picked = [a for a in sys.argv[1:] if not a.startswith("-")]
    failed = skipped = ran = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if VIREO in modes() and not os.path.exists(preload()):
        print("FAILED: %s is not built" % preload())
        sys.exit(1)
    for name, test in list(tests.items()):
        if not name.startswith("test_") or (picked and name not in picked):
            continue
        start = time.monotonic()
        try:
            test()
            ran += 1
            print("ok       %s  %.1f s" % (name, time.monotonic() - start))
        except Skip as reason:
            skipped += 1
            print("skipped  %s: %s" % (name, reason))
        except Exception as error:
            failed += 1
            print("FAILED   %s: %s" % (name, error))
            if not isinstance(error, Failed):
                traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        stop_all()
    if failed:
        sys.exit(1)
    sys.exit(77 if skipped and not ran else 0)


def make_certificate(path):
    """A file with the key of localhost, and its certificate."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-keyout", path,
                    "-out", path + ".crt"], check=True,
                   stderr=subprocess.DEVNULL)
    with open(path, "a") as pem, open(path + ".crt") as certificate:
        pem.write(certificate.read())
    return path
