#!/usr/bin/python3
# label: long, python
# timeout: 5400
"""Upstream's own suite once under valgrind: no invalid access, no switch to a stack
that it does not know."""
import os
import re
import shutil
import sys

import support
import upstream_suite

ERRORS = re.compile(r"Invalid (?:read|write|free)|[Uu]ninitialised|Mismatched free"
                    r"|client switching stacks")


def main():
    support.need_package()
    support.need_modules("objgraph", "psutil")
    if not shutil.which("valgrind"):
        support.skip("valgrind is not installed")
    with support.scratch() as folder:
        support.copy_with_upstream_tests(folder)
        log = os.path.join(folder, "valgrind-%p")
        found = upstream_suite.run_suite(
            folder, ("valgrind", "--log-file=" + log, "--error-limit=no",
                     support.PYTHON), timeout=5000,
            PYTHONMALLOC="malloc", GREENLET_SKIP_LEAKCHECKS="1")
        logs = [name for name in os.listdir(folder)
                if name.startswith("valgrind-")]
        if not logs:
            found.append("no log of valgrind's")
        for name in logs:
            with open(os.path.join(folder, name), encoding="utf-8") as stream:
                text = stream.read()
            if ERRORS.search(text):
                print(text[:20000])
                found.append("valgrind complains: " + name)
    for problem in found:
        print(problem)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
