#!/usr/bin/python3
# label: ci
# timeout: 300
"""Reports of a preloaded program whose threads can never go on, or of one thread
that lets no other run; and none where it only looks so."""
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

import harness
from harness import check

COMMAND = os.path.join(harness.BUILD_DIR, "bin", "vireo")
DEADLOCKED, WAITING, IDLING = (harness.c_program(name, "-rdynamic")
                               for name in ("deadlocked", "waiting", "idling"))
LIMIT_S = 120

# What is said of each, besides `none of N threads can go on`.
FOR_EVER = {
    "abba": (r'^  thread \d+ "alpha" waits for mutex 0x\w+, held by beta '
             r'\(\d+\), since \d+\.\d+ s\n'
             r"      #0 0x\w+ pthread_mutex_lock\+0x\w+ \(libvireo-preload[^\n]*\n"
             r"      #1 0x\w+ take\+0x\w+ \(deadlocked\)\n"
             r"      #2 0x\w+ first_then_second\+0x\w+ \(deadlocked\)\n",
             r'^  thread \d+ "main" waits for the end of thread alpha \(\d+\), ',
             r"^  cycle: alpha \((\d+)\) -> beta \(\d+\) -> alpha \(\1\)$"),
    "self": (r'"twice" waits for mutex 0x\w+, held by twice \(\d+\), ',
             r"^  cycle: twice \(\d+\) -> twice \(\d+\)$"),
    "joins": (r'"jack" waits for the end of thread jill \(\d+\), since',
              r'"main" waits for the end of all other threads, ',
              r"^  cycle: jack \(\d+\) -> jill \(\d+\) -> joe \(\d+\) -> jack "),
    "cond": (r'"patient" waits for condition 0x\w+, since \d+\.\d+ s\n'
             r"      #0 0x\w+ pthread_cond_wait\+0x\w+ .*\n"
             r"      #1 0x\w+ wait_cond\+0x\w+ \(deadlocked\)$",),
    "sem": (r'"poster" waits for semaphore 0x\w+, since',),
    "rwlocks": (r'"writer" waits for rwlock 0x\w+ for reading, held by scribe \(',
                r'"scribe" waits for rwlock 0x\w+ for writing, held by writer \(',
                r"^  cycle: writer .* -> scribe .* -> writer "),
    "readers": (r'"author" waits for rwlock 0x\w+ for writing, held by 1 reader, ',),
    "barrier": (r'"early" waits for barrier 0x\w+, since',),
    "held-over-join": (r'"needy" waits for mutex 0x\w+.*, since',
                       r'"main" waits for the end of thread needy '),
}
NOT_FOR_EVER = ["accept", "timed", "timed-abba", "sigwait", "handler", "alarm",
                "timer", "native", "shared", "robust", "shared-sem", "flock",
                "child", "slow", "handed-over", "competing"]
# All threads but one wait for each other, and that one for this.
IDLE = ["read", "poll", "epoll", "aio", "timerfd", "pause", "handler", "timer",
        "sigwait", "child", "queue", "shared-cond", "shared-rwlock",
        "shared-futex", "computing", "sleeping"]
HUBS = (1, 2, 4)


