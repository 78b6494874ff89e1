"""Every function that the table replaces is called by a conformance program."""
import re

import tree

# Called under other names; with the name of the test that comes to them.
OTHERWISE = {
    "__libc_start_main": "every program begins with it",
    "__overflow": "inlined putc_unlocked(), conformance/stdio_calls",
    "__uflow": "inlined getc_unlocked(), conformance/stdio_calls",
    "__underflow": "inlined getc_unlocked() of libc's, conformance/stdio",
    "gets": "gone from the headers; __gets_chk(), conformance/stdio_calls",
}
OLD = "only for programs that were linked long ago, the same code as "
NEW = "glibc %s; the same code as "
OTHERWISE.update({
    "__res_nquery": OLD + "res_nquery()",
    "__res_nquerydomain": OLD + "res_nquerydomain()",
    "__res_nsearch": OLD + "res_nsearch()",
    "__res_nsend": OLD + "res_nsend()",
    "sigvec": OLD + "sigaction(), in other words",
    "__isoc23_scanf": NEW % "2.38" + "__isoc99_scanf()",
    "__isoc23_fscanf": NEW % "2.38" + "__isoc99_fscanf()",
    "__isoc23_vscanf": NEW % "2.38" + "__isoc99_vscanf()",
    "__isoc23_vfscanf": NEW % "2.38" + "__isoc99_vfscanf()",
    "__isoc23_wscanf": NEW % "2.38" + "__isoc99_wscanf()",
    "__isoc23_fwscanf": NEW % "2.38" + "__isoc99_fwscanf()",
    "__isoc23_vwscanf": NEW % "2.38" + "__isoc99_vwscanf()",
    "__isoc23_vfwscanf": NEW % "2.38" + "__isoc99_vfwscanf()",
    "sched_getattr": "glibc 2.41; SYS_sched_getattr, "
                     "conformance/syscall_numbers",
    "sched_setattr": "glibc 2.41; the same",
    "pidfd_spawn": NEW % "2.39" + "posix_spawn()",
    "pidfd_spawnp": NEW % "2.39" + "posix_spawnp()",
})
# Kinds whose wrappers do no more than call the original, and count.
NOT_REPLACED = {"STORAGE", "PASS"}


def replaced(root):
    """Names of the table whose wrappers do more than call and count."""
    for line in tree.lines(root, "monkeypatch/symbols.def"):
        if line.startswith("MP_SYMBOL("):
            group, kind, _, name = line[len("MP_SYMBOL("):].split(", ")[:4]
            if kind not in NOT_REPLACED:
                yield name


def words(root):
    found = set()
    for path in tree.files(root, ".c", ".cpp", ".h", ".hpp",
                           folders=("tests/conformance", "tests/monkeypatch")):
        if not path.endswith("test_symbols.c"):
            text = "\n".join(tree.lines(root, path))
            text = re.sub(r"/\*.*?\*/|//[^\n]*|#include[^\n]*", "", text,
                          flags=re.S)
            found |= set(re.findall(r"\w+", text))
    return found


def main():
    root, _ = tree.arguments()
    names, used = list(replaced(root)), words(root)
    problems = ["%s is replaced, and no conformance program calls it" % name
                for name in names if name not in used | set(OTHERWISE)]
    problems += ["%s is excused and is not in the table" % name
                 for name in OTHERWISE if name not in names]
    tree.verdict(problems, len(names))


main()
