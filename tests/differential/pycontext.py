"""The operations of greenlet scripts on context variables, on Python's."""
import contextvars

import greenlet as upstream


def skip(world):
    world.event("- skipped")


def op_set(world, node, it):
    words = node.words
    token = world.vars[words[1]].set(int(words[2]))
    if len(words) > 3:
        world.tokens[words[3]] = token
    return None


def op_get(world, node, it):
    world.event("= %s" % world.vars[node.words[1]].get("unset")
                if node.words[1] != "z" else
                "= %s" % world.vars["z"].get())
    return None


def op_reset(world, node, it):
    """Made equal (a): Python makes a context to refuse with; G-115 says that
    only a set makes one."""
    words = node.words
    token = world.tokens.get(words[2])
    if token is None:
        return skip(world)
    refused = upstream.getcurrent().gr_context is None
    if not refused:
        try:
            world.vars[words[1]].reset(token)
        except ValueError:
            refused = True
    if refused:
        world.event("! refused")
        return None
    del world.tokens[words[2]]
    world.event("= done")
    return None


def op_copyctx(world, node, it):
    source, target = (world.find(word, it) for word in node.words[1:3])
    if source is None or target is None:
        return skip(world)
    context = source.gr_context
    target.gr_context = None if context is None else context.copy()
    return None


def op_sharectx(world, node, it):
    source, target = (world.find(word, it) for word in node.words[1:3])
    if source is None or target is None:
        return skip(world)
    target.gr_context = source.gr_context
    return None


def op_clearctx(world, node, it):
    g = world.find(node.words[1], it)
    if g is None:
        return skip(world)
    g.gr_context = None
    return None


def op_showctx(world, node, it):
    g = world.find(node.words[1], it)
    if g is None:
        return skip(world)
    context = g.gr_context
    if context is None:
        world.event("= none")
        return None
    found = sorted((var.name, value) for var, value in context.items()
                   if var is world.vars.get(var.name))
    world.event("= {%s}" % " ".join("%s=%d" % pair for pair in found))
    return None


def op_newctx(world, node, it):
    world.contexts[node.words[1]] = contextvars.Context()
    return None


def op_savectx(world, node, it):
    g = world.find(node.words[2], it)
    context = None if g is None else g.gr_context
    if context is None:
        return skip(world)
    world.contexts[node.words[1]] = context
    return None


def op_givectx(world, node, it):
    g = world.find(node.words[2], it)
    context = world.contexts.get(node.words[1])
    if g is None or context is None:
        return skip(world)
    g.gr_context = context
    return None


def op_within(world, node, it):
    """Made equal (b): left in disorder, Python's context counts as entered for
    ever; scripts do not enter one again of which that is true."""
    context = world.contexts.get(node.words[1])
    if context is None or any(context is one for one in world.poisoned):
        return skip(world)
    result = []
    try:
        context.run(lambda: result.append(world.run_nodes(node.inner, it)))
    except RuntimeError:
        if result:
            world.poisoned.append(context)
        world.event("! disorder" if result else "! entered")
        return None
    return result[0]


CONTEXT_OPERATIONS = {name[3:]: value for name, value in globals().items()
                      if name.startswith("op_")}
