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
    support.not_cross()
    support.need_package()
    support.need_modules("objgraph", "psutil")
    if not shutil.which("valgrind"):
        support.skip("valgrind is not installed")
    with support.scratch() as folder:
        # It has room for 30,000 mappings, of which each stack with its guard is two.
        package = support.copy_with_upstream_tests(folder)
        upstream_suite.with_fewer(package)
        upstream_suite.with_own_memory(package)
        log = os.path.join(folder, "valgrind-%p")
        found = upstream_suite.run_suite(
            folder, ("valgrind", "--log-file=" + log, "--error-limit=no"),
            timeout=5000,
            PYTHONMALLOC="malloc", GREENLET_SKIP_LEAKCHECKS="1",
            VIREO_PYTHON_STACK="1M") # it has 128 GB of addresses
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
