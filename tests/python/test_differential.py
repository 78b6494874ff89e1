#!/usr/bin/python3
# label: ci, python
# timeout: 900
"""Random scripts of tests/differential print the same log on the package as on the
interface in C, which is held against upstream's module there."""
import os
import subprocess
import sys

import support

INTERPRETER = os.path.join(support.BUILD_DIR, "tests", "differential",
                           "differential")
RUN = os.path.join(support.SOURCE_DIR, "tests", "differential", "run.py")


def main():
    support.not_cross()
    support.need_package()
    if sys.version_info >= (3, 12):
        support.skip("what is compared is what CPython 3.11 and 2.0.2 print")
    if not os.path.exists(INTERPRETER):
        support.skip("tests/differential is not built")
    with support.scratch() as folder:
        done = subprocess.run(
            [support.PYTHON, "-B", RUN, "--interp", INTERPRETER, "--keep",
             folder, "--seeds", "0..2000"], env=support.environment(),
            text=True, capture_output=True, check=False)
    print((done.stdout + done.stderr)[-5000:])
    print(subprocess.run([support.PYTHON, "-c",
                          "import greenlet; print(greenlet.__file__)"],
                         env=support.environment(), text=True,
                         capture_output=True, check=True).stdout)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
