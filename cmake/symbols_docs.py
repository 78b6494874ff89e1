#!/usr/bin/python3
"""docs/symbols.md from monkeypatch/symbols.def.

usage: symbols_docs.py symbols.def > docs/symbols.md
"""
import re
import sys

HEAD = """\
# Symbols

Every function of libc that was looked at, and what became of it. Generated from
`monkeypatch/symbols.def` by `cmake/symbols_docs.py`; a test sees to it that
this page and the table agree (`cmake --build build --target symbols_docs`
writes it again).

| kind | what happens |
| --- | --- |
| `BY_HAND` | written out: the call parks the greenlet, or is tracked, as its own page of the manual demands |
| `OFFLOAD` | the whole call runs on a helper thread while the greenlet is parked |
| `OFFLOAD_LONG` | the same, for calls that may wait for another part of the program: they never queue behind each other |
| `LATER` | goes to the original; a call that blocked is counted and named in the statistics at exit |
| `PASS` | looked at and left alone, for the reason given |

The group is what `VIREO_PATCH` switches on and off.
"""
MACRO = re.compile(r"^MP_(SYMBOL|ALIAS)\s*\(")
HEADING = re.compile(r"^/\* -+ (.*?) -+ \*/$")


def split(text):
    """The fields of a row: split at commas that are in no parentheses."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return parts + [text[start:].strip()]


def closing(text):
    """Where the parenthesis that text opens first is closed, or -1."""
    depth = 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == ")" and depth == 0:
            return at
    return -1


def rows(lines):
    """("heading", text), ("symbol", fields, reason), ("alias", real, alias)."""
    pending = ""
    for line in lines:
        line = line.strip()
        heading = HEADING.match(line)
        if heading:
            yield "heading", heading.group(1)
        if not pending and not MACRO.match(line):
            continue
        pending = (pending + " " + line).strip()
        end = closing(pending)
        if end < 0:
            continue
        fields = split(pending[pending.index("(") + 1:end])
        if pending.startswith("MP_ALIAS"):
            yield "alias", fields[0], fields[1]
        else:
            yield "symbol", fields, pending[end + 1:].strip(" */")
        pending = ""


def sections(lines):
    """[(heading, [row])], a row being a dict; aliases beside their symbol."""
    found, by_name = [("other", [])], {}
    for kind, *what in rows(lines):
        if kind == "heading":
            found.append((what[0], []))
        elif kind == "alias":
            by_name[what[0]]["aliases"].append(what[1])
        else:
            group, treatment, _, name = what[0][:4]
            by_name[name] = {"name": name, "group": group, "kind": treatment,
                             "aliases": [], "reason": what[1]}
            found[-1][1].append(by_name[name])
    return [(heading, symbols) for heading, symbols in found if symbols]


def main():
    with open(sys.argv[1], encoding="utf-8") as table:
        found = sections(table)
    print(HEAD)
    counts = {}
    for _, symbols in found:
        for row in symbols:
            counts[row["kind"]] = counts.get(row["kind"], 0) + 1
    print("%d symbols: %s." % (sum(counts.values()), ", ".join(
        "%d `%s`" % (counts[kind], kind) for kind in sorted(counts))))
    for heading, symbols in found:
        print("\n## %s\n" % (heading[:1].upper() + heading[1:]))
        print("| symbol | group | kind | other spellings | note |")
        print("| --- | --- | --- | --- | --- |")
        for row in symbols:
            print("| `%s` | %s | `%s` | %s | %s |" % (
                row["name"], row["group"], row["kind"],
                " ".join("`%s`" % name for name in row["aliases"]),
                row["reason"].replace("|", "\\|")))


if __name__ == "__main__":
    main()
