#!/usr/bin/python3
# label: ci, views
# timeout: 300
"""docs/tutorial/http.md: each command of its `console` blocks runs, against a fresh
build, and prints what stands below it; and each program of examples/ that is an
application is in it.

A block is as a terminal shows it: a line that begins with "$ " is a command, and what
follows is its output, in which "..." stands for any text, and a number with two
decimals or more, which is a time, for any other.  Those of one section are one
session of a shell, in a folder that has build/, docs/ and examples/ in it.  Ports 8000
to 8003 of 127.0.0.1 are some of the kernel's choice.  A command that ends in & is a server: the next
one comes when its port is open, and it is ended with its section, after all it said was
looked at.  With --print the page is printed with what came instead."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile

ROOT = os.environ["SOURCE_DIR"]
BUILD = os.environ["BUILD_DIR"]
for folder in ("tests/programs", "tests/views/programs"):
    sys.path.insert(0, os.path.join(ROOT, folder))

# pylint: disable=wrong-import-position
import apps  # noqa: E402
import harness  # noqa: E402
from harness import check  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "tutorial", "http.md")
NOT_PROGRAMS = {"apps/taskqueue.c"} # a part of two that are there
END = "--- end of the command: "


def sections(text):
    """[(heading, [(command, output, its place in the text)])]"""
    for part in re.finditer(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.M | re.S):
        commands = []
        for block in re.finditer(r"^```console\n(.*?)^```", part.group(2),
                                 re.M | re.S):
            for one in re.finditer(r"^\$ (.*(?:\\\n.*)*)\n((?:(?!\$ ).*\n)*)",
                                   block.group(1), re.M):
                begin = part.start(2) + block.start(1)
                commands.append((one.group(1), one.group(2),
                                 (begin + one.start(2), begin + one.end(2))))
        yield part.group(1), commands


def is_open(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


def matches(wanted, found):
    pattern = ".*".join(
        r"\d+\.\d+".join(map(re.escape, re.split(r"\b\d+\.\d{2,6}\b", part)))
        for part in wanted.split("..."))
    return re.fullmatch(pattern, found, re.S) is not None


class Shell:
    """One section's session."""

    def __init__(self, folder, env):
        self.ports = {"800%d" % n: str(harness.free_port()) for n in range(4)}
        self.shell = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=dict(env, LC_ALL="C.UTF-8"), start_new_session=True)

    def run(self, command):
        """What it printed."""
        wait = command.endswith(" &")
        text = self.with_ports(command, self.ports)
        if wait:
            text = text[:-2] + " </dev/null &"
        self.shell.stdin.write("%s\necho \"%s$?\"\n" % (text, END))
        self.shell.stdin.flush()
        lines = []
        for line in self.shell.stdout:
            before, mark, _ = line.partition(END)
            lines.append(before)
            if mark:
                break
        bound = re.search(r"(?:--bind |BIND=)127.0.0.1:(\d+)", text)
        if wait and bound:
            apps.until(lambda: is_open(int(bound.group(1))),
                       "the port of %s is open" % command)
        return self.with_ports("".join(lines), {
            ours: name for name, ours in self.ports.items()})

    @staticmethod
    def with_ports(text, names):
        return re.sub(r"(?<=127.0.0.1:)\d+\b", lambda match: names.get(
            match.group(), match.group()), text)

    def end(self):
        """Its servers end as they were asked to."""
        said = self.run("jobs -p | xargs -r kill; wait")
        self.shell.stdin.close()
        self.shell.wait(30)
        return said

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.wait()
        self.shell.stdout.close()


def run_section(heading, commands, folder, env):
    """[(place, what came)]; what differs is printed."""
    shell, found, failed = Shell(folder, env), [], 0
    try:
        for command, output, place in commands:
            came = shell.run(command)
            found.append((place, came))
            if not matches(output, came):
                failed += 1
                print("%s: %s\nprinted\n%sinstead of\n%s" % (
                    heading, command, came, output))
        said = shell.end()
        if "leak" in said or "anitizer" in said:
            failed += 1
            print("%s: %s" % (heading, said))
    finally:
        shell.kill()
    return found, failed


def place_to_run(folder):
    for name, target in (("build", BUILD), ("docs", ROOT + "/docs"),
                         ("examples", ROOT + "/examples")):
        os.symlink(target, os.path.join(folder, name))


def run_page(text):
    found, failed = [], 0
    harness.need("bash", "curl", "haproxy", "redis-cli", "psql")
    with tempfile.TemporaryDirectory() as folder, apps.Postgres() as database, \
            apps.Redis() as redis:
        place_to_run(folder)
        env = dict(os.environ, DATABASE=database.conninfo, REDIS=redis.where)
        for heading, commands in sections(text):
            if commands and sys.argv[2:] in ([], [heading]):
                came, wrong = run_section(heading, commands, folder, env)
                found += came
                failed += wrong
    return found, failed


def test_commands():
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    for name in ("views/hello", "views/users", "apps/blog"):
        path = os.path.join(BUILD, "examples", name)
        if not os.path.exists(path):
            raise harness.Skip("%s was not built" % path)
    found, failed = run_page(text)
    print("%d commands, %d failed" % (len(found), failed))
    check(failed == 0 and found, "the page is not what happens")


def test_all_examples_are_in_it():
    """Programs of examples/ that are applications, extensions, drivers or WebSockets;
    what serves other layers is in their pages."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    folder = os.path.join(ROOT, "examples")
    programs = sorted(
        os.path.relpath(os.path.join(at, name), folder)
        for at, _, names in os.walk(folder) for name in names
        if name.endswith(".c") and (at != folder or re.match(
            "(http|websocket)_", name)))
    missing = [path for path in programs if not re.search(
        r"\b%s\b" % re.escape(os.path.basename(path)), text)
               and path not in NOT_PROGRAMS]
    check(programs and not missing, "not in the page: %s", missing)


def print_page():
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    for (begin, end), came in reversed(run_page(text)[0]):
        if not matches(text[begin:end], came):
            text = text[:begin] + came + text[end:]
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--print"]:
        sys.exit(print_page())
    sys.exit(harness.main(globals()))
