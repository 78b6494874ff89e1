"""CPython's own tests as a judge: one module of Debian's
libpython3.N-testsuite, native and under Vireo, compared case by case.

A case has the same outcome in both or it differs.  What differs is run alone
again, native and preloaded in turn, to tell apart what is so each time, what
is unsteady natively too, and what was seen once.  All are printed.

A module that hangs is killed; the case it hung in is noted and left out when
the rest is run again.
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

import harness
from harness import NATIVE, VIREO, check

# Debian 12 has 3.11, Debian 13 has 3.13.
VERSION = "3.%d" % sys.version_info.minor
INTERPRETER = "/usr/bin/python" + VERSION
PACKAGE = "libpython%s-testsuite" % VERSION
ROUNDS = 3      # of a case alone, after it differed
MAX_HANGS = 12  # of one module
# A case is said to hang when nothing has been printed for so long: the whole
# module may take many times as long on a busy machine as on a quiet one.
QUIET_S = 240
# Their cases have time-outs of their own, made for a quiet machine.
SESSION_NICE = -15
# Its cases ask for the resource and use loopback alone.
RESOURCES = {"test_socketserver": "network"}
# Hangs natively where the hypervisor offers AF_VSOCK and nobody answers.
IGNORED = {"test_socket": ["*VSOCK*"]}
# "test_x (test.test_y.Class.test_x) ... "; a doc string may follow on a line
# of its own, and what the case prints may follow "... ".
STARTED = re.compile(
    r"^(?P<method>\w+) \((?P<id>[\w.]+)\)(?:\n[^\n]*?)? \.\.\. ", re.M)
BAD = re.compile(r"^(?P<kind>FAIL|ERROR): (?P<method>\w+) \((?P<id>[\w.]+)\)",
                 re.M)
LOGS = os.environ.get("CPYTHON_SUITE_LOGS")

Run = collections.namedtuple("Run", "status hung cases output seconds details")


def need_suite():
    found = os.path.exists("/usr/lib/python%s/test/test_socket.py" % VERSION)
    if not found or not os.path.exists(INTERPRETER):
        raise harness.Skip("%s is not installed" % PACKAGE)


def _full_name(match):
    """unittest shows Class.method, and before 3.11 only the class."""
    if match["id"].endswith("." + match["method"]):
        return match["id"]
    return "%s.%s" % (match["id"], match["method"])


def _outcome(element):
    for kind in ("error", "failure", "skipped"):
        found = element.find(kind)
        if found is not None:
            return kind
    if element.find("output") is not None:
        return "expected failure"
    return element.get("outcome") or element.get("result") or "ended"


def _detail(element):
    for kind in ("error", "failure", "skipped"):
        found = element.find(kind)
        if found is not None:
            return found.text or ""
    return ""


def _read_cases(path, output):
    """{name: [outcomes]} and {name: text}.  A case of which only sub-tests
    failed has no name in the XML: the printed report has it."""
    cases, details = collections.defaultdict(list), {}
    if os.path.exists(path) and os.path.getsize(path):
        for element in ElementTree.parse(path).iter("testcase"):
            if element.get("name"):
                cases[element.get("name")].append(_outcome(element))
                details[element.get("name")] = _detail(element)
    for match in BAD.finditer(output):
        name = _full_name(match)
        if not {"error", "failure"} & set(cases.get(name, ())):
            kind = {"FAIL": "failure", "ERROR": "error"}[match["kind"]]
            cases[name] = [kind + " of a part"]
            details[name] = output[match.start():match.start() + 2000]
    return {name: sorted(got) for name, got in cases.items()}, details


def _last_started(output):
    last = None
    for last in STARTED.finditer(output):
        pass
    return _full_name(last) if last else None


def _wait(program):
    """Its exit status, and whether it hangs."""
    printed, since = 0, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        try:
            return program.wait(2), False
        except subprocess.TimeoutExpired:
            size = os.fstat(program.log.fileno()).st_size
            if size != printed:
                printed, since = size, time.monotonic()
    return None, True


def run_once(module, mode, ignored=(), only=None):
    """One process: the module, or the one case of it."""
    command = [INTERPRETER, "-m", "test", "-v", "--junit-xml", "cases.xml"]
    for pattern in ignored:
        command += ["-i", pattern]
    if module in RESOURCES:
        command += ["-u", RESOURCES[module]]
    if only:
        command += ["-m", only]
    folder = tempfile.mkdtemp(prefix="vireo-cpython-")
    try:
        command += ["--tempdir", folder, module]
        start = time.monotonic()
        with harness.Program(command, mode, use_command=True,
                             cwd=folder) as program:
            status, hung = _wait(program)
            output = program.output()
        seconds = time.monotonic() - start
        cases, details = _read_cases(os.path.join(folder, "cases.xml"), output)
        return Run(status, hung, cases, output, seconds, details)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _log(module, mode, number, run):
    if LOGS:
        os.makedirs(LOGS, exist_ok=True)
        name = "%s.%s.%d" % (module, mode, number)
        with open(os.path.join(LOGS, name), "w", errors="replace") as f:
            f.write(run.output)


def run_module(module, mode):
    """The module's cases, hung or crashed ones included: (Run, bad), where
    bad is {name: "hangs" or "ends the process"}."""
    ignored, bad = list(IGNORED.get(module, ())), {}
    for number in range(MAX_HANGS):
        run = run_once(module, mode, ignored)
        _log(module, mode, number, run)
        if not run.hung and "Tests result: " in run.output:
            break
        name = _last_started(run.output)
        what = "hangs" if run.hung else "ends the process (%s)" % run.status
        print("         %s %s: %s %s" % (module, mode, name, what), flush=True)
        bad[name or module] = what
        if name is None or name in ignored:
            break
        ignored.append(name)
    return run, bad


def _all_cases(run, bad):
    cases = dict(run.cases)
    for name, what in bad.items():
        cases[name] = [what]
    return cases


def _alone(module, name):
    """The case alone: outcomes of the rounds, native and preloaded.  What
    hangs does so once more and no oftener."""
    got = {NATIVE: [], VIREO: []}
    for _ in range(ROUNDS):
        for mode in (NATIVE, VIREO):
            run = run_once(module, mode, only=name)
            outcome = run.cases.get(name)
            if run.hung:
                outcome = ["hangs"]
            elif outcome is None:
                outcome = ["ended %s" % run.status]
            got[mode].append(tuple(outcome))
        if run.hung:
            break
    return got


def _judge(module, name, native, vireo):
    """Say what became of a case that differed; True where it differs still.
    To hang or to crash once is once too often."""
    fatal = any(got.startswith(("hangs", "ends")) for got in vireo or ())
    if "." not in name:
        print("         DIFFERS %s: native %s, preloaded %s"
              % (name, native, vireo))
        return True
    alone = _alone(module, name)
    first = alone[NATIVE][0]
    if any(got != first for got in alone[NATIVE]) or (
            native is not None and list(first) != native):
        verdict = "unsteady natively"
    elif all(got == first for got in alone[VIREO]) and not fatal:
        verdict = "seen once"
    else:
        verdict = "DIFFERS"
    print("         %s %s: native %s, preloaded %s; alone %s, %s" % (
        verdict, name, native, vireo, _short(alone[NATIVE]),
        _short(alone[VIREO])), flush=True)
    return verdict == "DIFFERS"


def _short(outcomes):
    return "/".join("+".join(got) for got in outcomes)


def compare(module):
    """The test of one module."""
    need_suite()
    harness.session_nice = SESSION_NICE
    native, native_bad = run_module(module, NATIVE)
    one = _all_cases(native, native_bad)
    if VIREO not in harness.modes():
        return
    vireo, vireo_bad = run_module(module, VIREO)
    two = _all_cases(vireo, vireo_bad)
    names = sorted(n for n in set(one) | set(two) if one.get(n) != two.get(n))
    counts = collections.Counter(o for got in one.values() for o in got)
    print("         %s: %d cases natively (%s), %d preloaded, %d unlike; "
          "%.0f s, %.0f s" % (
              module, len(one), ", ".join(
                  "%d %s" % (n, what) for what, n in sorted(counts.items())),
              len(two), len(names), native.seconds, vireo.seconds), flush=True)
    check(one or native.status == vireo.status,
          "no cases: ended %s natively, %s preloaded", native.status,
          vireo.status)
    if not one:
        raise harness.Skip("no case of it runs here")
    for name in names:
        if name in vireo.details and LOGS:
            print("           | " + vireo.details[name][-1500:].replace(
                "\n", "\n           | "))
    differing = [name for name in names if _judge(
        module, name, one.get(name), two.get(name))]
    check(not differing, "%d cases differ: %s", len(differing),
          " ".join(differing))
