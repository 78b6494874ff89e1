"""Dependencies go one way: context <- hub <- { monkeypatch, http }; and a
few things are known to one file only."""
import re

import tree

# layer: what it may include from, besides the system
LAYERS = {
    "context": {"context"},
    "hub": {"context", "hub"},
    "http": {"context", "hub", "http"},
    "monkeypatch": {"context", "hub", "monkeypatch"},
    "python": {"context", "python"},
    "examples": set(),
    "tests/conformance": set(),
    "tests/greenlet": set(),
    "tests/programs": set(),
}

# pattern, the files that may have it, and why (nobody else)
ONLY = [
    (r"#\s*include\s*[<\"]ev\.h", {
        "hub/loop.c": "libev is seen by one file"}),
    (r"#\s*include\s*[<\"]http_parser\.h", {
        "http/parser.c": "http-parser is seen by one file"}),
    (r"#\s*include\s*[<\"]curl/", {
        "http/client/client_impl.h": "libcurl is the client's alone"}),
    (r"\bdlv?sym\s*\(", {
        "monkeypatch/real.c": "the originals",
        "monkeypatch/init.c": "the one table of libvireo.so",
        "monkeypatch/thread_exit.c": "libc's own list of destructors",
        "monkeypatch/unwind.c": "the process's unwinder",
        "hub/static/runtime.c": "the preload library, if there is one",
        "hub/ares_library.c": "c-ares, when it is chosen",
        "context/tls.c": "libc's symbols about its own layout"}),
    (r"\b(jump|make|ontop)_fcontext\s*\(", {
        "context/greenlet.c": "where stacks are switched",
        "context/switch.h": "declares them"}),
    (r"\bdlopen\s*\(", {
        "hub/ares_library.c": "c-ares, when it is chosen",
        "monkeypatch/init.c": "libvireo.so",
        "monkeypatch/real.c": "originals that are not in libc",
        "monkeypatch/unwind.c": "the process's unwinder"}),
]

# words that mark unfinished work
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
STRING = re.compile(r'(?<!include )"(?:\\.|[^"\\\n])*"')


def without_comments(text):
    """The same number of lines, without what is only talked about."""
    return COMMENT.sub(lambda m: "\n" * m.group().count("\n"), text)


def layer_of(path):
    for layer in sorted(LAYERS, key=len, reverse=True):
        if path.startswith(layer + "/"):
            return layer
    return None


def includes(path, layer, number, line):
    match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
    if not match:
        return
    name = match.group(1)
    if "../" in name and not layer.startswith("tests/"):
        yield "%s:%d: includes %s by a way around its include path" % (
            path, number, name)
    top = name.split("/")[0]
    if top in LAYERS and top not in LAYERS[layer]:
        yield "%s:%d: %s must not include from %s" % (
            path, number, layer, top)


def knowledge(path, number, line):
    for pattern, allowed in ONLY:
        if re.search(pattern, line) and path not in allowed:
            yield "%s:%d: %s (only for %s)" % (
                path, number, line.strip(), ", ".join(sorted(allowed)))


def main():
    root, _ = tree.arguments()
    problems, looked_at = [], 0
    for path in tree.files(root, ".c", ".h", ".S", ".cpp", ".def"):
        looked_at += 1
        text = "\n".join(tree.lines(root, path))
        layer = layer_of(path)
        for number, line in enumerate(without_comments(text).split("\n"), 1):
            if layer:
                problems += includes(path, layer, number, line)
            if layer in ("context", "hub", "monkeypatch", "http", "python"):
                problems += knowledge(path, number, STRING.sub('""', line)
                                      if "include" not in line else line)
    for path in tree.files(root, ".c", ".h", ".S", ".cpp", ".def", ".py",
                           ".sh", ".txt", ".cmake", ".md"):
        for number, line in enumerate(tree.lines(root, path), 1):
            if UNFINISHED.search(line):
                problems.append("%s:%d: unfinished: %s" % (
                    path, number, line.strip()))
    tree.verdict(problems, looked_at)


if __name__ == "__main__":
    main()
