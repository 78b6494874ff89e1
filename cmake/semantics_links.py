#!/usr/bin/python3
"""Each clause of docs/semantics.md leads to the file that has its case.

usage: semantics_links.py SOURCE_DIR [--write]

A clause is a line `- G-023 ...` or `- [G-023](...) ...`; its case is one of
CASE(G_023, CASE(G_023b, ... in tests/greenlet.  What has no case there keeps the
link it has.  Without --write the page with the right links goes to stdout.
"""
import glob
import os
import re
import sys

PAGE = "docs/semantics.md"
CLAUSE = re.compile(r"^- (?:\[(G-\d+)\]\(([^)]*)\)|(G-\d+)) ", re.M)


def cases(root):
    """{id: path of the file with its first case}"""
    found = {}
    for path in sorted(glob.glob(os.path.join(root, "tests/greenlet/*.c*"))):
        with open(path, encoding="utf-8") as stream:
            for name in re.findall(r"^\s*CASE\w*\(G_(\d+)\w*,", stream.read(),
                                   re.M):
                found.setdefault("G-" + name, os.path.relpath(path, root))
    return found


def clauses(text):
    """[(id, what it leads to or "")]"""
    return [(with_link or bare, target)
            for with_link, target, bare in CLAUSE.findall(text)]


def linked(text, known):
    def replace(match):
        clause = match.group(1) or match.group(3)
        if clause not in known:
            return match.group(0)
        return "- [%s](../%s) " % (clause, known[clause])
    return CLAUSE.sub(replace, text)


def main():
    root = sys.argv[1]
    path = os.path.join(root, PAGE)
    with open(path, encoding="utf-8") as stream:
        text = linked(stream.read(), cases(root))
    if "--write" in sys.argv[2:]:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
