"""Every function that libc exports is decided in monkeypatch/symbols.def, and
the decision is what the preload library does.

Asked are the lists in libc/ (glibc 2.36 and 2.41 of Debian 12 and 13, both
architectures) and the libcs that are here: this machine's, and the one in the
folder to cross-build against.  A release that has no list may have functions
that nobody has looked at: they are printed, and are no failure.
"""
import os
import re

import libc_symbols
import tree

# In the table, because they are asked for, and in no libc.so.6.
ELSEWHERE = {
    "__tls_get_addr": "ld.so's",
    "at_quick_exit": "part of a program's start files",
    "res_init": "a header's name for __res_init",
}
ELSEWHERE.update(dict.fromkeys((
    "__io_uring_get_cqe", "io_uring_wait_cqes", "io_uring_wait_cqe_timeout",
    "io_uring_submit_and_wait", "io_uring_submit_and_wait_timeout",
    "io_uring_enter", "io_uring_enter2"), "liburing's"))
REPLACED = {"COOPERATIVE", "TRACKED", "BY_HAND", "REFUSES", "OFFLOAD",
            "OFFLOAD_LONG", "OFFLOAD_NONE", "OFFLOAD_VOID", "OFFLOAD_PLAIN",
            "STORAGE"}


def lists(root):
    """{release: {architecture: names}}"""
    folder = os.path.join(root, "tests", "meta", "libc")
    return {re.sub(r"glibc-(.*)\.txt", r"\1", name):
            libc_symbols.read_list(os.path.join(folder, name))
            for name in sorted(os.listdir(folder))}


def own_libc():
    """The folder of the libc that runs this."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        match = re.search(r"(/\S*)/libc\.so\.6$", maps.read(), re.M)
    return match.group(1) if match else None


def libcs(build):
    sysroots = [os.path.join(build, "sysroot-aarch64"),
                os.path.join(os.path.dirname(build), "sysroot-aarch64")]
    folders = [own_libc()] + [os.path.join(root, "lib", "aarch64-linux-gnu")
                              for root in sysroots]
    return [folder for folder in folders if folder is not None and
            os.path.exists(os.path.join(folder, "libc.so.6"))]


def check_libc(table, names, what, strict):
    missing = sorted(name for name in names if table.kind(name) is None)
    for name in missing:
        if strict:
            yield "%s has %s, which symbols.def does not decide" % (what, name)
    if missing and not strict:
        print("%s has %d functions that nobody has looked at: %s" % (
            what, len(missing), " ".join(missing)))


def check_table(table, everywhere):
    for name in table.twice:
        yield "symbols.def decides %s twice" % name
    for name in sorted(table.kinds.keys() - everywhere - ELSEWHERE.keys()):
        yield "symbols.def has %s, which no libc has" % name
    for name in sorted(ELSEWHERE.keys() & everywhere):
        yield "%s is excused, and a libc has it" % name
    left = everywhere - table.kinds.keys()
    for pattern, _ in table.patterns:
        if not any(pattern in table.matching(name) for name in left):
            yield "symbols.def has the pattern %s, which nothing needs" % pattern
    for name in sorted(left):
        if len(table.matching(name)) > 1:
            yield "symbols.def decides %s by each of %s" % (
                name, ", ".join(table.matching(name)))


def check_kinds(table, library):
    """What is replaced is defined by us, and nothing else is."""
    defined = libc_symbols.functions(library)
    for name, kind in sorted(table.kinds.items()):
        if kind not in REPLACED | {"PASS"}:
            yield "symbols.def: %s is of no kind: %s" % (name, kind)
        elif kind == "PASS" and name in defined:
            yield "%s is PASS, and libvireo-preload.so has it" % name
        elif kind != "PASS" and name not in defined:
            yield "%s is %s, and libvireo-preload.so does not have it" % (
                name, kind)
    for name in sorted(defined - table.kinds.keys()):
        if table.matching(name):
            yield "%s is PASS by a pattern, and libvireo-preload.so has it" % (
                name)


def main():
    root, build = tree.arguments()
    table = libc_symbols.Table(
        os.path.join(root, "monkeypatch", "symbols.def"))
    recorded, problems = lists(root), []
    everywhere = set().union(*(names for by_arch in recorded.values()
                               for names in by_arch.values()))
    for release, by_arch in recorded.items():
        for arch, names in by_arch.items():
            problems += check_libc(table, names, "glibc %s (%s)" % (
                release, arch), True)
    for folder in libcs(build):
        library = os.path.join(folder, "libc.so.6")
        release = libc_symbols.release(library)
        names = libc_symbols.of_folder(folder)
        problems += check_libc(table, names, "%s (glibc %s, %s)" % (
            library, release, libc_symbols.machine(library)),
            release in recorded)
        everywhere |= names
        print("%s: glibc %s, %d functions" % (library, release, len(names)))
    problems += check_table(table, everywhere)
    problems += check_kinds(table, os.path.join(build, "lib",
                                                "libvireo-preload.so"))
    tree.verdict(problems, len(everywhere))


if __name__ == "__main__":
    main()
