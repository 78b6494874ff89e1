"""Run greenlet scripts on Python's greenlet and print what happens: the oracle.

usage: interp.py [-u] [FILE]   a batch, `=== name` before each script;
                               -u: print each line at once

The event log is that of interp.c, line by line.  Where upstream differs from
our specification the difference is made up for here or there, and listed in
README.md under "Made equal"; each such place is marked by its letter.

What refers to a greenlet is part of the meaning (a last reference that goes
kills), so no exception may keep its traceback, and with it frames and their
locals, longer than the operation that caught it."""
import contextvars
import gc
import sys
import weakref

import greenlet as upstream

import script as language
from pyops import OPERATIONS
from pyvalues import (CLASSES, Invalid, show_exception, show_message,
                      undo_links, undress)

DEPTH = 4  # callbacks (tracer, destructors) inside each other, in one greenlet


class Token:
    """Lives in the dictionary of a greenlet; its end is the greenlet's.

    Made equal (g): a run that was never used is destroyed before what the
    dictionary has, not after the parent."""

    def __init__(self, world, entry):
        self.world = world
        self.entry = entry

    def __del__(self):
        body = self.entry.closure and self.entry.closure()
        if body is not None:
            body.end()
            body = None
        self.entry.gone = True
        self.world.say("free " + self.entry.label)


class Entry:
    """A greenlet that was made, known without being kept."""

    def __init__(self, label):
        self.label = label
        self.closure = None  # weak: its run, if that has a destructor
        self.hook = None
        self.fin = None
        self.depth = 0
        self.gone = False
        self.late = None  # what the tracer has yet to do in it
        self.lookups = []  # of its run, now: a number for each
        self.exit_thrown = False  # into it, now
        self.waiting = False  # in a switch or a throw of its own
        self.runs = False  # its body, now
        self.begun = False  # has run, or been about to run, its body
        self.unable = False  # its run cannot be called
        self.shown = None
        self.weak = None


class Hooked(upstream.greenlet):
    def __getattribute__(self, name):
        if name != "run":
            return super().__getattribute__(name)
        exception = self.__dict__["token"].world.run_hook(self)
        if exception is not None:
            raise exception
        if bool(self) or self.dead:  # the hook started it: upstream looks
            return None
        try:
            return super().__getattribute__(name)
        except AttributeError:
            self.__dict__["token"].world.lookup_fails(self)
            raise


class Finalized(upstream.greenlet):
    def __del__(self):
        self.__dict__["token"].world.run_finalizer(self)


class Both(Hooked, Finalized):
    pass


class Body:
    """What a greenlet runs.  With a destructor of its own, if `on_del`."""

    def __init__(self, world, name, on_del):
        self.world = world
        self.name = name
        self.on_del = on_del

    def __call__(self, *args, **kw):
        world, name = self.world, self.name
        del self  # a traceback must not keep it
        world.entry_of(upstream.getcurrent()).begun = True
        exception = world.late_trace()
        if exception is not None:
            if world.exit_starts(exception):
                return exception
            try:
                raise exception
            finally:
                del exception
        entry = world.entry_of(upstream.getcurrent())
        entry.runs = True
        how, result = world.run_body(name, args, kw)
        entry.runs = False
        if how == "return" or world.exit_starts(result):
            return result
        try:
            raise result
        finally:
            del result  # no cycle through the traceback


class DyingBody(Body):
    def __del__(self):
        self.end()

    def end(self):
        on_del, self.on_del = self.on_del, None
        if on_del is None:
            return
        self.world.callback("del", self.name, on_del)
        entry = self.world.entry_of(upstream.getcurrent())
        if not entry.runs and self.world.exit_starts(upstream.GreenletExit()):
            self.world.give_up("an exit may start a parent")


