#!/usr/bin/python3
# label: ci
# timeout: 300
"""`vireo conformance --preload`: its verdicts, its report, its exit status, and that
nothing of it stays.  The cases are scripts here, which are asked and called as the
programs of tests/conformance are; consumer/conformance runs those."""
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time

import harness
from harness import check

COMMAND = os.path.join(harness.BUILD_DIR, "bin", "vireo")
# Every program answers these questions.
HEAD = """#!/bin/sh
case $CONF_ASK in
    cases) printf '%s'; exit 0 ;;
    machine) [ -z "$VIREO_REQUIRE" ] || echo "vireo: runs; fall-backs: rseq" >&2
        echo "libc glibc 9.99"; echo "emulated 0"; exit 0 ;;
esac
"""
# One that does not start as it is; or, with STARTS, not preloaded.
AWRY = """#!/bin/sh
case $CONF_ASK$STARTS$VIREO_REQUIRE in
    machine) echo "libother.so.9: cannot open" >&2; exit 127 ;;
    machine11) echo "vireo: cannot map threads: it is too old" >&2; exit 97 ;;
esac
"""
PRELOADED = '[ -n "$VIREO_REQUIRE" ]'
# name: (cases, the rest of the script)
PROGRAMS = {
    "good": ("one 1\\ntwo 3\\n", "exit 0"),
    "wrong": ("fails 1\\npasses 1\\n",
              'echo "this is $CONF_CASE"; [ $CONF_CASE = passes ] && exit 0\n'
              + PRELOADED + ' && { echo "3 is not 4"; exit 1; }; exit 0'),
    "crash": ("case 1\\n", PRELOADED + " && kill -SEGV $$; exit 0"),
    "hang": ("case 1\\n", PRELOADED + " && sleep 987; exit 0"),
    "nowhere": ("case 1\\n", 'echo "no such device"; exit 1'),
    "flaky": ("case 1\\n", '[ -e "$STATE/seen" ] && exit 0\n'
                           ': > "$STATE/seen"; exit 1'),
    "skips": ("case 1\\n", 'echo "skipped: there is no moon"; exit 0'),
    "skipspre": ("case 1\\n", PRELOADED + ' && echo "skipped: not now"; exit 0'),
    "noneofit": ("skipped: no such call\\n", "exit 0"),
    "someofit": ("skipped: no root\\ncase 1\\n", "exit 0"),
    "parts": ("case 2\\n", 'echo "skipped: half of it"; exit 0'),
    "mute": ("", "exit 0"), # no cases: nothing to be said
    "broken": ("what is this", "exit 0"),
    # asked for the machine, it says why not
    "awry": ("case 1\\n", ""),
    "much": ("case 1\\n", "i=0; while [ $i -lt 3000 ]; do\n"
                          'echo "line $i"; i=$((i + 1)); done\n'
                          + PRELOADED + " && exit 1; exit 0"),
    "leaves": ("case 1\\n", "setsid sleep 876 & sleep 876 & exit 0"),
    "room": ("case 1\\n", """
[ "$PWD" = "$TMPDIR" ] || { echo "in $PWD, not $TMPDIR"; exit 1; }
echo x > here || exit 1
mkdir -p deep/deeper && ln -s / deep/root && chmod 500 deep || exit 1
for name in CK_RUN_CASE CONF_ONLY; do
    eval "value=\\${$name:-}"; [ -z "$value" ] || { echo "$name"; exit 1; }
done
[ "$CK_FORK" = no ] || exit 1
case ${LD_PRELOAD:-} in
    *other*) exit 1 ;;
    *libvireo-preload*) """ + PRELOADED + """ || exit 1 ;;
    *) """ + PRELOADED + """ && exit 1 ;;
esac
grep -q '^SigIgn:.0000000000000000$' /proc/self/status ||
    { grep Sig /proc/self/status; exit 1; }
grep -q '^SigBlk:.0000000000000000$' /proc/self/status || exit 1
[ "$(echo /proc/self/fd/[4-9])" = '/proc/self/fd/[4-9]' ] ||
    { ls -l /proc/self/fd; exit 1; }
exit 0"""),
}


def write_programs(folder, names):
    for name in names:
        path = os.path.join(folder, "conformance_" + name)
        head = HEAD % PROGRAMS[name][0]
        if name == "awry":
            head = AWRY + head
        with open(path, "w", encoding="ascii") as stream:
            stream.write(head + PROGRAMS[name][1] + "\n")
        os.chmod(path, 0o755)


