"""What the scripts for gevent share: their table, the log, names of errors.

A script is a function of no arguments, named as its twin in C, with the row of
the specification that it is about.  It prints one line a step, `who: what`, and
never a time or an address."""
import os
import sys

import gevent
from gevent import exceptions, pool, queue

SCRIPTS = {}
# Between two timers whose order is looked at, in seconds.
T = 0.04 * int(os.environ.get("GEVENT_SCRIPTS_SLOWER", 1))

# Errors of both worlds in the words of the log; the first that fits.
WORDS = (
    (gevent.Timeout, "timed out"),
    (gevent.hub.HubDestroyed, "hub destroyed"),
    (gevent.GreenletExit, "killed"),
    (exceptions.BlockingSwitchOutError, "cannot wait here"),
    (exceptions.LoopExit, "would block forever"),
    (exceptions.InvalidSwitchError, "switched to"),
    (exceptions.ConcurrentObjectUseError, "in use"),
    (exceptions.InvalidThreadUseError, "of another hub"),
    (pool.PoolFull, "full"),
    (queue.Full, "full"),
    (queue.Empty, "empty"),
    (SystemExit, "system exit"),
    (KeyError, "lost"),
    (StopIteration, "no more"),
    (RuntimeError, "not the owner"),
    (AssertionError, "refused"),
    (ValueError, "invalid"),
)


def script(row):
    """Register a function as the script of its name, for a row of 2.1 to 2.3."""
    def register(function):
        assert function.__name__ not in SCRIPTS, function.__name__
        SCRIPTS[function.__name__] = (row, function)
        return function
    return register


def log(who, what):
    sys.stdout.write("%s: %s\n" % (who, what))
    sys.stdout.flush()


def word(error):
    """An exception, or its class, in one word."""
    cls = error if isinstance(error, type) else type(error)
    for base, name in WORDS:
        if issubclass(cls, base):
            return name
    if issubclass(cls, OSError) and error.errno == 9:
        return "bad descriptor"
    return cls.__name__


def yes(value):
    return "yes" if value else "no"


def attempt(who, call, *args, **kwargs):
    """Call it and log how it ended: its result is returned, an error is not."""
    try:
        result = call(*args, **kwargs)
    except BaseException as error:
        log(who, word(error))
        return None
    log(who, "done")
    return result


def ticks(who, count):
    """Log and yield, `count` times."""
    for i in range(count):
        log(who, i)
        gevent.sleep(0)


def naps(who, seconds):
    gevent.sleep(seconds)
    log(who, "awake")


class Boom(KeyError):
    """What scripts fail with."""


def fails(who):
    log(who, "fails")
    raise Boom(who)


def unstarted():
    """A greenlet that never runs: to join it is to wait for nothing."""
    return gevent.Greenlet(log, "nobody", "ran")


def watch_errors():
    """What nobody caught is a line of the log, as in the C program."""
    hub = gevent.get_hub()
    system = hub.handle_system_error

    def handle_error(_context, cls, value, _traceback):
        if not issubclass(cls, hub.NOT_ERROR):
            log("hub", "reported " + word(cls))
        if issubclass(cls, hub.SYSTEM_ERROR):
            system(cls, value)

    hub.handle_error = handle_error
    gevent.sleep(0.001)  # gevent counts some timers from the loop's last turn


def quiet():
    """Reports of failures do not go into the log."""
    gevent.get_hub().handle_error = lambda *_: None
