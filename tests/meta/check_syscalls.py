"""syscall() does for a number what the function of that name does: every system
call whose function monkeypatch/symbols.def replaces is in the wrapper of
syscall(), or has a reason here why it is not."""
import re
import subprocess

import libc_symbols
import tree

SOURCES = ("monkeypatch/wrap_syscall.c", "monkeypatch/wrap_syscall_more.c",
           "monkeypatch/credentials.c", "monkeypatch/timer.c",
           "monkeypatch/thread_ids.c")
# Where the kernel's name is not the function's.
FUNCTION = {
    "clone": "fork",
    "exit": "pthread_exit",
    "futex": "pthread_mutex_lock",
    "io_getevents": "read",
    "io_pgetevents": "read",
    "io_uring_enter": "read",
    "newfstatat": "fstatat",
    "pselect6": "pselect",
    "rt_sigaction": "sigaction",
    "rt_sigprocmask": "sigprocmask",
    "rt_sigsuspend": "sigsuspend",
    "rt_sigtimedwait": "sigtimedwait",
    "signalfd4": "signalfd",
    "syslog": "klogctl",
    "tkill": "tgkill",
}
NOT_HERE = {
    "vfork": "cannot be made by syscall(): the child would return first, from a "
             "function whose frame the parent still needs",
}


def system_calls():
    """Names of the numbers that either architecture has."""
    found = set()
    for header in ("<asm/unistd.h>", "<asm-generic/unistd.h>"):
        macros = subprocess.run(
            ["cc", "-E", "-dM", "-x", "c", "-"], input="#include " + header,
            check=True, text=True, stdout=subprocess.PIPE).stdout
        found |= set(re.findall(r"#define __NR_(\w+) ", macros))
    return found


def replaced(table, name):
    """Does the function do more here than libc's?"""
    kind = table.kind(FUNCTION.get(name, name))
    return kind not in (None, "PASS", "STORAGE")


def main():
    root, _ = tree.arguments()
    table = libc_symbols.Table(root + "/monkeypatch/symbols.def")
    text = "\n".join("\n".join(tree.lines(root, path)) for path in SOURCES)
    handled = set(re.findall(r"\bSYS_(\w+)", text))
    names = system_calls()
    wanted = {name for name in names if replaced(table, name)}
    problems = ["syscall(SYS_%s) is not what %s() is" % (
        name, FUNCTION.get(name, name))
        for name in sorted(wanted - handled - NOT_HERE.keys())]
    problems += ["%s is excused, and handled" % name
                 for name in sorted(NOT_HERE.keys() & handled)]
    tree.verdict(problems, len(wanted))


if __name__ == "__main__":
    main()