class Place:
    """A folder with programs, and one for temporary files."""

    def __init__(self, folder, *names):
        self.programs = os.path.join(folder, "programs")
        self.tmp = os.path.join(folder, "tmp")
        self.state = os.path.join(folder, "state")
        for path in (self.programs, self.tmp, self.state):
            os.mkdir(path)
        write_programs(self.programs, names)

    def words(self, *arguments):
        return [COMMAND, "conformance", "--preload", "--programs=" + self.programs,
                *arguments]

    def environment(self, **more):
        return {**os.environ, "TMPDIR": self.tmp, "STATE": self.state, **more}

    def run(self, *arguments, status=0, env=None, prefix=(), **more):
        done = subprocess.run([*prefix, *self.words(*arguments)], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, timeout=120,
                              env=self.environment(**(env or {})), **more)
        check(done.returncode == status, "%s: status %d\n%s\n%s", arguments,
              done.returncode, done.stdout[-3000:], done.stderr)
        check(os.listdir(self.tmp) == [], "left behind: %s", os.listdir(self.tmp))
        return done.stdout

    def refused(self, text, *arguments):
        done = subprocess.run(self.words(*arguments), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False, timeout=60, env=self.environment())
        check(done.returncode == 2, "%s: status %d", arguments, done.returncode)
        check(done.stdout == "" and done.stderr.count("\n") == 1 and
              done.stderr.startswith("vireo: ") and text in done.stderr,
              "%s: %s %s", arguments, done.stdout, done.stderr)
        check(os.listdir(self.tmp) == [], "left behind: %s", os.listdir(self.tmp))


@contextlib.contextmanager
def place(*names):
    with tempfile.TemporaryDirectory() as folder:
        yield Place(folder, *names)


def has(text, *lines):
    for line in lines:
        check(line in text.split("\n"), "no line %r in\n%s", line, text)


