"""Every function that the table replaces is called by a conformance program."""
import re

import tree

# Called under other names; with the name of the test that comes to them.
OTHERWISE = {
    "__libc_start_main": "every program begins with it",
    "__overflow": "inlined putc_unlocked(), conformance/stdio_calls",
    "__uflow": "inlined getc_unlocked(), conformance/stdio_calls",
    "__underflow": "inlined getc_unlocked() of libc's, conformance/stdio",
    "gets": "gone from the headers; __gets_chk(), conformance/stdio_calls",
}
REPLACED = {"BY_HAND", "OFFLOAD", "OFFLOAD_LONG"}


def replaced(root):
    """Names of the table whose wrappers do more than call and count."""
    for line in tree.lines(root, "monkeypatch/symbols.def"):
        if line.startswith("MP_SYMBOL("):
            group, kind, _, name = line[len("MP_SYMBOL("):].split(", ")[:4]
            if kind in REPLACED:
                yield name


def words(root):
    found = set()
    for path in tree.files(root, ".c", ".cpp", ".h", ".hpp",
                           folders=("tests/conformance", "tests/monkeypatch")):
        if not path.endswith("test_symbols.c"):
            text = "\n".join(tree.lines(root, path))
            text = re.sub(r"/\*.*?\*/|//[^\n]*|#include[^\n]*", "", text,
                          flags=re.S)
            found |= set(re.findall(r"\w+", text))
    return found


def main():
    root, _ = tree.arguments()
    names, used = list(replaced(root)), words(root)
    problems = ["%s is replaced, and no conformance program calls it" % name
                for name in names if name not in used | set(OTHERWISE)]
    problems += ["%s is excused and is not in the table" % name
                 for name in OTHERWISE if name not in names]
    tree.verdict(problems, len(names))


main()
