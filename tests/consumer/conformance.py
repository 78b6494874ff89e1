"""`vireo conformance --preload` as it is installed: what the tests that run it from
a prefix and from the packages share."""
import os

import linking
from linking import BUILD, CROSS, SYSROOT, fail, run

EMULATOR = "qemu-aarch64-static -L " + SYSROOT
# Of each kind: libraries beside the program, C++, signals, files, processes.
SHORT = ("sem", "tls", "own_waits", "cxx_runtime", "sigmask", "pipe", "barrier", "dup",
         "once")
BROKEN = os.path.join(BUILD, "tests", "preload", "broken.so")


class Command:
    """The command of an installation; nothing but its folder is needed."""

    def __init__(self, usr, work):
        self.usr = usr
        self.tmp = os.path.join(work, "tmp")
        os.makedirs(self.tmp, exist_ok=True)
        self.words = [os.path.join(usr, "bin", "vireo"), "conformance", "--preload"]
        if CROSS:
            self.words = [*EMULATOR.split(), *self.words, "--emulator=" + EMULATOR]

    def run(self, *arguments, status=0, env=None, timeout=600):
        """From a folder that nobody can write to."""
        text = run([*self.words, *arguments], status=status, timeout=timeout,
                   cwd="/proc", env={"TMPDIR": self.tmp, "LD_PRELOAD": "",
                                     "LD_LIBRARY_PATH": "", **(env or {})})
        if os.listdir(self.tmp):
            fail("left behind: %s" % os.listdir(self.tmp))
        return text


def last_line(text):
    return text.rstrip("\n").split("\n")[-1]


def lines_that_begin(text, *words):
    return [line for line in text.split("\n") if line.startswith(words)]


def check_list(command):
    """All programs that the build has are there."""
    folder = os.path.join(BUILD, "tests", "conformance")
    built = {name.removeprefix("conformance_") for name in os.listdir(folder)
             if name.startswith("conformance_") and "." not in name}
    listed = command.run("--list").split()
    if {title.split("/")[0] for title in listed} != built or len(listed) < 900:
        fail("%d cases of %s" % (len(listed), built ^ {
            title.split("/")[0] for title in listed}))


def check_short(command):
    text = command.run("-j2", *SHORT)
    count = len(command.run("--list", *SHORT).split())
    oks = lines_that_begin(text, "ok ")
    if len(oks) != count or "\n1..%d\n" % count not in text:
        fail("%d of %d:\n%s" % (len(oks), count, text))
    skipped = [line for line in oks if " # SKIP " in line]
    if any(not line.split(" # SKIP ")[1] for line in skipped):
        fail("a skip without a reason:\n" + text)
    expected = "%d passed, 0 failed" % (count - len(skipped))
    if not last_line(text).startswith(expected):
        fail("not %s:\n%s" % (expected, text))
    for word in ("libc glibc 2.", "kernel ", "features: ", "# fall-backs in force: "):
        if word not in text.split("1..")[0]:
            fail("the head has no %s:\n%s" % (word, text))
    print(text[:text.index("1..")] + last_line(text))


def check_fallbacks(command):
    """Those of a build with tests can be had on every machine."""
    text = command.run("pipe", env={"VIREO_TEST_MASK": "rseq,robust,guard"})
    line = lines_that_begin(text, "# fall-backs in force: ")[0]
    if not all(word in line for word in ("rseq", "robust", "guard")):
        fail(line)


def check_options(command):
    """Those of the library are passed on; what rests on one is left out, and why."""
    text = command.run("preempt_gil", env={"VIREO_PREEMPT": "0"})
    if "no preemption\n# Vireo" not in text.replace("; emulated by qemu-user", "") or \
            "\n# options: VIREO_PREEMPT=0\n" not in text or \
            text.count(" # SKIP threads that compute are not interrupted here\n") != 2:
        fail(text)


def check_broken(command):
    """A library that is wrong is found out, case by case."""
    library = os.path.join(command.usr, "lib", linking.TRIPLET,
                           "libvireo-preload.so.0")
    text = command.run("--library=%s:%s" % (BROKEN, library), "--timeout=%d" % (
        8 if CROSS else 2), "-j2", "busy_waiting", "once", "barrier", "pipe", status=1)
    wrong = lines_that_begin(text, "not ok ")
    told = last_line(text)
    for program in ("once/", "barrier/"):
        if not any(program in line for line in wrong):
            fail("%s passes:\n%s" % (program, text))
    if any("pipe/" in line for line in wrong) or \
            any("no verdict" in line for line in wrong):
        fail("too much is wrong:\n" + text)
    for part in ("# preloaded: ended by signal 6 (Aborted)",
                 "# preloaded: no end within ", "# native: passed",
                 "# pass natively and fail preloaded:"):
        if part not in text:
            fail("no %s:\n%s" % (part, text))
    if ", %d failed" % len(wrong) not in told:
        fail("%d are wrong: %s" % (len(wrong), told))


def check_no_threads(command):
    """Where threads would run natively, that is no verdict."""
    text = command.run("pipe", status=1, env={"VIREO_PATCH": "-thread"})
    if "\nBail out! threads cannot be mapped here" not in text:
        fail(text)


def check(usr, work):
    command = Command(usr, work)
    check_list(command)
    check_short(command)
    check_no_threads(command)
    return command
