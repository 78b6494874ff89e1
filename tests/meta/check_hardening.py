"""All that we compile has landing pads (and, on arm64, signed return addresses);
the shared objects are not marked as if all that is in them had.

A process in which every object is marked may be run with indirect branches or
return addresses checked.  Boost.Context's assembly jumps where no landing pad is,
and a switch changes stacks without the shadow stack's knowing; so our objects
must keep such a process from being made, not die in it."""
import glob
import json
import os
import re
import subprocess

import tree

FLAGS = {"x86_64": "-fcf-protection=full",
         "aarch64": "-mbranch-protection=standard"}
MARKS = re.compile(r"\b(IBT|SHSTK|BTI|PAC)\b")
LIBRARIES = ("libvireo.so", "libvireo-preload.so")


def machine(library):
    head = subprocess.run(["readelf", "-h", library], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    return "aarch64" if "AArch64" in head else "x86_64"


def unmarked(library):
    notes = subprocess.run(["readelf", "-n", library], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    for line in notes.splitlines():
        if MARKS.search(line):
            yield "%s is marked: %s" % (library, line.strip())


def compiled(build, architecture):
    """Every C and C++ source, of the tests too."""
    with open(os.path.join(build, "compile_commands.json")) as stream:
        commands = json.load(stream)
    for each in commands:
        if (each["file"].endswith((".c", ".cpp"))
                and "/bench/" not in each["file"]
                and "/examples/" not in each["file"]
                and FLAGS[architecture] not in each["command"]):
            yield "%s is compiled without %s" % (each["file"],
                                                 FLAGS[architecture])


def builds(build):
    """This one, and what was cross-built beside it."""
    return [folder for folder in [build] + sorted(
        glob.glob(os.path.join(build, "aarch64")))
        if os.path.exists(os.path.join(folder, "lib", LIBRARIES[0]))]


def main():
    _, build = tree.arguments()
    problems, looked_at = [], 0
    for folder in builds(build):
        for name in LIBRARIES:
            library = os.path.join(folder, "lib", name)
            if os.path.exists(library):
                looked_at += 1
                problems += unmarked(library)
        architecture = machine(os.path.join(folder, "lib", LIBRARIES[0]))
        problems += compiled(folder, architecture)
        print("%s: %s" % (os.path.basename(folder), architecture))
    tree.verdict(problems, looked_at)


if __name__ == "__main__":
    main()
