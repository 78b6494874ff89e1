"""docs/api against the public headers: for check_docs.py."""
import os
import re
import sys

import tree

HEADERS = tree.public_headers(tree.arguments()[0])
FRONT = {"title", "section", "header", "added-in"}


def normal(text):
    """White space only where two words meet."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"\b(GREENLET|HUB|HTTP|MONKEYPATCH)_API\b", " ", text)
    return re.sub(r"\s*([^\w\s])\s*", r"\1", re.sub(r"\s+", " ", text)).strip()


def declarations(root):
    """{function: (installed header, normalised declaration)}"""
    found = {}
    for header in HEADERS:
        text = "\n".join(tree.lines(root, header))
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
        for declaration in re.findall(
                r"^(?:GREENLET|HUB|HTTP|MONKEYPATCH)_API\s+(?!extern\b)([^;]*;)", text, re.M):
            name = re.findall(r"(?:greenlet|hub|http|monkeypatch)_\w+",
                              declaration.split("(")[0])[-1]
            found[name] = ("vireo/" + os.path.basename(header),
                           normal(declaration))
    return found


def statements(text):
    """The declarations of a synopsis, each up to the ; outside of braces."""
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    depth, start = 0, 0
    for at, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if char == ";" and depth == 0:
            yield normal(text[start:at + 1])
            start = at + 1


def synopsis(root, path, front, block, named, known):
    """What it shows is what the header has, and the functions are there."""
    header = front["header"]
    if "#include <%s>" % header not in block:
        yield "%s: the synopsis does not include %s" % (path, header)
    source = next((source for source in HEADERS
                   if header == "vireo/" + os.path.basename(source)), None)
    if source is None:
        yield "%s: there is no header %s" % (path, header)
        return
    text = normal("\n".join(tree.lines(root, source)))
    shown = list(statements(block))
    for statement in shown:
        if statement not in text:
            yield "%s: not so in %s: %s" % (path, source, statement)
    for name in named:
        if known.get(name, (None, None)) not in [(header, s) for s in shown]:
            yield "%s: %s is not declared as in %s" % (path, name, source)


def one(root, pages, path, known):
    """Problems of one page, and the functions that it is about."""
    front, sections = pages.read(os.path.join(root, path))
    title = os.path.basename(path)[:-len(".md")]
    if front.get("title") != title or front.get("section") != "3":
        return ["%s: wrong title or section" % path], []
    if "alias" in front:
        return [], []
    if set(front) != FRONT:
        return ["%s: front matter has %s" % (path, sorted(front))], []
    headings = [heading for heading, _ in sections]
    if headings != pages.HEADINGS:
        return ["%s: headings are %s" % (path, headings)], []
    problems = ["%s: %s is empty" % (path, heading)
                for heading, lines in sections if not "".join(lines).strip()]
    named = pages.names(sections)
    blocks = pages.code_blocks(dict(sections)["SYNOPSIS"], "c")
    examples = pages.code_blocks(dict(sections)["EXAMPLE"], "c")
    if len(blocks) != 1 or len(examples) != 1:
        return problems + ["%s: one synopsis, one example" % path], named
    problems += synopsis(root, path, front, blocks[0], named, known)
    if not any(name in examples[0] for name in named):
        problems.append("%s: the example does not use it" % path)
    return problems, named


def problems(root):
    """Each public function has a page, and each page a function."""
    sys.path.insert(0, os.path.join(root, "cmake"))
    import manpages as pages  # pylint: disable=import-outside-toplevel

    known = declarations(root)
    found, about = [], {}
    paths = [path for path in tree.files(root, ".md", folders=("docs",))
             if path.startswith("docs/api/")]
    for path in paths:
        more, named = one(root, pages, path, known)
        found += more
        for name in named:
            about[name] = path
    for name in sorted(known):
        page = "docs/api/%s.md" % name
        if page not in paths:
            found.append("%s has no page" % name)
        elif name not in about:
            found.append("%s: no page says what it is" % page)
        elif about[name] != page:
            front, _ = pages.read(os.path.join(root, page))
            if about[name] != "docs/api/%s.md" % front.get("alias"):
                found.append("%s: alias of another page" % page)
    for path in paths:
        if os.path.basename(path)[:-len(".md")] not in known:
            found.append("%s: there is no such function" % path)
    return found


def semantics(root):
    """Each clause leads to its case, and each case has a clause."""
    sys.path.insert(0, os.path.join(root, "cmake"))
    import semantics_links  # pylint: disable=import-outside-toplevel

    page = semantics_links.PAGE
    text = "\n".join(tree.lines(root, page))
    known = semantics_links.cases(root)
    clauses = semantics_links.clauses(text)
    numbers = [clause for clause, _ in clauses]
    found = ["%s: %s leads to no test" % (page, clause)
             for clause, target in clauses if not target]
    found += ["%s: %s has a case, and no clause" % (page, clause)
              for clause in sorted(set(known) - set(numbers))
              if clause not in text]
    found += ["%s: %s is there twice" % (page, clause)
              for clause in sorted(set(numbers)) if numbers.count(clause) > 1]
    if semantics_links.linked(text, known) != text:
        found.append("%s: links are out of step with tests/greenlet: cmake "
                     "--build build --target semantics_links" % page)
    return found
