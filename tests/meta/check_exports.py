"""What our shared objects show and need is what was decided, no more.

libvireo-preload.so exports the table's names (monkeypatch/symbols.def), which
would otherwise capture or miss calls of the host, and needs libc alone.
libvireo.so exports the public functions and no internal one (two underscores).
"""
import os
import re
import subprocess

import tree

# The loader is part of libc; its name differs by architecture.
LIBC = re.compile(r"^(libc\.so\.6|ld-linux-[\w-]+\.so\.\d)$")
PUBLIC = re.compile(r"^(greenlet|hub|vireo)_[a-z0-9]\w*$|^epoll_create1$")


def output(*command):
    return subprocess.run(command, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def exports(library):
    """Names of the dynamic symbols that are defined here."""
    return {line.split()[-1].split("@")[0] for line in
            output("nm", "-D", "--defined-only", library).splitlines()}


def needed(library):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-dW",
                                                      library))


def check_preload(library, listed):
    shown = exports(library)
    for name in sorted(shown - listed):
        yield "libvireo-preload.so exports %s, which is not in the table" % name
    for name in sorted(listed - shown):
        yield "libvireo-preload.so does not export %s of the table" % name
    for name in needed(library):
        if not LIBC.match(name):
            yield "libvireo-preload.so needs %s" % name


def declared(root, *headers):
    names = set()
    for header in headers:
        text = "\n".join(tree.lines(root, header))
        names |= set(re.findall(
            r"(?:GREENLET|HUB)_API\s+[^;]*?\b((?:greenlet|hub)_\w+)"
            r"\s*(?:\(|;)", text))
    return names


def check_public(root, library):
    shown = exports(library)
    for name in sorted(shown):
        if not PUBLIC.match(name) or "__" in name:
            yield "libvireo.so exports %s" % name
    for name in sorted(declared(root, "context/greenlet.h", "hub/hub.h")
                       - shown):
        yield "libvireo.so does not export %s of the public headers" % name
    for name in needed(library):
        if not LIBC.match(name) and name != "libev.so.4":
            yield "libvireo.so needs %s" % name


def main():
    root, build = tree.arguments()
    with open(os.path.join(build, "generated", "preload.exports"),
              encoding="ascii") as stream:
        listed = set(stream.read().split())
    problems = [*check_preload(
        os.path.join(build, "lib", "libvireo-preload.so"), listed)]
    problems += check_public(root, os.path.join(build, "lib", "libvireo.so"))
    tree.verdict(problems, len(listed))


if __name__ == "__main__":
    main()
