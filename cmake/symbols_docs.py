#!/usr/bin/python3
"""docs/symbols.md from monkeypatch/symbols.def and monkeypatch/peers.txt.

usage: symbols_docs.py symbols.def > docs/symbols.md
"""
import os
import re
import sys

HEAD = """\
# Symbols

Every function that libc exports, and what becomes of it. Generated from
`monkeypatch/symbols.def` by `cmake/symbols_docs.py`; a test sees to it that
this page and the table agree (`cmake --build build --target symbols_docs`
writes it again).

| kind | what happens |
| --- | --- |
| `COOPERATIVE` | written out: the greenlet parks until an fd, a time or another greenlet makes the call possible |
| `TRACKED` | written out: cannot wait, but changes what the library keeps: fds, masks, handlers, what is set for one thread |
| `BY_HAND` | written out: neither of these alone, as its note says |
| `REFUSES` | EPERM where it would change for all mapped threads what the kernel keeps for one |
| `OFFLOAD` | the whole call runs on a helper thread while the greenlet is parked |
| `OFFLOAD_LONG` | the same, for calls that may wait for another part of the program: they never queue behind each other |
| `STORAGE` | goes to the original, which waits for a file system at most; a call that did is counted and named in the statistics at exit |
| `PASS` | looked at and left alone, for the reason given |

The group is what `VIREO_PATCH` switches on and off.

What is decided are the functions of `libc.so.6` and `libresolv.so.2` of glibc 2.36 and
2.41 on both architectures (`tests/meta/libc/`, and the libcs of the machine that runs
`tests/meta/check_symbols.py`). `libpthread.so.0`, `librt.so.1`, `libdl.so.2`, `libutil.so.1`
and `libanl.so.1` have had no function since glibc 2.34; `libm.so.6` computes, and keeps
nothing but `errno` and the floating-point environment; `libnsl.so.1` has nothing that a
program can be linked with. Functions of version `GLIBC_PRIVATE` are between libc's own
libraries. Liburing is there because it makes its system calls itself, in functions of
its own that wait.

*others* are coroutine libraries that replace the function too, read from their sources
(`monkeypatch/peers.txt`): %s.
`-` is a function that was looked for there and is in none of them; where nothing is said
it was not looked for.
"""
PEERS = ("libco, acl (with iqiyi's\nlibfiber), bwfib (brianwatling's libfiber), "
         "libgo, coost, NtyCo, opencoro\n(open-coroutine), bthread (brpc), caladan, "
         "Pth (GNU Pth)")
MACRO = re.compile(r"^MP_(SYMBOL|ALIAS|PASSED)\s*\(")
HEADING = re.compile(r"^/\* -+ (.*?) -+ \*/$")
ONE_KIND = re.compile(r"^OFFLOAD_(NONE|VOID|PLAIN)$")


def split(text):
    """The fields of a row: split at commas that are in no parentheses and in no
    quotes."""
    parts, depth, start, quoted = [], 0, 0, False
    for at, char in enumerate(text):
        quoted ^= char == '"'
        depth += ((char == "(") - (char == ")")) * (not quoted)
        if char == "," and depth == 0 and not quoted:
            parts.append(text[start:at].strip())
            start = at + 1
    return parts + [text[start:].strip()]


def closing(text):
    """Where the parenthesis that text opens first is closed, or -1."""
    depth, quoted = 0, False
    for at, char in enumerate(text):
        quoted ^= char == '"'
        if quoted:
            continue
        depth += (char == "(") - (char == ")")
        if char == ")" and depth == 0:
            return at
    return -1


def rows(lines):
    """("heading", text), ("symbol", fields, reason), ("alias", real, alias),
    ("passed", reason, names)."""
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
        elif pending.startswith("MP_PASSED"):
            yield "passed", fields[0].strip('"'), fields[1].split()
        else:
            yield "symbol", fields, pending[end + 1:].strip(" */")
        pending = ""


def sections(lines):
    """[(heading, [row], [(reason, names)])], a row being a dict; aliases beside
    their symbol."""
    found, by_name = [("other", [], [])], {}
    for kind, *what in rows(lines):
        if kind == "heading":
            found.append((what[0], [], []))
        elif kind == "alias":
            by_name[what[0]]["aliases"].append(what[1])
        elif kind == "passed":
            found[-1][2].append(what)
        else:
            group, treatment, _, name = what[0][:4]
            by_name[name] = {"name": name, "group": group,
                             "kind": ONE_KIND.sub("OFFLOAD", treatment),
                             "aliases": [], "reason": what[1]}
            found[-1][1].append(by_name[name])
    return [section for section in found if section[1] or section[2]]


def peers(path):
    """{function: those who replace it}"""
    with open(path, encoding="ascii") as stream:
        words = [line.split("#")[0].split() for line in stream]
    return {line[0]: line[1:] for line in words if line}


def escape(text):
    return text.replace("|", "\\|").replace("*", "\\*")


def code(names):
    return " ".join("`%s`" % name for name in names)


def print_symbols(symbols, others):
    print("| symbol | group | kind | other spellings | others | note |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in symbols:
        theirs = others.get(row["name"])
        print("| `%s` | %s | `%s` | %s | %s | %s |" % (
            row["name"], row["group"], row["kind"], code(row["aliases"]),
            "" if theirs is None else ", ".join(theirs) or "-",
            escape(row["reason"])))


def print_passed(passed):
    for reason, names in passed:
        print("\n- %s: %s" % (escape(reason), code(names)))


def summary(found, others):
    counts, spellings, passed = {}, 0, 0
    for _, symbols, families in found:
        passed += sum(len(names) for _, names in families)
        for row in symbols:
            counts[row["kind"]] = counts.get(row["kind"], 0) + 1
            spellings += len(row["aliases"])
    print("%d symbols have a line of their own: %s; with them come %d other "
          "spellings. %d names and\npatterns of names are `PASS` in lists." % (
              sum(counts.values()), ", ".join(
                  "%d `%s`" % (counts[kind], kind) for kind in sorted(counts)),
              spellings, passed))
    replaced = {name for _, symbols, _ in found for row in symbols
                if row["kind"] not in ("PASS", "STORAGE")
                for name in [row["name"]] + row["aliases"]}
    theirs = {}
    for name in others:
        for who in others[name]:
            theirs[who] = theirs.get(who, 0) + 1
    print("\nOf the %d functions that were looked for in the others, this "
          "library replaces %d; %s." % (
              len(others), len(replaced & others.keys()),
              ", ".join("%s %d" % (who, theirs[who])
                        for who in sorted(theirs, key=theirs.get,
                                          reverse=True))))


def main():
    with open(sys.argv[1], encoding="utf-8") as table:
        found = sections(table)
    others = peers(os.path.join(os.path.dirname(sys.argv[1]), "peers.txt"))
    print(HEAD % PEERS)
    summary(found, others)
    for heading, symbols, passed in found:
        print("\n## %s\n" % (heading[:1].upper() + heading[1:]))
        if symbols:
            print_symbols(symbols, others)
        print_passed(passed)


if __name__ == "__main__":
    main()