def sleepers(seconds):
    """Processes that sleep so long."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open("/proc/%s/cmdline" % name, "rb") as stream:
                if stream.read() == b"sleep\0%d\0" % seconds:
                    found.append(int(name))
    return found


def wait_until(condition, what):
    until = time.monotonic() + 30
    while not condition():
        check(time.monotonic() < until, "%s: not so after 30 s", what)
        time.sleep(0.02)


# ---- verdicts ----


def test_all_is_well():
    with place("good", "mute", "room", "leaves") as here:
        text = here.run(env={"CK_RUN_CASE": "x", "CONF_ONLY": "y",
                             "LD_PRELOAD": "", "VIREO_FILES": "pool"})
        lines = text.split("\n")
        check(lines[0] == "TAP version 13", "begins with %s", lines[0])
        check("libc glibc 9.99, features: " in lines[1], "machine: %s", lines[1])
        has(text, "# fall-backs in force: rseq", "# options: VIREO_FILES=pool",
            "1..4", "ok 1 - good/one", "ok 2 - good/two", "ok 3 - leaves/case",
            "ok 4 - room/case")
        check(text.endswith("\n4 passed, 0 failed\n"), "ends with %s", lines[-2])
        check(sleepers(876) == [], "left running: %s", sleepers(876))


def test_what_differs_is_shown():
    with place("wrong", "crash", "hang", "much", "good") as here:
        text = here.run("--timeout=1", status=1)
        has(text, "not ok 1 - crash/case",
            "ok 2 - good/one", "not ok 4 - hang/case", "not ok 5 - much/case",
            "not ok 6 - wrong/fails", "ok 7 - wrong/passes",
            "# native| this is fails", "# preloaded| this is fails",
            "# preloaded| 3 is not 4", "# preloaded| line 0",
            "# preloaded| line 2999",
            "# preloaded: run again, it fails again",
            "# pass natively and fail preloaded:", "#   wrong/fails")
        for part in ("preloaded: ended by signal 11 (Segmentation fault)",
                     "preloaded: no end within", "preloaded: exit status 1",
                     "native: passed", "bytes are left out here"):
            check(part in text, "no %s in\n%s", part, text)
        check("this is passes" not in text, "a case that passes is told of")
        check(text.endswith("\n3 passed, 4 failed\n"), "ends with %s", text[-80:])
        check(sleepers(987) == [], "left running: %s", sleepers(987))


def test_native_failures_are_none_of_ours():
    with place("nowhere", "flaky", "broken", "good") as here:
        text = here.run(status=3)
        has(text, "not ok 1 - broken (fails without Vireo, too: no verdict)",
            "ok 2 - flaky/case",
            "# native: failed at first, and passed when run again",
            "not ok 5 - nowhere/case (fails without Vireo, too: no verdict)",
            "# native| no such device", "# fail without Vireo, too:",
            "#   nowhere/case", "#   broken")
        check(text.endswith("\n3 passed, 0 failed, 2 without a verdict\n"),
              "ends with %s", text[-80:])
    with place("nowhere", "wrong") as here:
        text = here.run(status=1)
        check(text.endswith("\n1 passed, 1 failed, 1 without a verdict\n"),
              "ends with %s", text[-80:])


def test_skips_have_a_reason():
    with place("skips", "skipspre", "parts", "noneofit", "someofit") as here:
        text = here.run()
        has(text, "ok 1 - noneofit # SKIP no such call", "ok 2 - parts/case",
            "# native, in part: skipped: half of it",
            "ok 3 - skips/case # SKIP there is no moon",
            "ok 4 - skipspre/case # SKIP preloaded alone: not now",
            "ok 5 - someofit/case", "ok 6 - someofit # SKIP no root")
        check(text.endswith("\n2 passed, 0 failed, 4 skipped\n"),
              "ends with %s", text[-80:])


def test_several_at_a_time():
    with place("good", "wrong", "skips", "room") as here:
        one = here.run(status=1).split("\n")
        many = here.run("-j4", status=1).split("\n")
        keep = ("ok", "not ok", "1..")
        check([line for line in one if line.startswith(keep)] ==
              [line for line in many if line.startswith(keep)],
              "%s\n%s", one, many)


def test_verbose():
    with place("wrong") as here:
        text = here.run("-v", "wrong/passes")
        check(text.count("| this is passes") == 2, "not told:\n%s", text)


# ---- which ----


def test_patterns():
    with place("good", "wrong", "skips") as here:
        every = ["good/one", "good/two", "skips/case", "wrong/fails",
                 "wrong/passes"]
        for words, expected in (
                ((), every), (("good",), every[:2]), (("g*",), every[:2]),
                (("*/pass*", "good/one"), ["good/one", "wrong/passes"]),
                (("--only=skips,wrong/fails",), every[2:4]),
                (("wrong/*s",), every[3:])):
            text = here.run("--list", *words)
            check(text.split("\n")[:-1] == expected, "%s: %s", words, text)
        text = here.run("good/two")
        has(text, "1..1", "ok 1 - good/two", "1 passed, 0 failed")


def test_bad_command_lines():
    with place("good") as here:
        for text, words in (
                ("bogus: no such case", ("bogus",)),
                ("good/three: no such case", ("good/one", "good/three")),
                ("--bogus: not an option", ("--bogus",)),
                ("--json: not an option", ("--json",)),
                ("-x: not an option", ("-x",)),
                ("--only needs", ("--only=",)), ("--only needs", ("--only=a,,b",)),
                ("needs a value", ("--only",)), ("needs a value", ("-j",)),
                ("--jobs takes", ("-j0",)), ("--jobs takes", ("--jobs=many",)),
                ("--jobs takes", ("-j", "99999999999999999999")),
                ("--timeout takes", ("--timeout=-1",)),
                ("/nonexistent.so: no such library",
                 ("--library=/nonexistent.so",)),
                ("not an option", ("--gate=greenlet",))):
            here.refused(text, *words)
        text = here.run("--help")
        check(text.startswith("usage: vireo conformance --preload"), "%s", text)
        os.mkdir(here.programs + "/empty")
        here.run("--programs=" + here.programs + "/empty", status=126)


def test_what_does_not_start():
    with place("good", "awry") as here:
        text = here.run("awry", status=3)
        check("\nBail out! the programs do not start here" in text and
              "\n# libother.so.9: cannot open\n" in text, "%s", text)
        text = here.run("awry", status=1, env={"STARTS": "1"})
        check("\nBail out! threads cannot be mapped here: exit status 97\n"
              "# vireo: cannot map threads: it is too old\n" in text, "%s", text)


# ---- where ----


def test_any_place():
    """Read-only folders, ignored signals, output that nobody takes."""
    with place("room", "good") as here:
        here.run(cwd="/proc")
        here.run(prefix=["nohup"])
        here.run(prefix=["setsid"])
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run(here.words(), stdout=full, check=False,
                                  stderr=subprocess.PIPE, text=True,
                                  env=here.environment(), timeout=60)
        check(done.returncode == 1 and "cannot write" in done.stderr,
              "on a full device: %d %s", done.returncode, done.stderr)
        check(os.listdir(here.tmp) == [], "left: %s", os.listdir(here.tmp))


def start_hanging(here):
    runner = subprocess.Popen(here.words("-j2"), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, env=here.environment(),
                              start_new_session=True)
    wait_until(lambda: sleepers(987), "the case hangs")
    return runner


def test_ends_by_a_signal():
    """Also of a terminal, which its whole group gets; those beside it live on."""
    beside = subprocess.Popen(["sleep", "987654"])
    try:
        for number, whole in ((signal.SIGINT, True), (signal.SIGINT, False),
                              (signal.SIGTERM, False), (signal.SIGHUP, True)):
            with place("hang", "good") as here:
                runner = start_hanging(here)
                if whole:
                    os.killpg(runner.pid, number)
                else:
                    runner.send_signal(number)
                runner.communicate(timeout=60)
                check(runner.returncode == -number, "%s: status %d", number,
                      runner.returncode)
                check(sleepers(987) == [], "left running: %s", sleepers(987))
                check(os.listdir(here.tmp) == [], "left: %s",
                      os.listdir(here.tmp))
        check(beside.poll() is None, "another process was ended")
    finally:
        beside.kill()
        beside.wait()


def test_killed_it_leaves_no_process():
    with place("hang") as here:
        runner = start_hanging(here)
        runner.kill()
        runner.wait()
        wait_until(lambda: sleepers(987) == [], "its case ends")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
