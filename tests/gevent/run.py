"""Run the scripts on gevent and on ours: both must print the same log.

usage: run.py [options] [SCRIPT...]
  --program PATH      gevent_scripts (build/tests/gevent/gevent_scripts)
  --emulator COMMAND  what it is run by
  --recorded          gevent is not asked: what it printed once is good enough
  --jobs N            scripts at a time (3)
  --record            write logs/: what gevent prints, and of intended.txt ours
  --docs FILE         hub.md, whose table must say the same
  --table             print that table

What gevent prints is also held against logs/NAME.log, so that ours can be looked
at where there is no gevent.  The scripts of intended.txt differ on purpose: both
must print exactly what is recorded.  Status: 0, 1 for a difference, 77 when
python3-gevent is missing and ours prints what was recorded."""
import argparse
import concurrent.futures
import difflib
import os
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
ORACLE = [PYTHON, "-B", os.path.join(HERE, "oracle.py")]
VERSION = "22.10.2"
LIMIT = 120  # seconds for a script, or a batch
BATCH = 12
SLOWER = (3, 9)  # times in further attempts, where the first differs
BEGIN, END = "<!-- tests/gevent: begin -->\n", "<!-- tests/gevent: end -->\n"


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n", 1)[1])
    parser.add_argument("--program", default=os.path.join(
        HERE, "../../build/tests/gevent/gevent_scripts"))
    parser.add_argument("--emulator", default="")
    parser.add_argument("--recorded", action="store_true")
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--docs")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("scripts", nargs="*")
    options = parser.parse_args()
    options.command = shlex.split(options.emulator) + [options.program]
    return options


def lines_of(name):
    """(first, rest) of each line of a table that is no comment."""
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#") and line.strip():
                first, _, rest = line.rstrip("\n").partition("\t")
                yield first, rest


def output_of(command, slower=1):
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True,
                         stderr=subprocess.STDOUT, timeout=LIMIT, check=False,
                         env=dict(os.environ, GEVENT_SCRIPTS_SLOWER=str(slower)))
    status = "" if run.returncode == 0 else "status %d\n" % run.returncode
    return run.stdout + status


def why_not_gevent(options):
    if options.recorded:
        return "not asked"
    probe = "import gevent; print(gevent.__version__)"
    found = subprocess.run([PYTHON, "-c", probe], capture_output=True,
                           text=True, check=False)
    if found.returncode != 0:
        return "%s has no gevent (package python3-gevent)" % PYTHON
    if found.stdout.strip() != VERSION:
        return "gevent is %s, not %s" % (found.stdout.strip(), VERSION)
    return ""


def theirs(names, slower):
    """{name: log}: one process for many, since it takes long to begin."""
    logs = {}
    for part in output_of(ORACLE + names, slower).split("== ")[1:]:
        name, _, log = part.partition("\n")
        logs[name] = log
    return logs


def path_of(name, whose):
    return os.path.join(HERE, "logs", name + whose)


def recorded(name, whose):
    try:
        with open(path_of(name, whose), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def record(name, whose, log):
    os.makedirs(os.path.join(HERE, "logs"), exist_ok=True)
    with open(path_of(name, whose), "w", encoding="utf-8") as file:
        file.write(log)


def diff(what, expected, got):
    lines = difflib.unified_diff(expected.splitlines(), got.splitlines(),
                                 "expected", "got", lineterm="", n=30)
    return "\n  ".join([what, *lines])


class Run:
    def __init__(self, options):
        self.options = options
        self.intended = dict(lines_of("intended.txt"))
        self.unasked = why_not_gevent(options)
        self.failed = 0

    def problem(self, text):
        self.failed += 1
        print(text)

    def logs(self, names, slower=1):
        gevents = {} if self.unasked else theirs(names, slower)
        return [(name, gevents.get(name),
                 output_of(self.options.command + [name], slower))
                for name in names]

    def difference(self, name, gevents, ours):
        """What is wrong, or nothing."""
        expected = recorded(name, ".log")
        mine = recorded(name, ".ours.log" if name in self.intended else ".log")
        if gevents is not None and gevents != expected:
            return diff(name + ": gevent's log", expected, gevents)
        if ours != mine:
            return diff(name + ": our log", mine, ours)
        if name in self.intended and ours == expected:
            return name + ": the logs do not differ as intended"
        return ""

    def note(self, name, gevents, ours):
        if self.options.record:
            record(name, ".log", gevents)
            if name in self.intended:
                record(name, ".ours.log", ours)
        return self.difference(name, gevents, ours)

    def run(self, names):
        """A machine that stalls between two timers changes what any of them
        prints: what differs is run again, alone and with longer times."""
        batches = [names[i:i + BATCH] for i in range(0, len(names), BATCH)]
        again = []
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            for logs in pool.map(self.logs, batches):
                again += [log[0] for log in logs if self.note(*log)]
        for name in again:
            self.run_again(name)

    def run_again(self, name):
        problem = ""
        for slower in SLOWER:
            problem = self.note(*self.logs([name], slower)[0])
            if not problem:
                print("%s: as expected with times %d times as long"
                      % (name, slower))
                return
        self.problem(problem)

    def check_rows(self, rows_of_scripts):
        """Each row has a script or a reason; each script has its twin."""
        rows = dict(lines_of("rows.txt"))
        covered = set(rows_of_scripts.values())
        problems = ["no script for row " + row for row, why in rows.items()
                    if not why and row not in covered]
        problems += ["no such row: " + row for row in covered - set(rows)]
        problems += ["intended.txt: no such script: " + name
                     for name in set(self.intended) - set(rows_of_scripts)]
        for problem in problems:
            self.problem(problem)

    def check_twins(self, ours, gevents):
        for name in sorted(set(ours) ^ set(gevents)):
            self.problem("%s: only in %s" % (name, "C" if name in ours else "Python"))


def cell(log):
    return "<br>".join("`%s`" % line for line in log.splitlines())


def table(intended):
    yield "| script | gevent %s | here | why |\n" % VERSION
    yield "| --- | --- | --- | --- |\n"
    for name, why in intended.items():
        yield "| `%s` | %s | %s | %s |\n" % (
            name, cell(recorded(name, ".log")),
            cell(recorded(name, ".ours.log")), why)


def check_docs(run, path):
    with open(path, encoding="utf-8") as file:
        text = file.read().partition(BEGIN)[2].partition(END)[0]
    if text.strip() != "".join(table(run.intended)).strip():
        run.problem(diff(path + ": its table is not what run.py --table prints",
                         "".join(table(run.intended)), text))


def main():
    options = arguments()
    run = Run(options)
    if options.table:
        print("".join(table(run.intended)), end="")
        return 0
    ours = output_of(options.command).split()
    if not run.unasked:
        rows = dict(line.split("\t") for line in
                    output_of(ORACLE + ["--list"]).splitlines())
        run.check_rows(rows)
        run.check_twins(ours, rows)
    run.run(options.scripts or ours)
    if options.docs:
        check_docs(run, options.docs)
    print("%d scripts, %d of them different on purpose%s; %d failed" % (
        len(options.scripts or ours), len(run.intended),
        "; gevent: " + run.unasked if run.unasked else "", run.failed))
    if run.failed:
        return 1
    return 77 if run.unasked and not options.recorded else 0


if __name__ == "__main__":
    sys.exit(main())
