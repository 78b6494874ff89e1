"""The pages and the code say the same."""
import os
import re
import subprocess
import sys

import api_pages
import tree

# Words of VIREO_ that are no environment variables of the library.
BUILD_ONLY = re.compile(
    r"VIREO_(WERROR|TESTS|UNIT_ONLY|MASKED|SANITIZE|SYSROOT|ARCH|VERSION|MASK"
    r"|PYTHON|PRIVATE_LIBRARIES|PREBUILT|TIMEOUT|TEST_PREFIX|TEST_TORTURE|\w+_H)$")


def read(root, path):
    return "\n".join(tree.lines(root, path))


def symbols(root):
    """docs/symbols.md is what the table gives."""
    made = subprocess.run(
        [sys.executable, "-B", os.path.join(root, "cmake/symbols_docs.py"),
         os.path.join(root, "monkeypatch/symbols.def")],
        check=True, text=True, stdout=subprocess.PIPE).stdout
    if made != read(root, "docs/symbols.md"):
        yield ("docs/symbols.md is out of step with monkeypatch/symbols.def: "
               "cmake --build build --target symbols_docs")


def links(root, path):
    """Relative links lead to files that exist."""
    text = re.sub(r"```.*?```", "", read(root, path), flags=re.S)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if re.match(r"\w+:", target):
            continue
        place = os.path.normpath(os.path.join(root, os.path.dirname(path),
                                              target))
        if not os.path.exists(place):
            yield "%s: links to %s, which is not there" % (path, target)


def declarations(root, header):
    """Each public declaration has a comment above it, or above the group of
    declarations that it stands in."""
    explained = False
    for number, line in enumerate(tree.lines(root, header), 1):
        if line.endswith("*/") or line.startswith(("/*", " *")):
            explained = True
        elif not line.strip():
            explained = False
        elif re.match(r"(GREENLET|HUB|HTTP|MONKEYPATCH)_API\s", line) and not explained:
            yield "%s:%d: no comment: %s" % (header, number, line)


def example(root):
    """The first C program of these pages is one of the examples."""
    for page, program in (("README.md", "examples/count.c"),
                          ("docs/http.md", "examples/http_hello.c")):
        blocks = re.findall(r"```c\n(.*?)```", read(root, page), re.S)
        if blocks[:1] != [read(root, program)]:
            yield "%s: the C example is not %s" % (page, program)


def quick_start(root):
    """Two commands and no more."""
    text = read(root, "README.md")
    section = re.search(r"^## Quick start\n(.*?)^## ", text, re.S | re.M)
    commands = re.findall(r"^\./\S.*$", section.group(1), re.M)
    if commands != ["./dev demo", "./dev test"]:
        yield "README.md: quick start has %s" % commands


def variables(root, pages):
    """Each environment variable that the code reads is explained, and each
    that is explained is read."""
    in_code = set()
    for path in tree.files(root, ".c", ".h", folders=("context", "http", "hub",
                                                      "monkeypatch", "python")):
        in_code |= set(re.findall(r"\"(VIREO_[A-Z_]+)", read(root, path)))
    # init.c looks at what comes behind the prefix.
    in_code |= {"VIREO_" + name for name in re.findall(
        r"strcmp\(name, \"([A-Z_]+)\"", read(root, "monkeypatch/init.c"))}
    in_docs = set()
    for path in pages:
        in_docs |= set(re.findall(r"\bVIREO_[A-Z_]+\b", read(root, path)))
    in_docs = {name for name in in_docs if not BUILD_ONLY.match(name)}
    in_code = {name for name in in_code
               if not BUILD_ONLY.match(name) and not name.endswith("_")}
    for name in sorted(in_code - in_docs):
        yield "%s is read by the code and explained nowhere" % name
    for name in sorted(in_docs - in_code):
        yield "%s is explained and never read" % name


def tests_named(root, page):
    """Each test that the page names exists: `conformance/read` is
    tests/conformance/test_read.c (or .cpp, .py, .sh)."""
    names = re.findall(
        r"`(context|hub|http|monkeypatch|conformance|programs|meta|examples)"
        r"/([a-z_0-9]+)`", read(root, page))
    for folder, name in names:
        places = [os.path.join(root, "tests", folder, prefix + name + ending)
                  for prefix in ("test_", "")
                  for ending in (".c", ".cpp", ".py", ".sh")]
        places.append(os.path.join(root, folder, name + ".c"))
        if not any(os.path.exists(place) for place in places):
            yield "%s: there is no test %s/%s" % (page, folder, name)


def verbs(root):
    """README and ./dev help know the same verbs."""
    text = read(root, "dev")
    known = set(re.findall(r"^verb_(\w+)\(\)", text, re.M))
    shown = set(re.findall(r"^  ([a-z]+) ", text[text.index("usage:"):
                                                 text.index("\nTEXT")], re.M))
    for verb in sorted(known ^ shown):
        yield "dev: %s is not both a verb and in the help" % verb


def main():
    root, _ = tree.arguments()
    pages = tree.files(root, ".md", ".1")
    problems = [*symbols(root), *example(root), *quick_start(root),
                *variables(root, pages), *verbs(root),
                *tests_named(root, "docs/testing.md"),
                *api_pages.problems(root), *api_pages.semantics(root)]
    for header in api_pages.HEADERS:
        problems += declarations(root, header)
    for page in pages:
        problems += links(root, page)
    tree.verdict(problems, len(pages))


if __name__ == "__main__":
    main()
