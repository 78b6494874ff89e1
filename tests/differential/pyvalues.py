"""Exceptions and values of greenlet scripts, and how they are printed."""
import greenlet as upstream


class Exit2(upstream.GreenletExit):
    pass


class Err(Exception):
    pass


class Err2(Err):
    pass


class Base(BaseException):
    pass


class Invalid:
    """A run that cannot be called."""
    name = "!"


CLASSES = {
    "exit": upstream.GreenletExit, "exit2": Exit2, "err": Err, "err2": Err2,
    "base": Base, "any": BaseException, "exception": Exception,
    "attribute": AttributeError, "type": TypeError, "value": ValueError,
    "error": upstream.error,
}
NAMES = {cls: name for name, cls in CLASSES.items()}
OURS = (upstream.GreenletExit, Exit2, Err, Err2, Base)


def undo_links(exception):
    """It must not keep a greenlet: by frames, or as the object without run."""
    exception.__traceback__ = None
    exception.__context__ = None
    if isinstance(exception, AttributeError):
        exception.obj = None


def show_exception(exception):
    """class:number, or class(what it wraps); the library's have no number."""
    cls = type(exception)
    name = NAMES.get(cls, cls.__name__)
    if cls not in OURS or not exception.args:
        return name + ":-"
    value = exception.args[0]
    if isinstance(value, BaseException):
        return "%s(%s)" % (name, show_exception(value))
    return "%s:%s" % (name, value if isinstance(value, int) else "-")


def undress(value):
    """What a switch returned, with its shape (G-020)."""
    if isinstance(value, BaseException):
        return "<%s>" % show_exception(value)
    if isinstance(value, dict):
        return "{%s}" % " ".join("%s=%s" % (key, undress(one))
                                 for key, one in value.items())
    if isinstance(value, tuple):
        return "(%s)" % " ".join(undress(one) for one in value)
    return str(value)


def show_message(args, kw):
    """What a body was called with, in the shape a switch would return."""
    if kw:
        return undress((args, kw)) if args else undress(kw)
    return undress(args[0] if len(args) == 1 else args)
