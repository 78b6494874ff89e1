"""Run the conformance tests of a cross-built tree in a folder with Debian arm64.

usage: arm64.py FOLDER BUILD

The kernel starts the folder's programs by its handler for arm64 (run.sh), so that
what a program execs, the shell of popen() and the tools it uses are arm64's too;
`ctest` in the cross-built tree runs a program of its own alone, with this
machine's files.  Which tests there are, and with what environment, CTest says.
"""
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

LIMIT_S = 480
SKIPPED = 77


def tests(build):
    """(name, command) of each; CTest's commands start qemu themselves."""
    text = subprocess.run(
        ["ctest", "--test-dir", build, "-L", "^ci$", "-R",
         "^aarch64/(conformance|monkeypatch)/", "--show-only=json-v1"],
        stdout=subprocess.PIPE, check=True).stdout
    for test in json.loads(text)["tests"]:
        yield test["name"].removeprefix("aarch64/"), test.get("command", [])


def converted(command, folder):
    """The same program in the folder, started by the kernel; None if CTest does
    not run one: such a test is skipped everywhere under qemu."""
    at = [i for i, word in enumerate(command)
          if os.path.basename(word) == "qemu-aarch64-static"]
    if not at:
        return None
    environment = []
    rest = command[at[0] + 1:]
    while rest[0] in ("-L", "-E"):
        if rest[0] == "-E":
            environment.append(rest[1])
        rest = rest[2:]
    return (command[:at[0]] + ["chroot", folder, "env", "CK_FORK=no"]
            + environment + rest)


def run(command):
    """(status, output); None is a test that is skipped.  run_alone.py ends what
    its program has started, also when it is told to stop."""
    if command is None:
        return SKIPPED, ""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output)
        try:
            status = process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
            status = "no end in %d seconds" % LIMIT_S
        output.seek(0)
        return status, output.read().decode(errors="replace")


def bind(build, folder):
    """The tree, at its own path, as programs find their libraries by it."""
    place = folder + build
    os.makedirs(place, exist_ok=True)
    subprocess.run(["mount", "--bind", build, place], check=True)


def main():
    folder, build = sys.argv[1:]
    if not os.path.exists(build + "/CTestTestfile.cmake"):
        print("chroot: skipped: %s is not built" % build)
        return SKIPPED
    if shutil.which("ctest") is None:
        print("chroot: skipped: no ctest")
        return SKIPPED
    bind(build, folder)
    print(subprocess.run(["chroot", folder, "sh", "-c",
                          '. /etc/os-release; echo "chroot: $PRETTY_NAME, '
                          '$(uname -m), $(getconf GNU_LIBC_VERSION)"'],
                         stdout=subprocess.PIPE, check=True, text=True).stdout,
          end="", flush=True)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    began = time.monotonic()
    todo = [(name, converted(command, folder)) for name, command in tests(build)]
    jobs = int(os.environ.get("JOBS", os.cpu_count()))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = pool.map(run, [command for _, command in todo])
        for (name, _), (status, output) in zip(todo, results):
            verdict = {0: "passed", SKIPPED: "skipped"}.get(status, "failed")
            counts[verdict] += 1
            print("%-8s %s" % (verdict, name), flush=True)
            if verdict == "failed":
                print("%s\nstatus: %s" % (output, status), flush=True)
    print("chroot: arm64: %d tests passed, %d failed, %d skipped, %d s"
          % (*counts.values(), time.monotonic() - began), flush=True)
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
