"""Make a script smaller while it stays interesting (delta debugging)."""
import copy

from script import Node, parse


def _lists(script):
    """Every list of operations in a script, outermost first."""
    todo = list(script.bodies.values())
    while todo:
        nodes = todo.pop(0)
        yield nodes
        for node in nodes:
            todo += [part for part in (node.inner, node.handler) if part]


def _removals(script):
    """Scripts with a run of operations taken out, the longest runs first."""
    for at, nodes in enumerate(_lists(script)):
        size = len(nodes)
        while size:
            for start in range(0, len(nodes), size):
                smaller = copy.deepcopy(script)
                del list(_lists(smaller))[at][start:start + size]
                yield smaller
            size //= 2


def _flattenings(script):
    """Blocks replaced by what is in them."""
    for at, nodes in enumerate(_lists(script)):
        for i, node in enumerate(nodes):
            if node.inner is not None:
                smaller = copy.deepcopy(script)
                target = list(_lists(smaller))[at]
                target[i:i + 1] = target[i].inner + target[i].handler
                yield smaller


def _plainer(words):
    if words[0] == "?":
        yield words[1:]
    for i in range(len(words) - 1, 1, -1):
        if "=" in words[i] or (words[0] == "switch" and i > 1):
            yield words[:i] + words[i + 1:]
    if words[0] == "throw" and len(words) > 2:
        yield words[:2]
    if words[0] == "trace" and words[1] not in ("-", "off"):
        yield ["trace", "-"]


def _simplifications(script):
    """Operations with fewer words."""
    for at, nodes in enumerate(_lists(script)):
        for i, node in enumerate(nodes):
            for words in _plainer(node.words):
                smaller = copy.deepcopy(script)
                old = list(_lists(smaller))[at][i]
                list(_lists(smaller))[at][i] = Node(words, old.inner,
                                                    old.handler)
                yield smaller


def _tidy(script):
    for name in [name for name, nodes in script.bodies.items()
                 if not nodes and name != "main"]:
        del script.bodies[name]  # one that is missing is an empty one
    return script


def shrink(text, interesting, tries=3000):
    """The smallest text found for which interesting(text) is still true."""
    script = parse(text)
    progress = True
    while progress and tries > 0:
        progress = False
        for step in (_removals, _flattenings, _simplifications):
            again = True
            while again and tries > 0:
                again = False
                for smaller in step(script):
                    tries -= 1
                    if tries <= 0:
                        break
                    if interesting(_tidy(smaller).text()):
                        script, again, progress = smaller, True, True
                        break
    return script.text()
