"""What a libc exports, and what monkeypatch/symbols.def says of it.

usage: libc_symbols.py record RELEASE FOLDER...  > tests/meta/libc/RELEASE.txt

FOLDER has the libc.so.6 and libresolv.so.2 of one architecture.  The lists in
tests/meta/libc/ were made so from Debian's packages: what is asked of a release
does then not depend on the machine.
"""
import fnmatch
import os
import re
import subprocess
import sys

LIBRARIES = ("libc.so.6", "libresolv.so.2")
MACHINES = {0x3e: "x86_64", 0xb7: "aarch64"}  # ELF's e_machine


# ---- libcs ----------------------------------------------------------------

def functions(library):
    """Names of the functions that programs can be linked with, or could: the
    versions of one name are one.  What has the version GLIBC_PRIVATE alone is
    between libc's own libraries."""
    listing = subprocess.run(["nm", "-D", "--defined-only", library],
                             check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    found = set()
    for line in listing.splitlines():
        match = re.match(r"\S+ [TWi] ([^@\s]+)(?:@@?(\S+))?$", line)
        if match and match.group(2) != "GLIBC_PRIVATE":
            found.add(match.group(1))
    return found


def machine(library):
    with open(library, "rb") as stream:
        head = stream.read(20)
    return MACHINES.get(int.from_bytes(head[18:20], "little"), "other")


def release(library):
    """As in the line that libc.so.6 prints when it is run."""
    with open(library, "rb") as stream:
        match = re.search(rb"release version (\d+\.\d+)", stream.read())
    return match.group(1).decode() if match else "unknown"


def of_folder(folder):
    found = set()
    for name in LIBRARIES:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            found |= functions(path)
    return found


# ---- lists ----------------------------------------------------------------

def read_list(path):
    """{architecture: names}"""
    found = {arch: set() for arch in MACHINES.values()}
    with open(path, encoding="ascii") as stream:
        for line in stream:
            name, *only = line.split("#")[0].split() or [None]
            if name:
                for arch in only or found:
                    found[arch].add(name)
    return found


def record(version, folders):
    by_arch = {machine(os.path.join(folder, "libc.so.6")): of_folder(folder)
               for folder in folders}
    print("# Functions of libc.so.6 and libresolv.so.2, glibc %s; with the\n"
          "# architecture where only one has it.  Made by libc_symbols.py."
          % version)
    for name in sorted(set.union(*by_arch.values())):
        only = [arch for arch, names in by_arch.items() if name in names]
        print(name if len(only) == len(by_arch) else
              name + " " + " ".join(only))


# ---- the table ------------------------------------------------------------

class Table:
    """symbols.def.  `kinds` is of the names that are written out, aliases too;
    `patterns` is [(pattern, reason)]."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as stream:
            text = re.sub(r"(?<=[)])\s*/\*[^\n]*?\*/", "", stream.read())
        text = text[text.index("#define MP_PASSED"):]
        self.kinds, self.patterns, self.twice = {}, [], []
        for group in re.finditer(
                r"^MP_(SYMBOL|ALIAS)\((?:\w+, (\w+), [^,(]*?, )?(\w+), "
                r"(\w+)?", text, re.M):
            if group.group(1) == "ALIAS":
                self.add(group.group(4), self.kinds.get(group.group(3), ""))
            else:
                self.add(group.group(3), group.group(2))
        for row in re.finditer(r'^MP_PASSED\("([^"]*)",([^)]*)\)', text, re.M):
            for name in row.group(2).split():
                if re.fullmatch(r"\w+", name):
                    self.add(name, "PASS")
                else:
                    self.patterns.append((name, row.group(1)))

    def add(self, name, kind):
        if name in self.kinds:
            self.twice.append(name)
        self.kinds[name] = kind

    def matching(self, name):
        return [pattern for pattern, _ in self.patterns
                if fnmatch.fnmatchcase(name, pattern)]

    def kind(self, name):
        """Of a name that is written out, or of one pattern; else None."""
        if name in self.kinds:
            return self.kinds[name]
        return "PASS" if self.matching(name) else None


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] != "record":
        sys.exit(__doc__)
    record(sys.argv[2], sys.argv[3:])
