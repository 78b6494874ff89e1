"""Every row of the contract of applications (V-00 ... V-39) has a test that carries
its id, v21_... or test_v00.py; or stands in the table of those that are not yet there,
which has to shrink: a row with a test may not stand in it."""
import re

import tree

ROWS = ["V-%02d" % number for number in range(40)]
FOLDER = "tests/views/"

# Rows without any test, and what is missing.  Parts of rows that have some:
# docs/http-app.md.
NOT_YET = {}


def named(root, path):
    """The rows of a script: that of its name, and those its text begins with, as
    in \"\"\"V-29, V-30: ..."""
    match = re.search(r"/test_v(\d\d)\w*\.py$", path)
    rows = {"V-" + match.group(1)} if match else set()
    for line in tree.lines(root, path)[:8] if match else ():
        if line.startswith('"""'):
            rows.update(re.findall(r"V-\d\d", line.split(":")[0]))
    return rows


def said(root, path):
    """Rows of a test elsewhere that says so in its first lines, as "(V-28)"."""
    return {row for line in tree.lines(root, path)[:8]
            for row in re.findall(r"\((V-\d\d)\)", line)}


def tests(root):
    """{row: [file:line of each of its tests]}"""
    found = {}
    for path in tree.files(root, ".c", ".cpp", ".py", folders=("tests",)):
        if not path.startswith(FOLDER):
            if "/test_" in path:
                for row in said(root, path):
                    found.setdefault(row, []).append(path)
            continue
        for row in named(root, path):
            found.setdefault(row, []).append(path)
        for number, line in enumerate(tree.lines(root, path), 1):
            match = re.match(r"START_TEST\(v(\d\d)_", line)
            if match:
                found.setdefault("V-" + match.group(1), []).append(
                    "%s:%d" % (path, number))
    return found


def main():
    root, _ = tree.arguments()
    found = tests(root)
    problems = ["%s: neither a test nor a line in the table" % row
                for row in ROWS if row not in found and row not in NOT_YET]
    problems += ["%s: has a test (%s), and stands in the table" % (
        row, found[row][0]) for row in sorted(found.keys() & NOT_YET.keys())]
    problems += ["%s: there is no %s" % (found[row][0], row)
                 for row in sorted(found.keys() - set(ROWS))]
    print("%d rows: %d with tests (%d in all), %d not yet" % (
        len(ROWS), len(found), sum(map(len, found.values())), len(NOT_YET)))
    for row, missing in sorted(NOT_YET.items()):
        print("%s %s" % (row, missing))
    tree.verdict(problems, len(ROWS))


if __name__ == "__main__":
    main()
