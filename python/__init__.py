"""Greenlets: functions that run on stacks of their own, and switch by name.

This is the `greenlet` package on Vireo's stacks.  It has the interface and the
behaviour of the release that __version__ names; docs/python.md of Vireo has what
differs.
"""

from sys import version_info

__all__ = [
    '__version__',
    '_C_API',
    'GreenletExit',
    'error',
    'getcurrent',
    'greenlet',
    'gettrace',
    'settrace',
]

# The release that Debian has for this Python.
__version__ = '2.0.2' if version_info < (3, 13) else '3.1.0'
del version_info

from ._greenlet import _C_API
from ._greenlet import GreenletExit
from ._greenlet import error
from ._greenlet import getcurrent
from ._greenlet import greenlet
from ._greenlet import gettrace
from ._greenlet import settrace

from ._greenlet import GREENLET_USE_CONTEXT_VARS
from ._greenlet import GREENLET_USE_GC
from ._greenlet import GREENLET_USE_TRACING

from ._greenlet import CLOCKS_PER_SEC
from ._greenlet import enable_optional_cleanup
from ._greenlet import get_clocks_used_doing_optional_cleanup
