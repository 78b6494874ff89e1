#!/usr/bin/python3
# timeout: 240
"""Each EXAMPLE of docs/api compiles as a user would compile it.  Those with a
main() run, end with status 0, and print the `text` block that follows them."""
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = os.environ["SOURCE_DIR"]
BUILD = os.environ["BUILD_DIR"]
sys.path.insert(0, os.path.join(ROOT, "cmake"))
sys.dont_write_bytecode = True
import manpages  # noqa: E402 pylint: disable=wrong-import-position

FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-g", "-Wall", "-Wextra", "-Werror",
         "-Wno-unused-parameter", "-I" + os.path.join(BUILD, "include")]
LIBRARY = ["-L" + os.path.join(BUILD, "lib"),
           "-Wl,-rpath," + os.path.join(BUILD, "lib"), "-lvireo"]
PRELOAD = ["-Wl,--push-state,--no-as-needed,-lvireo-preload,--pop-state"]
# Two examples run at a time, and other programs beside them.
FIXED = re.compile(r'(?:_new|listen\w*)\("(?:unix:@|[0-9.]*:[1-9])')


def run(words):
    return subprocess.run(words, text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=30, check=False)


def libraries(code):
    """Those that a user would link for the headers that it includes."""
    words = []
    if "<vireo/monkeypatch.h>" in code:
        words += PRELOAD
    included = set(re.findall(r"<vireo/(\w+\.h)>", code))
    if "httpclient.h" in included:
        words.append("-lvireo-http-client")
    if any(os.path.exists(os.path.join(ROOT, "http", header))
           for header in included - {"httpclient.h"}):
        words.append("-lvireo-http")
    if "tls.h" in included:
        words.append("-lvireo-tls")
    return LIBRARY[:-1] + words + LIBRARY[-1:]


def check(name, code, output, folder):
    """An empty text, or what is wrong with it."""
    source = os.path.join(folder, name + ".c")
    program = os.path.join(folder, name)
    with open(source, "w", encoding="utf-8") as stream:
        stream.write(code)
    whole = "int main(" in code
    words = ["cc", *FLAGS, source, "-o", program]
    done = run(words + (libraries(code) if whole else ["-c"]))
    if done.returncode:
        return "does not compile:\n" + done.stderr
    if not whole:
        return ""
    if FIXED.search(code):
        return "listens where another may: an abstract name, or a port"
    done = run([program])
    if done.returncode:
        return "ends with %d:\n%s" % (done.returncode,
                                    done.stdout + done.stderr)
    if output is not None and done.stdout != output:
        return "printed\n%sinstead of\n%s" % (done.stdout, output)
    return ""


def examples():
    """(page, code, what it prints or None)"""
    folder = os.path.join(ROOT, "docs", "api")
    for name in sorted(os.listdir(folder)):
        front, sections = manpages.read(os.path.join(folder, name))
        if "alias" in front:
            continue
        lines = dict(sections)["EXAMPLE"]
        output = manpages.code_blocks(lines, "text")
        yield (front["title"], manpages.code_blocks(lines, "c")[0],
               output[0] if output else None)


def main():
    found = [one for one in examples() if one[0] in sys.argv[1:]
             or not sys.argv[1:]]
    failed = 0
    with tempfile.TemporaryDirectory() as folder, \
            ThreadPoolExecutor(2) as pool:
        verdicts = pool.map(lambda one: check(*one, folder), found)
        for (name, _, _), verdict in zip(found, verdicts):
            if verdict:
                failed += 1
                print("%s: %s" % (name, verdict))
    print("%d examples, %d failed" % (len(found), failed))
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main())
