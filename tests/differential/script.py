"""The language of greenlet scripts: text to tree and back (README.md).

Both interpreters, the generator and the shrinker read the same lines; this is
the parser of those that are in Python."""

BLOCKS = ("try", "within")

# operation: how many words it has at least
WORDS = {
    "new": 3, "switch": 2, "throw": 2, "parent": 3, "let": 3, "drop": 2,
    "weak": 3, "deref": 2, "trace": 2, "gettrace": 1, "run": 3, "unrun": 2,
    "getrun": 2, "return": 1, "raise": 2, "set": 3, "get": 2, "reset": 3,
    "copyctx": 3, "sharectx": 3, "clearctx": 2, "showctx": 2, "newctx": 2,
    "savectx": 3, "givectx": 3, "within": 2, "try": 2,
}
CLASSES = ("exit", "exit2", "err", "err2", "base", "any", "exception",
           "attribute", "type", "value", "error")


class Node:
    """One operation; a block has `inner`, and `try` also has `handler`."""
    __slots__ = ("words", "inner", "handler")

    def __init__(self, words, inner=None, handler=None):
        self.words = words
        self.inner = inner
        self.handler = handler

    def lines(self, depth):
        pad = "  " * depth
        yield pad + " ".join(self.words)
        if self.words[0] not in BLOCKS:
            return
        for node in self.inner:
            yield from node.lines(depth + 1)
        if self.words[0] == "try":
            yield pad + "catch"
            for node in self.handler:
                yield from node.lines(depth + 1)
        yield pad + "end"


class Script:
    def __init__(self):
        self.limit = 300
        self.bodies = {"main": []}

    def text(self):
        out = ["limit %d" % self.limit]
        for name, nodes in self.bodies.items():
            if name != "main":
                out.append("body " + name)
                out += [line for node in nodes for line in node.lines(1)]
        out.append("body main")
        out += [line for node in self.bodies["main"] for line in node.lines(1)]
        return "\n".join(out) + "\n"


def _throw_is_fine(words):
    """inst CLASS N [with N], CLASS [N], CLASS inst CLASS N, bad, or nothing"""
    if not words or words[0] == "bad":
        return True
    if words[0] == "inst":
        return len(words) in (3, 5) and words[1] in CLASSES
    if words[0] not in CLASSES:
        return False
    if words[1:2] == ["inst"]:
        return len(words) == 4 and words[2] in CLASSES
    return len(words) < 3


def check_words(words):
    if words[0] == "?":
        if len(words) == 1:
            raise ValueError("? without an operation")
        return check_words(words[1:])
    if words[0] not in WORDS:
        raise ValueError("no such operation")
    if len(words) < WORDS[words[0]]:
        raise ValueError("too few words")
    if words[0] == "throw" and not _throw_is_fine(words[2:]):
        raise ValueError("no such throw")
    if words[0] in ("try", "raise") and words[1] not in CLASSES:
        raise ValueError("no such class")


def _open(words, stack):
    check_words(words)
    node = Node(words)
    if words[0] in BLOCKS:
        node.inner, node.handler = [], []
    stack[-1][1].append(node)
    if words[0] in BLOCKS:
        stack.append((node, node.inner))


def _line(script, stack, words):
    first = words[0]
    if first == "limit":
        script.limit = int(words[1])
    elif first == "body":
        if len(stack) > 1:
            raise ValueError("a body begins inside a block")
        stack[:] = [(None, script.bodies.setdefault(words[1], []))]
    elif first in ("catch", "end"):
        node = stack[-1][0]
        if node is None:
            raise ValueError("no block is open")
        if first == "catch" and (node.words[0] != "try" or
                                 stack[-1][1] is node.handler):
            raise ValueError("catch outside of a try")
        stack.pop()
        if first == "catch":
            stack.append((node, node.handler))
    else:
        _open(words, stack)


def parse(text):
    """Lines before the first `body` belong to main."""
    script = Script()
    stack = [(None, script.bodies["main"])]
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if words:
            try:
                _line(script, stack, words)
            except (ValueError, IndexError) as error:
                raise ValueError("line %d: %s" % (number, error)) from None
    if len(stack) > 1:
        raise ValueError("a block has no end")
    return script


def split_batch(text):
    """(name, text) of each script of a batch: `=== name` begins one."""
    name, lines = None, []
    for line in text.splitlines():
        if line.startswith("=== "):
            if name is not None:
                yield name, "\n".join(lines)
            name, lines = line[4:], []
        else:
            lines.append(line)
    if name is not None:
        yield name, "\n".join(lines)
