#!/usr/bin/python3
# label: ci, python
"""What the package shows is what upstream's shows: programs/interface.py prints the
same on both."""
import difflib
import os
import re
import subprocess

import support

PROGRAM = os.path.join(support.HERE, "programs", "interface.py")
# Names that one of the two has and the other has not: what upstream's modules import,
# and what is ours.
ONLY = re.compile(r"greenlet(\._greenlet)? (absolute_import|division|print_function|"
                  r"UnswitchableGreenlet|stack_size|trim_stacks) ")


def shown(folder):
    done = subprocess.run([support.PYTHON, PROGRAM],
                          env=support.environment(folder), text=True,
                          capture_output=True, timeout=120, check=False)
    if done.returncode or done.stderr:
        raise AssertionError(done.stdout[-2000:] + done.stderr)
    return [line for line in done.stdout.splitlines() if not ONLY.match(line)]


class Interface(support.TestCase):
    def test_same(self):
        support.need_modules("greenlet")
        theirs, ours = shown(""), shown(support.FOLDER)
        self.assertGreater(len(ours), 600)
        self.assertEqual(ours, theirs, "\n".join(
            difflib.unified_diff(theirs, ours, "Debian's", "ours", lineterm="",
                                 n=0)))


if __name__ == "__main__":
    support.main()