class World:
    """The state of one script."""

    def __init__(self, script, log):
        self.script = script
        self.log = log
        self.slots = {}
        self.asked = 0  # lookups, in all
        self.weaks = {}
        self.tokens = {}
        self.contexts = {}
        self.poisoned = []
        self.entries = []
        self.used = {}
        self.steps = 0
        self.dry = False
        self.main = upstream.getcurrent()
        self.main_entry = Entry("main")
        self.main_entry.begun = self.main_entry.runs = True
        self.vars = {name: contextvars.ContextVar(name) for name in "xy"}
        self.vars["z"] = contextvars.ContextVar("z", default=99)
        self.main.gr_context = None

    # ---- who is who

    def entry_of(self, g):
        if g is self.main:
            return self.main_entry
        return g.__dict__["token"].entry

    def label(self, g):
        return "none" if g is None else self.entry_of(g).label

    def say(self, text):
        self.log.append(text)

    def event(self, text):
        self.say("%s: %s" % (self.label(upstream.getcurrent()), text))

    def find(self, name, it=None):
        if name == "main":
            return self.main
        if name == "self":
            return upstream.getcurrent()
        if name == "up":
            return upstream.getcurrent().parent
        if name == "it":
            return it
        return self.slots.get(name)

    def make(self, slot, body, parent, options):
        kind = {(False, False): upstream.greenlet, (True, False): Hooked,
                (False, True): Finalized, (True, True): Both}[
                    "hook" in options, "fin" in options]
        self.measure(parent)
        g = kind(parent=parent) if parent is not None else kind()
        count = self.used[slot] = self.used.get(slot, 0) + 1
        entry = Entry(slot if count == 1 else "%s.%d" % (slot, count))
        entry.hook, entry.fin = options.get("hook"), options.get("fin")
        entry.weak = weakref.ref(g)
        g.__dict__["token"] = Token(self, entry)
        self.entries.append(entry)
        entry.unable = body == "!"
        if body != "-":
            g.run = self.callable(entry, body, options.get("del"))
        return g

    def measure(self, g):
        """Made equal (j): freeing a long chain CPython puts off some of it."""
        length = 0
        g = g if g is not None else upstream.getcurrent()
        while g is not None:
            g = g.parent
            length += 1
        if length > 20:
            self.give_up("a chain too long for CPython")

    def callable(self, entry, body, on_del):
        if body == "!":
            return Invalid()
        if on_del is None:
            return Body(self, body, None)
        dying = DyingBody(self, body, on_del)
        entry.closure = weakref.ref(dying)
        return dying

    # ---- states

    def state(self, g):
        if g is upstream.getcurrent() and not self.entry_of(g).runs:
            return "E"
        if bool(g):
            letter = "R" if g is upstream.getcurrent() else "S"
            return letter if not g.dead else "?"
        return "D" if g.dead else "N"

    def snapshot(self):
        """What has changed since the last one."""
        changed = []
        for entry in self.entries:
            g = entry.weak() if not entry.gone else None
            if g is not None:
                text = "%s:%s<%s" % (entry.label, self.state(g),
                                     self.label(g.parent))
                if text != entry.shown:
                    entry.shown = text
                    changed.append(text)
        if changed:
            self.say("  ~ " + " ".join(changed))

    # ---- running

    def run_body(self, name, args, kw):
        self.event("starts %s %s" % (name, show_message(args, kw)))
        self.snapshot()
        status = self.run_nodes(self.script.bodies.get(name, ()), None)
        if status is None:
            status = ("return", None)
        shown = (show_exception(status[1]) if status[0] == "raise"
                 else str(status[1]))
        self.event("ends %s %s" % (status[0], shown))
        return status

    def run_nodes(self, nodes, it):
        for node in nodes:
            status = self.run_node(node, it)
            if status is not None:
                return status
        return None

    def run_node(self, node, it):
        words = node.words
        if self.dry:
            return None
        if words[0] == "?":
            return self.guarded(node, it)
        if words[0] == "try":
            return self.run_try(node, it)
        self.steps += 1
        if self.steps > self.script.limit:
            self.say("limit")
            self.dry = True
            return None
        self.event(" ".join(words))
        status = OPERATIONS[words[0]](self, node, it)
        self.snapshot()
        return status

    def guarded(self, node, it):
        status = self.run_node(language.Node(node.words[1:], node.inner,
                                             node.handler), it)
        return self.caught(status, BaseException)

    def run_try(self, node, it):
        status = self.run_nodes(node.inner, it)
        if status is None or status[0] != "raise":
            return status
        cls = CLASSES[node.words[1]]
        status = self.caught(status, cls)
        if status is not None:
            return status
        return self.run_nodes(node.handler, it)

    def caught(self, status, cls):
        if (status is None or status[0] != "raise" or
                not isinstance(status[1], cls)):
            return status
        self.event("caught " + show_exception(status[1]))
        return None

    def callback(self, kind, name, body, it=None):
        """The program's code in a place where an error has nowhere to go."""
        self.event("%s %s" % (kind, name))
        status = self.enter(body, it)
        if status is not None and status[0] == "raise":
            if kind == "hook":
                return status[1]
            self.event("lost " + show_exception(status[1]))
        return None

    def heir(self, g):
        """Who gets what g ends with."""
        g = g.parent
        while g.dead:
            g = g.parent
        return g

    def exit_starts(self, exception, g=None):
        """Made equal (h): upstream calls a new parent's run with an exit that
        became a value, but not as an argument: it takes the exit for the tuple
        of them.  So the exit must not get there as an exit."""
        if not isinstance(exception, upstream.GreenletExit):
            return False
        if g is None:
            g = upstream.getcurrent()
        return self.state(self.heir(g)) == "N"

    def give_up(self, why):
        """What follows says nothing about ours: see run.py."""
        self.say("oracle gives up: " + why)
        self.dry = True

    def enter(self, body, it):
        entry = self.entry_of(upstream.getcurrent())
        if entry.depth >= DEPTH:
            self.event("too deep")
            return None
        waiting, entry.waiting = entry.waiting, False
        entry.depth += 1
        status = self.run_nodes(self.script.bodies.get(body, ()), it)
        entry.depth -= 1
        entry.waiting = waiting
        return status

    def run_hook(self, g):
        """Made equal (i): one that has ended is dead in upstream while it
        looks for a parent that can be started, and in ours when it has left.
        A hook that is asked there does nothing, and how often is not told."""
        entry = self.entry_of(g)
        if not self.entry_of(upstream.getcurrent()).runs:
            return None
        self.asked += 1
        this = self.asked
        entry.lookups.append(this)
        exception = self.callback("hook", entry.label, entry.hook, g)
        newest = entry.lookups[-1] == this
        entry.lookups.remove(this)
        if exception is not None:
            self.lookup_fails(g)
        elif not newest:
            self.give_up("a later lookup's message is in place of this one's")
        elif entry.exit_thrown and self.exit_starts(upstream.GreenletExit(), g):
            self.give_up("an exit starts the parent that the lookup gave")
        return exception

    def lookup_fails(self, g):
        """By what its hook raised, or since there is no run; made equal (k)."""
        if self.entry_of(g).lookups:
            self.give_up("a lookup that fails takes the message of another")

    def run_finalizer(self, g):
        entry = self.entry_of(g)
        self.callback("fin", entry.label, entry.fin, g)

    def call(self, function, args=(), kw=None):
        """A switch or a throw: what it returned, or raised."""
        caught = None
        entry = self.entry_of(upstream.getcurrent())
        entry.waiting = True
        try:
            value = function(*args, **(kw or {}))
        except BaseException as exception:  # whatever a script throws
            caught = exception
        entry.waiting = False
        if caught is not None:
            undo_links(caught)
        late = self.late_trace()
        if late is not None:
            caught = late
        if caught is None:
            self.event("= " + undress(value))
            return None
        if isinstance(caught, SystemError):
            self.give_up("a message was lost in a hook")
        self.event("! " + show_exception(caught))
        return ("raise", caught)

    # ---- the whole

    def trace_with(self, body):
        """Made equal (d): 2.0.2 loses the message that is on its way when the
        tracer switches (G-049).  What a tracer does about a `switch` it does
        as soon as the target runs, before it looks at the message."""
        def tracer(event, pair):
            origin, target = pair
            text = "%s %s->%s" % (event, self.label(origin),
                                  self.label(target))
            self.event("trace " + text)
            if target is not upstream.getcurrent():
                self.event("the tracer runs elsewhere")
            if self.comes_late(self.entry_of(target), event, body, origin):
                return
            status = self.enter(body, origin)
            if status is not None and status[0] == "raise":
                exception = status[1]
                del origin, target, pair, status  # the traceback's, else
                try:
                    raise exception
                finally:
                    del exception
        tracer.body = body
        return tracer

    def comes_late(self, entry, event, body, origin):
        """Made equal (e): into one that has not begun a throw, or what it
        cannot be called with, is traced without the tracer's body."""
        if not entry.begun and (event == "throw" or entry.unable):
            return True
        late = entry.waiting or not entry.begun
        entry.begun = True
        if late:
            entry.late = (body, origin)
        return late

    def late_trace(self):
        """The exception that the tracer ended by, which is then removed."""
        entry = self.entry_of(upstream.getcurrent())
        if entry.late is None:
            return None
        (body, origin), entry.late = entry.late, None
        status = self.enter(body, origin)
        if status is None or status[0] != "raise":
            return None
        upstream.settrace(None)
        return status[1]

    def unraisable(self, args):
        undo_links(args.exc_value)
        self.event("unraisable %s %s" % (self.label(args.object),
                                         show_exception(args.exc_value)))

    def run(self):
        for node in self.script.bodies["main"]:
            self.caught(self.run_node(node, None), BaseException)
        self.say("end")
        for name in sorted(self.slots):
            self.say("drop " + name)
            self.slots.pop(name, None)
            self.snapshot()
        self.dry = True
        self.sweep()

    def sweep(self):
        """End what is suspended; what then is alive was leaked (G-099)."""
        upstream.settrace(None)
        for name in sorted(self.slots):
            self.slots.pop(name, None)
        self.contexts.clear()
        self.tokens.clear()
        for entry in self.entries:
            g = entry.weak() if not entry.gone else None
            if g is not None and self.state(g) == "S":
                self.say("sweep " + entry.label)
                self.call(g.throw)
            g = None
        self.main.gr_context = None
        self.snapshot()
        self.say("alive" + "".join(" " + entry.label for entry in self.entries
                                   if not entry.gone))


class Nowhere:
    """stderr: upstream tells there what it leaks (G-099)."""

    def write(self, text):
        pass

    def flush(self):
        pass


class Loud(list):
    """Prints each line at once: for a script that may end the process."""

    def append(self, line):
        print(line, flush=True)


def run_one(text, log):
    try:
        world = World(language.parse(text), log)
    except ValueError as error:
        log.append("bad script: %s" % error)
        return
    sys.unraisablehook = world.unraisable
    world.run()
    sys.unraisablehook = sys.__unraisablehook__


def main():
    unbuffered = "-u" in sys.argv[1:]
    names = [name for name in sys.argv[1:] if name != "-u"]
    stream = open(names[0]) if names else sys.stdin
    gc.disable()
    sys.setrecursionlimit(20000)
    real, sys.stderr = sys.stderr, Nowhere()
    for name, text in language.split_batch(stream.read()):
        log = Loud() if unbuffered else []
        print("=== " + name, flush=unbuffered)
        try:
            run_one(text, log)
        except BaseException:
            sys.stderr = real
            print("in script " + name, file=sys.stderr)
            raise
        sys.stdout.write("".join(line + "\n" for line in log))


if __name__ == "__main__":
    main()
