"""The operations of greenlet scripts, on Python's greenlet.

Each returns None, ("raise", exception) or ("return", value).  Locals that refer
to a greenlet go when the function returns: after the result was printed and
before the states are."""
import weakref

import greenlet as upstream

from pyvalues import CLASSES, show_exception, undo_links

RUN = upstream.greenlet.__dict__["run"]


def number(word):
    return None if word == "none" else int(word)


def arguments(words):
    args = tuple(number(word) for word in words if "=" not in word)
    kw = {key: number(value) for key, _, value in
          (word.partition("=") for word in words if "=" in word)}
    return args, kw


def skip(world):
    world.event("- skipped")


def attempt(world, function, *args):
    """Something that is refused at once or done; not a switch."""
    caught = None
    try:
        function(*args)
    except Exception as exception:
        caught = exception
    if caught is None:
        world.event("= done")
        return None
    undo_links(caught)
    world.event("! " + show_exception(caught))
    return ("raise", caught)


def op_new(world, node, it):
    words = node.words
    options = dict(word.split("=") for word in words[3:])
    parent = None
    if "parent" in options:
        parent = world.find(options["parent"], it)
        if parent is None:
            return skip(world)
    g = world.make(words[1], words[2], parent, options)
    parent = None
    world.event("made " + world.label(g))
    world.slots[words[1]] = g
    return None


def op_switch(world, node, it):
    g = world.find(node.words[1], it)
    if g is None:
        return skip(world)
    args, kw = arguments(node.words[2:])
    return world.call(g.switch, args, kw)


def instance(words):
    return CLASSES[words[0]](int(words[1]))


def throw_arguments(words):
    """The forms of G-061 and G-062."""
    if not words:
        return ()
    if words[0] == "bad":
        return (5,)
    if words[0] == "inst":
        one = instance(words[1:3])
        return (one, int(words[4])) if len(words) > 3 else (one,)
    cls = CLASSES[words[0]]
    if len(words) == 1:
        return (cls,)
    if words[1] == "inst":
        return (cls, instance(words[2:4]))
    return (cls, int(words[1]))


def op_throw(world, node, it):
    g = world.find(node.words[1], it)
    if g is None:
        return skip(world)
    arguments = throw_arguments(node.words[2:])
    if world.state(g) in "ND" and is_exit(arguments) and \
            world.exit_starts(upstream.GreenletExit(), g):
        return world.give_up("an exit starts a parent")
    entry = world.entry_of(g)
    entry.exit_thrown = is_exit(arguments)
    try:
        return world.call(g.throw, arguments)
    finally:
        entry.exit_thrown = False


def is_exit(arguments):
    if not arguments:
        return True
    cls = arguments[0]
    return issubclass(cls if isinstance(cls, type) else type(cls),
                      upstream.GreenletExit)


def op_parent(world, node, it):
    g = world.find(node.words[1], it)
    parent = world.find(node.words[2], it)
    if g is None or (parent is None and node.words[2] != "null"):
        return skip(world)
    return attempt(world, setattr, g, "parent", parent)


def op_let(world, node, it):
    g = world.find(node.words[2], it)
    if g is None:
        return skip(world)
    world.slots[node.words[1]] = g
    return None


def op_drop(world, node, it):
    if node.words[1] not in world.slots:
        return skip(world)
    world.slots.pop(node.words[1])
    return None


def op_weak(world, node, it):
    g = world.find(node.words[2], it)
    if g is None:
        return skip(world)
    world.weaks[node.words[1]] = weakref.ref(g)
    return None


def op_deref(world, node, it):
    weak = world.weaks.get(node.words[1])
    if weak is None:
        return skip(world)
    g = weak()
    world.event("= " + world.label(g))
    if g is not None and len(node.words) > 2:
        world.slots[node.words[2]] = g
    return None


def op_trace(world, node, it):
    body = node.words[1]
    old = upstream.settrace(None if body == "off" else world.trace_with(body))
    world.event("= " + ("off" if old is None else old.body))
    return None


def op_gettrace(world, node, it):
    old = upstream.gettrace()
    world.event("= " + ("off" if old is None else old.body))
    return None


def op_run(world, node, it):
    g = world.find(node.words[1], it)
    if g is None:
        return skip(world)
    options = dict(word.split("=") for word in node.words[3:])
    if world.state(g) == "N":
        delete_run(world, g)  # its destructor must not meet the new one
        if world.state(g) == "N" and has_run(g):
            return skip(world)
    entry = world.entry_of(g)

    def give():  # a body that is refused ends before the result is printed
        RUN.__set__(g, world.callable(entry, node.words[2],
                                      options.get("del")))

    entry.unable = node.words[2] == "!"
    return attempt(world, give)


def op_unrun(world, node, it):
    g = world.find(node.words[1], it)
    if g is None:
        return skip(world)
    return attempt(world, delete_run, world, g)


def has_run(g):
    try:
        RUN.__get__(g)
    except AttributeError:
        return False
    return True


def delete_run(world, g):
    """Made equal (c): deleting what is not there is fine."""
    try:
        RUN.__delete__(g)
    except AttributeError:
        if g is world.main or bool(g) or g.dead:
            raise


def op_getrun(world, node, it):
    g = world.find(node.words[1], it)
    if g is None:
        return skip(world)
    caught = None
    try:
        world.event("= " + RUN.__get__(g).name)
    except AttributeError as exception:
        caught = exception
    if caught is None:
        return None
    undo_links(caught)
    world.event("! " + show_exception(caught))
    return ("raise", caught)


def op_return(world, node, it):
    return ("return", number(node.words[1]) if len(node.words) > 1 else None)


def op_raise(world, node, it):
    cls = CLASSES[node.words[1]]
    return ("raise", cls(int(node.words[2])) if len(node.words) > 2 else cls())


from pycontext import CONTEXT_OPERATIONS  # noqa: E402

OPERATIONS = dict(
    {name[3:]: value for name, value in globals().items()
     if name.startswith("op_")}, **CONTEXT_OPERATIONS)
