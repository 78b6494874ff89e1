"""What the programs on greenlet share."""
import os
import sys

import greenlet

if os.path.dirname(greenlet.__file__) != os.environ["EXPECTED_GREENLET"]:
    sys.exit("another greenlet: " + greenlet.__file__)

COUNT = int(sys.argv[1])


def check(condition, *about):
    if not condition:
        sys.exit("not so, line %d: %r" % (sys._getframe(1).f_lineno, about))