class Program:
    """deadlocked.c, waiting.c or another, with what it says read from a file: nobody
    is waited for."""

    def __init__(self, what, *arguments, mode=harness.VIREO, preexec=None,
                 program=None, **variables):
        self.log = tempfile.TemporaryFile("w+")
        self.out = tempfile.TemporaryFile("w+")
        self.folder = tempfile.TemporaryDirectory(prefix="vireo-test-")
        env = harness.environment(mode, {"VIREO_CONTROL": self.folder.name,
                                         "VIREO_NATIVE_THREADS": "post_later",
                                         **variables})
        if mode == harness.NATIVE:
            env = {k: v for k, v in env.items() if not k.startswith("VIREO_")}
        self.popen = subprocess.Popen(
            [program or (WAITING if what in NOT_FOR_EVER or arguments else
                         DEADLOCKED), what, *map(str, arguments)], env=env, stdin=subprocess.DEVNULL,
            stdout=self.out, stderr=self.log, preexec_fn=preexec)
        self.pid = self.popen.pid

    def said(self):
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), size, 0).decode()

    def until(self, pattern, ask=None):
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            text = (ask or self.said)()
            if re.search(pattern, text, re.M):
                return text
            time.sleep(0.05)
        raise harness.Failed("never %s in:\n%s" % (pattern, text))

    def dump(self):
        done = subprocess.run([COMMAND, "dump", str(self.pid)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return done.stdout

    def ends(self):
        """(status, stdout, stderr)"""
        status = self.popen.wait(LIMIT_S)
        self.out.seek(0)
        return status, self.out.read(), self.said()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self.folder.cleanup()


def find(pattern, text):
    check(re.search(pattern, text, re.M), "no %s in:\n%s", pattern, text)


def check_for_ever(**variables):
    programs = {what: Program(what, **variables) for what in FOR_EVER}
    for what, wanted in FOR_EVER.items():
        with programs[what] as program:
            program.until(r"^vireo: deadlock: none of \d+ threads can go on$")
            time.sleep(0.2)
            text = program.said()
            for pattern in wanted:
                find(pattern, text)
            check(text.count("vireo:") == 1, "%s says:\n%s", what, text)
            check(program.popen.poll() is None, "%s has ended", what)
            dump = program.until("deadlock: ", program.dump)
            find(r"^\d+\.\d+ s ago: vireo: deadlock: none of ", dump)
            for pattern in wanted:
                find(pattern, dump)
            program.popen.send_signal(signal.SIGTERM)
            check(program.ends()[:2] == (-signal.SIGTERM, ""), "%s ends otherwise",
                  what)


def test_for_ever():
    """All at once; each says so once, goes on to hang, and dies of a signal."""
    check_for_ever()


def test_for_ever_on_hubs():
    """Those who wait for each other are on several."""
    for hubs in HUBS[1:]:
        check_for_ever(VIREO_HUBS=str(hubs))


def test_others_are_alive():
    for hubs in HUBS:
        check_others_are_alive(hubs)


def check_others_are_alive(hubs):
    with Program("abba-alive", VIREO_HUBS=str(hubs)) as program:
        text = program.until(r"^  cycle: alpha ")
        find(r"^vireo: deadlock: 3 of 4 threads can never go on$", text)
        find(r'^  thread \d+ "gamma" waits for mutex 0x\w+, held by beta ', text)
        check('"main"' not in text, "main is alive:\n%s", text)
        time.sleep(3)
        check(program.said() == text, "it says more:\n%s", program.said())


def test_not_for_ever_on_hubs():
    programs = {(what, hubs): Program(what, 6, VIREO_HUBS=str(hubs))
                for what in NOT_FOR_EVER for hubs in HUBS[1:]}
    for what, program in programs.items():
        with program:
            check(program.ends() == (0, "done\n", ""), "%s: %s", what,
                  program.ends())


def test_idle():
    """Who waits for input, a time, a signal, a child or another process."""
    run = lambda what, seconds, **more: Program(what, seconds, program=IDLING,
                                                **more)
    natives = {what: run(what, 1, mode=harness.NATIVE) for what in IDLE}
    programs = {(what, hubs): run(what, 6, VIREO_HUBS=str(hubs))
                for what in IDLE for hubs in HUBS}
    for what, program in {**natives, **programs}.items():
        with program:
            check(program.ends() == (0, "done\n", ""), "%s: %s", what,
                  program.ends())


def test_stopped():
    """Time in which nobody ran at all."""
    programs = {hubs: Program("competing", 8, VIREO_HUBS=str(hubs))
                for hubs in HUBS}
    time.sleep(0.5)
    for _ in range(2):
        for number, span in ((signal.SIGSTOP, 2.5), (signal.SIGCONT, 0.1)):
            for program in programs.values():
                program.popen.send_signal(number)
            time.sleep(span)
    for hubs, program in programs.items():
        with program:
            check(program.ends() == (0, "done\n", ""), "%d hubs: %s", hubs,
                  program.ends())


def test_not_for_ever():
    programs = {what: Program(what, 6) for what in NOT_FOR_EVER}
    natives = {what: Program(what, 1, mode=harness.NATIVE)
               for what in NOT_FOR_EVER}
    tasks = "/proc/%d/task" % programs["native"].pid
    programs["native"].until(  # the hub, two of the library's, and its own
        "^4$", lambda: str(len(os.listdir(tasks))))
    for what in NOT_FOR_EVER:
        with programs[what] as program, natives[what] as native:
            check(native.ends() == (0, "done\n", ""), "%s natively", what)
            check(program.ends() == (0, "done\n", ""), "%s: %s", what,
                  program.ends())


def test_only_a_handler():
    """A signal would end it: it is shown to who asks, or wants to know."""
    with Program("handler", 1000) as silent, \
            Program("handler", 1000, VIREO_DEADLOCK="2") as loud:
        pattern = (r"vireo: deadlock: none of 2 threads can go on, unless a "
                   r"signal's handler wakes one$")
        loud.until("^" + pattern)
        silent.until(r"ago: " + pattern, silent.dump)
        check(silent.said() == "", "it says: %s", silent.said())
        for program in (silent, loud):
            program.popen.send_signal(signal.SIGUSR1)
            check(program.ends()[:2] == (0, "done\n"), "it does not go on")


def test_it_goes_away():
    """What a handler has ended is no longer shown."""
    with Program("handler-twice", 1000) as program:
        program.until("deadlock: ", program.dump)
        program.popen.send_signal(signal.SIGUSR1)
        end = time.monotonic() + LIMIT_S
        while "deadlock: " in program.dump():
            check(time.monotonic() < end, "it is still shown:\n%s",
                  program.dump())
            time.sleep(0.1)


def test_off():
    with Program("abba", VIREO_DEADLOCK="0") as program:
        program.until("deadlock: ", program.dump)
        check(program.said() == "", "it says: %s", program.said())


def test_full_pipe():
    """Nobody reads what it says: it is as it was."""
    ends = os.pipe()
    os.set_blocking(ends[1], False)
    try:
        while True:
            os.write(ends[1], b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(ends[1], True)
    with Program("abba") as first:
        env = harness.environment(harness.VIREO,
                                  {"VIREO_CONTROL": first.folder.name})
        other = subprocess.Popen([DEADLOCKED, "abba-alive"], env=env,
                                 stderr=ends[1])
        first.pid = other.pid
        try:
            first.until("deadlock: ", first.dump)
            seen = [int(re.search(r"; (\d+) switches", first.dump()).group(1))
                    for _ in range(2) if time.sleep(0.3) is None]
            check(seen[1] > seen[0], "it stands still: %s", seen)
        finally:
            other.kill()
            other.wait()
    os.close(ends[0])
    os.close(ends[1])


def blocked(name, function, more=""):
    return (r'vireo: blocked: thread \d+ "%s" has not let others run for '
            r"\d+\.\d+ s%s\n"
            r"(      #\d+ .*\n)*"
            r"      #\d+ 0x\w+ %s\+0x\w+ \(waiting\)$"
            % (name, more, function))


def test_blocked():
    """In dump always; on stderr only for who wants to know."""
    pattern = blocked("sleeper", "sleep_itself", r", in system call \d+")
    run = lambda seconds, **variables: Program(
        "sleeps", seconds, VIREO_PREEMPT="0", **variables)
    with run(1000) as silent, run(1000, VIREO_BLOCKED="50") as loud, \
            run(1000, VIREO_VERBOSE="1") as verbose, \
            run(1, VIREO_BLOCKED="0") as off:
        loud.until("^" + pattern)
        verbose.until("^" + pattern)
        silent.until(r"^\d+\.\d+ s ago: " + pattern, silent.dump)
        check(silent.said() == "", "it says: %s", silent.said())
        check(off.ends() == (0, "done\n", ""), "off: %s", off.ends())


def test_blocked_by_libc():
    with Program("blocked", 1, VIREO_BLOCKED="50") as program:
        program.until("^" + blocked("searcher", "searcher"))


def test_blocks_nobody():
    with Program("blocks-nobody", 1, VIREO_BLOCKED="50") as program:
        check(program.ends() == (0, "done\n", ""), "it says: %s",
              program.said())


def test_bad_values():
    for name in ("VIREO_DEADLOCK", "VIREO_BLOCKED"):
        with Program("slow", 0, **{name: "x"}) as program:
            check(program.ends()[:2] == (0, "done\n"), "it ends otherwise")
            find("^vireo: %s=x: not a value it can have; the default is used$"
                 % name, program.said())


def test_owners_in_dump():
    with Program("rwlocks") as program:
        text = program.until(r'"writer" waits for .*held by', program.dump)
        find(r'^  thread \d+ "writer" waits for pthread_rwlock_rdlock 0x\w+, held '
             r"by scribe \(\d+\), since", text)
    with Program("readers") as program:
        text = program.until(r'"author" waits for .*held by', program.dump)
        find(r'"author" waits for pthread_rwlock_wrlock 0x\w+, held by 1 reader, ',
             text)
    with Program("sem") as program:
        program.until(r'"poster" waits for sem_wait 0x\w+, since', program.dump)
    with Program("robust", 1000) as program:
        program.until(r'"other" waits for pthread_mutex_lock 0x\w+, since|'
                      r'"sharer" waits for pthread_mutex_lock 0x\w+, since',
                      program.dump)


def test_monitor_that_cannot_start():
    """One clear line, and the program goes on."""
    if os.geteuid() != 0:
        raise harness.Skip("needs root, for a user without processes")

    user = 60000 + os.getpid() % 5000

    def few():
        resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))
        os.setresgid(user, user, user)
        os.setgroups([])
        os.setresuid(user, user, user)

    for _ in range(20):
        with tempfile.TemporaryDirectory() as folder, \
                Program("slow", 1, preexec=few, VIREO_CONTROL=folder) as program:
            os.chown(folder, user, user)  # before there is a thread
            status, out, err = program.ends()
            check((status, out) == (0, "done\n"), "%s %s %s", status, out, err)
            if "there is no monitor" in err:
                check(len(err.splitlines()) == 1, "it says:\n%s", err)
                find("^vireo: there is no monitor: Resource temporarily "
                     "unavailable; ", err)
                return
    raise harness.Skip("its monitor started each time")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
