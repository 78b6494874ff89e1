"""No function over 60 lines, no file over 600; prints the ten longest."""
import ast
import os
import re

import tree

FUNCTION = 60
FILE = 600
# Tables: one line a symbol, however many symbols there are.
TABLES = {"monkeypatch/symbols.def", "docs/symbols.md",
          "tests/meta/libc/glibc-2.36.txt", "tests/meta/libc/glibc-2.41.txt"}


def c_functions(lines):
    """(name, length): from the line that names it to the } in column 0.

    A body begins with a { alone in column 0; initialisers do not."""
    start = None
    for number, line in enumerate(lines):
        if line.rstrip() == "{":
            start = number
            while start > 0 and re.match(r"[\w\s(*]", lines[start - 1]):
                start -= 1
        elif line.startswith("}") and start is not None:
            head = " ".join(lines[start:start + 3])
            name = (re.search(r"(?:START_TEST|CASE)\((\w+)", head)
                    or re.search(r"(\w+)\s*\(", head))
            yield name.group(1) if name else "?", number - start + 1
            start = None


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.end_lineno - node.lineno + 1


def shell_functions(lines):
    start = None
    for number, line in enumerate(lines):
        if re.match(r"\w+\(\) \{$", line):
            start = number
        elif line == "}" and start is not None:
            yield lines[start].split("(")[0], number - start + 1
            start = None


def functions(root, path):
    lines = tree.lines(root, path)
    if path.endswith((".c", ".h", ".cpp")):
        return c_functions(lines)
    if path.endswith(".py"):
        return python_functions("\n".join(lines))
    if path.endswith(".sh") or path == "dev":
        return shell_functions(lines)
    return ()


def main():
    root, _ = tree.arguments()
    paths = tree.files(root, ".c", ".h", ".S", ".cpp", ".def", ".py", ".sh",
                       ".awk", ".cmake", ".txt", ".go", "dev")
    found, problems = [], []
    for path in paths:
        size = len(tree.lines(root, path)) - 1
        if size > FILE and path not in TABLES:
            problems.append("%s: %d lines, %d is the limit" % (
                path, size, FILE))
        for name, length in functions(root, path):
            found.append((length, path, name))
            if length > FUNCTION:
                problems.append("%s: %s: %d lines, %d is the limit" % (
                    path, name, length, FUNCTION))
    found.sort(reverse=True)
    print("the ten longest of %d functions in %d files:" % (
        len(found), len(paths)))
    for length, path, name in found[:10]:
        print("%5d  %s: %s" % (length, os.fspath(path), name))
    tree.verdict(problems, len(found))


if __name__ == "__main__":
    main()
