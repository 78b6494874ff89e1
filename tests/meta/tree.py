"""What the checks of this folder share: the files of the tree, and a verdict.

usage of each check: check_X.py SOURCE_DIR BUILD_DIR
"""
import os
import re
import sys

FOLDERS = ("cmake", "context", "docs", "examples", "gdb", "http", "hub",
           "monkeypatch", "python", "tests")


def arguments():
    return sys.argv[1], sys.argv[2]


def files(root, *endings, folders=FOLDERS):
    """Paths below `folders`, relative to root, that end in one of `endings`;
    and those at the top."""
    found = [name for name in sorted(os.listdir(root))
             if os.path.isfile(os.path.join(root, name))]
    for folder in folders:
        for place, names, leaves in os.walk(os.path.join(root, folder)):
            names[:] = sorted(n for n in names if n != "__pycache__")
            found += [os.path.relpath(os.path.join(place, leaf), root)
                      for leaf in sorted(leaves)]
    return [path for path in found if path.endswith(endings)]


def public_headers(root):
    """Those whose include guard begins with VIREO_, as cmake/VireoHeaders.cmake
    finds them."""
    found = []
    for layer in ("context", "hub", "http", "monkeypatch"):
        for name in sorted(os.listdir(os.path.join(root, layer))):
            path = layer + "/" + name
            if name.endswith(".h") and any(
                    re.match(r"#ifndef VIREO_[A-Z0-9_]+_H$", line)
                    for line in lines(root, path)):
                found.append(path)
    return found


def lines(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as stream:
        return stream.read().split("\n")


def verdict(problems, looked_at):
    """Print the problems and end; looking at nothing is one too."""
    if not looked_at:
        problems = ["nothing was looked at"]
    for problem in problems:
        print(problem)
    print("%d looked at, %d problems" % (looked_at, len(problems)))
    sys.exit(1 if problems else 0)
