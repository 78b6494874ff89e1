"""Every clause of the greenlet semantics has a case in vireo-conformance, or a
reason why not; and every case has a clause."""
import re

import tree

FOLDER = "tests/greenlet/"
TAGS = r"C|PY|C\*(\([A-Z, ]+\))?"


def table(root, name):
    """{id: the rest of its line}, and what is wrong with the file."""
    rows, problems = {}, []
    for number, line in enumerate(tree.lines(root, FOLDER + name), 1):
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"(G-\d{3}) (.*\S.*)", line)
        if not match:
            problems.append("%s%s:%d: not `G-xxx text`: %s" % (
                FOLDER, name, number, line))
        elif match.group(1) in rows:
            problems.append("%s%s:%d: %s is there twice" % (
                FOLDER, name, number, match.group(1)))
        else:
            rows[match.group(1)] = match.group(2)
    return rows, problems


def cases(root):
    """{id: [file:line of each of its cases]}"""
    found = {}
    for path in tree.files(root, ".c", ".cpp"):
        if not path.startswith(FOLDER):
            continue
        for number, line in enumerate(tree.lines(root, path), 1):
            match = re.match(r"CASE\((\w+)", line)
            if match:
                name = re.sub(r"^G_(\d{3})[a-z]?$", r"G-\1", match.group(1))
                found.setdefault(name, []).append("%s:%d" % (path, number))
    return found


def main():
    root, _ = tree.arguments()
    ids, problems = table(root, "ids.txt")
    reasons, more = table(root, "not_here.txt")
    found = cases(root)
    problems += more
    problems += ["%s: no such tag: %s" % (name, tag)
                 for name, tag in ids.items() if not re.fullmatch(TAGS, tag)]
    for name in sorted(ids.keys() - found.keys() - reasons.keys()):
        problems.append("%s (%s): neither a case nor a reason in %s" % (
            name, ids[name], FOLDER + "not_here.txt"))
    for name in sorted(found.keys() - ids.keys()):
        problems.append("%s: there is no %s" % (", ".join(found[name]), name))
    for name in sorted(reasons.keys() - ids.keys()):
        problems.append("not_here.txt: there is no %s" % name)
    for name in sorted(reasons.keys() & found.keys()):
        problems.append("%s: has a case (%s), and a reason for none" % (
            name, found[name][0]))
    print("%d clauses: %d with cases (%d in all), %d with a reason for none" % (
        len(ids), len(found), sum(map(len, found.values())), len(reasons)))
    for name, reason in sorted(reasons.items()):
        print("%s %s" % (name, reason))
    tree.verdict(problems, len(ids))


if __name__ == "__main__":
    main()
