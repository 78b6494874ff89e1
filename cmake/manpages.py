#!/usr/bin/python3
"""Man pages from the pages of docs/api.

usage: manpages.py docs/api OUTPUT VERSION      writes OUTPUT/<function>.3

A page is front matter (title, section, header, added-in; or title, section and
alias), then headings of one level with paragraphs, lists of `- ` and fenced or
indented code.  An alias becomes a symbolic link to the page it stands for.
"""
import os
import re
import sys
import textwrap
import time

HEADINGS = ["NAME", "SYNOPSIS", "DESCRIPTION", "RETURN VALUE", "ERRORS",
            "EXAMPLE", "SEE ALSO"]


def read(path):
    """(front matter as a dictionary, [(heading, [line])])"""
    with open(path, encoding="utf-8") as stream:
        lines = stream.read().split("\n")
    end = lines.index("---", 1)
    front = dict(line.split(": ", 1) for line in lines[1:end])
    sections, fenced = [], False
    for line in lines[end + 1:]:
        fenced ^= line.startswith("```")
        if not fenced and line.startswith("# "):
            sections.append((line[2:], []))
        elif sections:
            sections[-1][1].append(line)
    return front, sections


def names(sections):
    """What a page is about: the words before the dash under NAME."""
    text = " ".join(dict(sections)["NAME"])
    return [name.strip() for name in text.split(" - ")[0].split(",")]


def code_blocks(lines, language):
    """The fenced blocks of a language."""
    text = "\n".join(lines)
    return re.findall(r"^```%s\n(.*?)^```$" % language, text, re.S | re.M)


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return text.replace("`", "\\(ga")


def filled(text):
    """In lines.  A `.` in column 0 would be a request."""
    return "\n".join(
        "\\&" + line if line.startswith(".") else line
        for line in textwrap.wrap(text, 78, break_long_words=False,
                                  break_on_hyphens=False))


def inline(text):
    """One paragraph: links lose their target, code is bold."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    parts = text.split("`")
    for at, part in enumerate(parts):
        parts[at] = escaped(part)
        if at % 2:
            parts[at] = "\\fB" + parts[at] + "\\fR"
    return filled("".join(parts))


def verbatim(lines, first):
    if not first:
        yield ".PP"
    yield ".in +4n"
    yield ".nf"
    for line in lines:
        text = escaped(line)
        yield "\\&" + text if text.startswith((".", "\\(aq")) else text
    yield ".fi"
    yield ".in"


def item(text):
    """`- term: text` is a definition, any other item a bullet."""
    definition = re.match(r"((?:`[^`]+`|[\w, ]+)(?: \([^)]*\))?(?:, "
                          r"`[^`]+`)*): (.*)", text, re.S)
    if definition:
        return [".TP 4", inline(definition.group(1)),
                inline(definition.group(2))]
    return [".IP \\(bu 2", inline(text)]


def chunks(lines):
    """(kind, [line]) of each block of lines."""
    at = 0
    while at < len(lines):
        start = at
        if lines[at].startswith("```"):
            at = lines.index("```", at + 1)
            yield "code", lines[start + 1:at]
            at += 1
        elif not lines[at].strip():
            at += 1
        elif lines[at].startswith("    "):
            while at < len(lines) and lines[at].startswith("    "):
                at += 1
            yield "code", [line[4:] for line in lines[start:at]]
        else:
            kind = "item" if lines[at].startswith("- ") else "text"
            at += 1
            while at < len(lines) and lines[at].strip() and not (
                    lines[at].startswith(("- ", "```"))):
                at += 1
            yield kind, lines[start:at]


def body(lines):
    first = True
    for kind, block in chunks(lines):
        if kind == "code":
            yield from verbatim(block, first)
        elif kind == "item":
            yield from item(" ".join(line.strip() for line in block)[2:])
        else:
            if not first:
                yield ".PP"
            yield inline(" ".join(line.strip() for line in block))
        first = False
    if first:
        raise ValueError("an empty section")


def synopsis(lines):
    (block,) = code_blocks(lines, "c")
    yield ".nf"
    for line in block.rstrip("\n").split("\n"):
        yield "\\fB" + escaped(line) + "\\fR" if line else ""
    yield ".fi"
    yield ".PP"
    yield "Link with \\fB\\-lvireo\\fR."


def see_also(lines):
    found = re.findall(r"\[(\w+)\]", "\n".join(lines))
    for at, name in enumerate(found):
        yield ".BR %s (3)%s" % (name, "," if at + 1 < len(found) else "")


def page(front, sections, version):
    yield ".\\\" Made from docs/api/%s.md by cmake/manpages.py." % front["title"]
    made = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    yield '.TH "%s" "%s" "%s" "Vireo %s" "Vireo"' % (
        front["title"].upper(), front["section"],
        time.strftime("%Y-%m-%d", made), version)
    yield ".nh"
    yield ".ad l"
    for heading, lines in sections:
        yield ".SH %s" % heading
        if heading == "NAME":
            yield filled(escaped(" ".join(lines)))
        elif heading == "SYNOPSIS":
            yield from synopsis(lines)
        elif heading == "SEE ALSO":
            yield from see_also(lines)
        else:
            yield from body(lines)
    yield ".SH VERSIONS"
    yield "Since Vireo %s." % front["added-in"]


def write(path, lines):
    if os.path.lexists(path):
        os.remove(path)
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


def link(path, target):
    if os.path.lexists(path):
        os.remove(path)
    os.symlink(target, path)


def main():
    source, output, version = sys.argv[1:]
    os.makedirs(output, exist_ok=True)
    for name in sorted(os.listdir(source)):
        if not name.endswith(".md"):
            continue
        front, sections = read(os.path.join(source, name))
        path = os.path.join(output, front["title"] + ".3")
        if "alias" in front:
            link(path, front["alias"] + ".3")
        else:
            write(path, page(front, sections, version))


if __name__ == "__main__":
    main()
