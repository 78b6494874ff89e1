#!/usr/bin/python3
# label: ci
# timeout: 300
"""`vireo ps`, `dump`, `stats`, `top`: what they say of a program that is known, its
control socket, and bad use."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import time

import harness
from harness import check

COMMAND = os.path.join(harness.BUILD_DIR, "bin", "vireo")
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


class Operated:
    """operated.c, with its control socket in a directory of its own."""

    def __init__(self, what, **variables):
        self.folder = tempfile.mkdtemp(prefix="vireo-test-")
        env = harness.environment(harness.VIREO)
        env["VIREO_CONTROL"] = self.folder
        env.update(variables)
        self.popen = subprocess.Popen(
            [harness.c_program("operated"), what], env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.pid = None
        self.lines = []
        for line in self.popen.stdout:
            self.lines.append(line.strip())
            if line.startswith("up"):
                self.pid = int(line.split()[1])
                break
        self.path = os.path.join(self.folder, str(self.pid))
        end = time.monotonic() + 10
        while (env["VIREO_CONTROL"] == self.folder
               and not os.path.exists(self.path) and time.monotonic() < end):
            time.sleep(0.01)

    def end(self):
        """(exit status, what it said on stderr)"""
        self.popen.stdin.close()
        self.popen.stdin = None
        err = self.popen.communicate(timeout=30)[1]
        return self.popen.returncode, err

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)


def vireo(*arguments, status=0, before=(), env=None):
    done = subprocess.run([*before, COMMAND, *map(str, arguments)], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, env=env)
    check(done.returncode == status, "vireo %s: status %s, not %s: %s%s",
          arguments, done.returncode, status, done.stdout, done.stderr)
    check(status == 0 or len(done.stderr.splitlines()) == 1,
          "vireo %s says: %s", arguments, done.stderr)
    return done.stdout if status == 0 else done.stderr


def find(pattern, text):
    check(re.search(pattern, text, re.M), "no %s in:\n%s", pattern, text)


def until(ask, pattern):
    """What ask() gives once it has the pattern: threads take a moment."""
    text, end = "", time.monotonic() + 20
    while time.monotonic() < end:
        text = ask()
        if re.search(pattern, text, re.M):
            return text
        time.sleep(0.05)
    raise harness.Failed("never %s in:\n%s" % (pattern, text))


def test_socket():
    with Operated("waits") as program:
        mode = os.stat(program.path)
        check(stat.S_ISSOCK(mode.st_mode) and mode.st_mode & 0o777 == 0o600,
              "mode %o", mode.st_mode)
        check(os.listdir(program.folder) == [str(program.pid)], "left: %s",
              os.listdir(program.folder))
        check(program.end() == (0, ""), "it ends otherwise")
        check(os.listdir(program.folder) == [], "left: %s",
              os.listdir(program.folder))


def test_usual_place():
    """No VIREO_CONTROL: the runtime directory of its user."""
    with tempfile.TemporaryDirectory() as folder:
        with Operated("waits", VIREO_CONTROL="1",
                      XDG_RUNTIME_DIR=folder) as program:
            place = os.path.join(folder, "vireo")
            until(lambda: " ".join(os.listdir(place))
                  if os.path.isdir(place) else "", r"^%d$" % program.pid)
            until(lambda: vireo("ps"), r"^ *%d " % program.pid)
            check(os.listdir(place) == [str(program.pid)], "not there")
            check(os.stat(place).st_mode & 0o777 == 0o700, "its mode")


def test_off():
    with Operated("waits", VIREO_CONTROL="0") as program:
        find("is off", vireo("dump", program.pid, status=1))
        tasks = "/proc/%d/task" % program.pid
        names = [open("%s/%s/comm" % (tasks, tid)).read()
                 for tid in os.listdir(tasks)]
        check("vireo-control\n" not in names, "it has a thread: %s", names)


def test_bad_places():
    """One clear line, and the program goes on."""
    file = tempfile.NamedTemporaryFile()
    world = tempfile.mkdtemp()
    os.chmod(world, 0o777)
    long = tempfile.mkdtemp() + "/" + "x" * 100
    for place, why in ((file.name, "Not a directory"),
                       ("/proc/nowhere", "No such file|not permitted"),
                       (world, "not permitted"), (long, "too long")):
        with Operated("waits", VIREO_CONTROL=place) as program:
            time.sleep(0.3)
            find("no control socket", vireo("stats", program.pid, status=1))
            status, err = program.end()
            check(status == 0, "%s: status %s", place, status)
            check(len(err.splitlines()) == 1, "%s: says %s", place, err)
            find("^vireo: no control socket at .*: .*(%s)" % why, err)
    os.rmdir(world)


def test_place_that_is_taken():
    """What is there and is no dead socket stays; a dead one is replaced."""
    folder = tempfile.mkdtemp()
    script = ("import os, socket, sys\n"
              "path = '%s/%%d' %% os.getpid()\n"
              "if sys.argv[1] == 'file': open(path, 'w').close()\n"
              "if sys.argv[1] == 'dead': socket.socket(socket.AF_UNIX)"
              ".bind(path)\n"
              "os.execv(sys.argv[2], sys.argv[2:])\n" % folder)
    env = harness.environment(harness.VIREO, {"VIREO_CONTROL": folder})
    for what, said in (("file", "vireo: no control socket at .*File exists"),
                       ("dead", "^$")):
        process = subprocess.Popen(
            [harness.PYTHON, "-c", script, what, harness.c_program("operated"),
             "waits"], env=env, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.3)
        mode = os.stat("%s/%d" % (folder, process.pid)).st_mode
        check(stat.S_ISSOCK(mode) == (what == "dead"), "%s: %o", what, mode)
        err = process.communicate("", timeout=30)[1]
        find(said, err)
    shutil.rmtree(folder)


def test_fds_and_umask_as_native():
    harness.same_as_native([harness.c_program("operated"), "fds"])


def test_other_user():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise harness.Skip("needs root and setpriv")
    with Operated("waits") as program:
        folder = tempfile.mkdtemp()
        os.chmod(folder, 0o755)
        command = shutil.copy(COMMAND, folder)
        for what in ("dump", "stats", "ps"):
            done = subprocess.run([*NOBODY, command, what, str(program.pid)],
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
            check((done.returncode, done.stdout) == (1, ""), "%s: %s", what,
                  done)
            find("another user|may not be looked at", done.stderr)
        # Modes aside, it asks who that is.
        os.chmod(program.folder, 0o755)
        os.chmod(program.path, 0o666)
        script = ("import socket, sys\n"
                  "s = socket.socket(socket.AF_UNIX)\n"
                  "s.connect(sys.argv[1])\n"
                  "s.settimeout(5)\n"
                  "try: s.send(b'stats\\n')\n"
                  "except BrokenPipeError: pass\n"
                  "print(s.recv(1000).decode())\n")
        said = subprocess.run([*NOBODY, harness.PYTHON, "-c", script,
                               program.path], stdout=subprocess.PIPE,
                              text=True).stdout
        find("^refused: .*another user", said)
        check("switches" not in said, "it said: %s", said)
        shutil.rmtree(folder)
        vireo("stats", program.pid)


def test_ps():
    with Operated("waits") as program:
        text = until(lambda: vireo("ps"), r"^ *%d .*operated waits"
                     % program.pid)
        find(r"^ *%d +1 +6 +\d+ +runs" % program.pid, text)
        text = vireo("ps", program.pid)
        for name, wait in (("holder", "sleep"), ("reader", r"read fd \d+"),
                           ("conder", "pthread_cond_wait 0x"),
                           ("joiner", r"the end of thread reader \(\d+\)"),
                           ("wanter", "pthread_mutex_lock 0x.*, held by "
                                      r"holder \(\d+\)")):
            find(r"^ *\d+ +1 waits +\d+\.\d+ s +%s +%s" % (name, wait), text)
        find(r"^ *%d +1 waits .*operated +read fd 0" % program.pid, text)


def test_stale_socket_is_removed():
    with Operated("waits") as program:
        program.popen.kill()
        program.popen.wait()
        check(os.path.exists(program.path), "it is not left")
        env = dict(os.environ, VIREO_CONTROL=program.folder)
        vireo("ps", env=env)
        check(not os.path.exists(program.path), "it is still there")


def test_dump():
    with Operated("waits") as program:
        text = vireo("dump", program.pid)
        find(r"^hub 1 of thread %d: waits for something" % program.pid, text)
        find(r'^  thread \d+ "reader" waits for read fd \d+, since \d+\.\d+ s\n'
             r"      #0 0x\w+ read\+0x\w+ \(libvireo-preload\.so[^\n]*\n"
             r"      #1 0x\w+ read_pipe\+0x\w+ \(operated\)\n"
             r"      #2 0x\w+ reader\+0x\w+ \(operated\)\n  thread", text)
        find(r'^  thread \d+ "wanter" waits for pthread_mutex_lock 0x\w+, held '
             r"by holder \(\d+\), since", text)
        find(r"#1 0x\w+ want_lock\+0x\w+ \(operated\)", text)
        find(r'"holder" waits for sleep, since \d+\.\d+ s, for another \d+', text)
        find(r'^  thread %d "operated" main waits for read fd 0' % program.pid,
             text)
        find(r"main\+0x\w+ \(operated\)", text)


def test_hub_that_computes():
    with Operated("hog") as program:
        text = until(lambda: vireo("dump", program.pid),
                     r'"hog" running\n      #0 0x\w+ crunch\+0x\w+ \(operated\)'
                     r"\n      #1 0x\w+ hog\+0x\w+ \(operated\)")
        find(r"^hub 1 of thread \d+: has not switched, since", text)
        found = json.loads(vireo("stats", "--json", program.pid))
        check(found["preemptions"] >= 0 and found["threads"] == 2, "%s", found)


def test_call_of_its_own():
    with Operated("calls") as program:
        until(lambda: vireo("dump", program.pid),
              r'"caller" .*system call.*\n(      .*\n)*'
              r"      #\d 0x\w+ sleep_itself\+0x\w+ \(operated\)")


def test_preemption_off():
    with Operated("hog", VIREO_PREEMPT="0") as program:
        text = until(lambda: vireo("dump", program.pid), r"crunch\+0x")
        find(r"has not switched, since", text)


def test_stats():
    with Operated("waits") as program:
        found = json.loads(vireo("stats", program.pid, "--json"))
        check(found["pid"] == program.pid and found["threads"] == 6
              and found["threads_made"] == 5 and found["hubs"] == 1, "%s",
              found)
        check(found["parked"].get("read") == 2 and
              found["parked"].get("sleep") == 1, "%s", found["parked"])
        check(found["rss_kb"] > 0 and found["switches"] > 0 and
              found["parks"] > 0, "%s", found)
        text = vireo("stats", program.pid)
        find(r"^  threads +6 \(5 made\), on 1 hub$", text)
        find(r"^    read +2$", text)


def test_child_of_fork():
    with Operated("fork") as program:
        line = program.popen.stdout.readline().split()
        check(line[0] == "child", "%s", line)
        child = int(line[1])
        text = until(lambda: vireo("ps"), r"^ *%d .* runs " % child)
        find(r"^ *%d .* runs " % program.pid, text)
        find("childs", vireo("ps", child))
        check("childs" not in vireo("ps", program.pid), "the parent's")


def test_gone():
    with Operated("waits") as program:
        pid = program.pid
        program.end()
        find("process %d: no such process" % pid, vireo("dump", pid, status=1))
    find("does not run Vireo", vireo("dump", os.getpid(), status=1))
    find("not the number", vireo("stats", "12x", status=2))
    find("takes the number", vireo("dump", status=2))


def test_ends_meanwhile():
    """Whatever it is asked just then: an answer, or one line."""
    for turn in range(20):
        with Operated("churn") as program:
            asking = [subprocess.Popen([COMMAND, what, str(program.pid)],
                                       stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
                      for what in ("dump", "ps")]
            time.sleep(turn / 1000)
            program.popen.kill()
            for process in asking:
                out, err = process.communicate(timeout=30)
                check((process.returncode, err) == (0, "") or
                      (process.returncode == 1 and
                       len(err.splitlines()) == 1), "%s: %s",
                      process.returncode, err)


def test_bad_clients():
    """One that says nothing, or reads nothing, keeps others waiting for a
    moment at most."""
    with Operated("churn") as program:
        silent = socket.socket(socket.AF_UNIX)
        silent.connect(program.path)
        deaf = socket.socket(socket.AF_UNIX)
        deaf.connect(program.path)
        deaf.send(b"dump\n")
        strange = socket.socket(socket.AF_UNIX)
        strange.connect(program.path)
        strange.send(b"\0" * 500)
        gone = socket.socket(socket.AF_UNIX)
        gone.connect(program.path)
        gone.send(b"dump 65536\n")
        gone.close()
        vireo("stats", program.pid)
        for other in (silent, deaf, strange):
            other.close()
        check(program.popen.poll() is None, "it has ended")


def test_top_once():
    with Operated("hog") as program:
        text = vireo("top")
        find(r"^ *%d +[\d.]+ +2 +\d+ +\d+ +\d+ +[\d.]+ s +\d+ .*operated hog"
             % program.pid, text)
        check("\033" not in text, "escapes in:\n%s", text)
        find(r"^ *%d " % program.pid, vireo("top", "--once", program.pid))
    find("no such process", vireo("top", program.pid, status=1))


class Terminal:
    def __init__(self, *arguments):
        self.parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 60, 0, 0))
        self.before = termios.tcgetattr(child)
        self.process = subprocess.Popen(
            [COMMAND, "top", *map(str, arguments)], stdin=child, stdout=child,
            stderr=child, start_new_session=True)
        self.child = child
        self.seen = ""

    def until(self, pattern):
        end = time.monotonic() + 20
        while not re.search(pattern, self.seen):
            check(time.monotonic() < end, "never %s in %r", pattern, self.seen)
            if select.select([self.parent], [], [], 0.2)[0]:
                self.seen += os.read(self.parent, 65536).decode()

    def ended(self):
        status = self.process.wait(20)
        while select.select([self.parent], [], [], 0)[0]:
            self.seen += os.read(self.parent, 65536).decode()
        check(termios.tcgetattr(self.child) == self.before,
              "the terminal is not as it was")
        check(self.seen.rstrip().endswith("\033[?25h\033[?1049l") or
              "\033[?1049l" in self.seen, "no way back in %r", self.seen[-80:])
        os.close(self.parent)
        os.close(self.child)
        return status


def test_top_live():
    with Operated("hog") as program:
        terminal = Terminal(program.pid)
        terminal.until(r"(?s)SWITCH/S.*%d" % program.pid)
        fcntl.ioctl(terminal.child, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 30, 120, 0, 0))
        os.kill(terminal.process.pid, signal.SIGWINCH)
        terminal.until("operated hog")
        os.write(terminal.parent, b"q")
        check(terminal.ended() == 0, "its status")
        for number in (signal.SIGTERM, signal.SIGINT):
            terminal = Terminal()
            terminal.until("SWITCH/S")
            terminal.process.send_signal(number)
            check(terminal.ended() == -number, "its status")
        terminal = Terminal(program.pid)
        terminal.until("SWITCH/S")
        program.popen.kill()
        check(terminal.ended() == 1, "its status")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
