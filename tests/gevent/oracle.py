"""Run scripts on python3-gevent and print their logs.

usage: oracle.py [--list] [SCRIPT...]

Each runs in a process of its own, a child of this one: importing gevent takes
longer than most scripts.  Before each log comes a line `== name`."""
import glob
import importlib
import os
import signal
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
NOT_SCRIPTS = {"oracle", "run", "script"}
LIMIT = 20  # seconds


def load():
    import script
    sys.path.insert(0, HERE)
    for path in sorted(glob.glob(os.path.join(HERE, "*.py"))):
        name = os.path.splitext(os.path.basename(path))[0]
        if name not in NOT_SCRIPTS:
            importlib.import_module(name)
    return script


def run_one(function, watch_errors):
    signal.alarm(LIMIT)
    try:
        watch_errors()
        function()
    except BaseException:
        traceback.print_exc(file=sys.stdout)
    sys.stdout.flush()
    os._exit(0)


def main():
    script = load()
    names = [name for name in sys.argv[1:] if not name.startswith("-")]
    if "--list" in sys.argv[1:]:
        for name, (row, _) in script.SCRIPTS.items():
            print(name, row, sep="\t")
        return 0
    for name in names or list(script.SCRIPTS):
        print("== " + name, flush=True)
        child = os.fork()
        if child == 0:
            run_one(script.SCRIPTS[name][1], script.watch_errors)
        _, status = os.waitpid(child, 0)
        if status != 0:
            print("ended with status %d" % status, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
