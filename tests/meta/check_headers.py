"""Each public header compiles alone, as C99, C11 and C++17, by gcc and clang,
and with libc++, from include/vireo of the build, which is what is installed."""
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

import tree

LANGUAGES = (("gcc", "-std=c99"), ("gcc", "-std=c11"), ("g++", "-std=c++17"),
             ("clang", "-std=c99"), ("clang", "-std=c11"),
             ("clang++", "-std=c++17"))
LIBCXX = ("clang++", "-std=c++17", "-stdlib=libc++")
FLAGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]


def compiled(source, language, include):
    done = subprocess.run(
        [*language, *FLAGS, "-I", include, source],
        text=True, capture_output=True, check=False)
    if done.returncode or done.stderr:
        return "%s: %s" % (" ".join(language), done.stderr.strip())
    return ""


def installed(root, build):
    """The headers of the build are the public ones, and name no layer."""
    include = os.path.join(build, "include", "vireo")
    there = set(os.listdir(include))
    public = {os.path.basename(path) for path in tree.public_headers(root)}
    for name in sorted(there ^ public):
        yield "%s is not both public and in include/vireo" % name
    for name in sorted(there):
        text = "\n".join(tree.lines(include, name))
        for other in re.findall(r'#\s*include\s*"([^"]+)"', text):
            if other not in there:
                yield "%s includes %s, which is not installed" % (name, other)


def languages(folder):
    source = os.path.join(folder, "probe.cpp")
    with open(source, "w", encoding="ascii") as stream:
        stream.write("#include <cstddef>\n")
    if compiled(source, LIBCXX, folder) == "":
        return (*LANGUAGES, LIBCXX)
    print("no libc++ here (libc++-dev): not tried with it")
    return LANGUAGES


def jobs(build, folder):
    include = os.path.join(build, "include")
    all_languages = languages(folder)
    for name in sorted(os.listdir(os.path.join(include, "vireo"))):
        for ending in (".c", ".cpp"):
            with open(os.path.join(folder, name[:-2] + ending), "w",
                      encoding="ascii") as stream:
                # Twice: the guard.  A declaration: no empty C unit.
                stream.write("#include <vireo/%s>\n" % name * 2 +
                             "extern int nothing;\n")
        for language in all_languages:
            ending = ".cpp" if "++" in language[0] else ".c"
            yield os.path.join(folder, name[:-2] + ending), language, include


def main():
    root, build = tree.arguments()
    problems = [*installed(root, build)]
    with tempfile.TemporaryDirectory() as folder, \
            ThreadPoolExecutor(2) as pool:
        each = [*jobs(build, folder)]
        verdicts = [*pool.map(lambda job: compiled(*job), each)]
    problems += [verdict for verdict in verdicts if verdict]
    tree.verdict(problems, len(each))


if __name__ == "__main__":
    main()
