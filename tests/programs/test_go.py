#!/usr/bin/python3
# label: long
# timeout: 600
"""Go, which makes system calls and threads its own way.  A program with cgo runs
as natively, all its threads being the kernel's; a static one, which nothing can
be preloaded into, runs natively, or is refused by `vireo run` with a line; a
library in Go is called from mapped threads."""
import os
import subprocess
import sys

import harness
from harness import PYTHON, VIREO, check

WANTED = "right 50\nchild\nuser defined signal 1\n"


def built(name, source, *flags, cgo="1"):
    """Path of clients/SOURCE.go compiled."""
    harness.need("go", "gcc")
    source = os.path.join(harness.HERE, "clients", source + ".go")
    path = os.path.join(harness.BUILD_DIR, "tests", "programs", name)
    if (os.path.exists(path) and os.path.getmtime(path) > os.path.getmtime(
            source)):
        return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    subprocess.run(
        ["go", "build", *flags, "-o", path, source], check=True,
        env=dict(os.environ, CGO_ENABLED=cgo, GO111MODULE="off", GOFLAGS="",
                 GOPATH=os.path.dirname(path), GOCACHE=path + ".cache"))
    return path


def doctor(program, status, *parts):
    """What `vireo doctor` says of it; each part is in that."""
    if VIREO not in harness.modes():
        return
    done = harness.run([os.path.join(harness.BUILD_DIR, "bin", "vireo"),
                        "doctor", "--", program])
    check(done[0] == status and done[2] == "" and
          all(part in done[1] for part in parts), "doctor: %s", done)


def test_with_cgo():
    program = built("goroutines", "goroutines")
    doctor(program, 0, "note  go ", "greenlets, but for those that stay")
    harness.same_as_native([program], wanted=WANTED)


def test_static():
    program = built("goroutines_static", "goroutines", cgo="0")
    doctor(program, 126, "no    program ", "static", "would refuse")
    harness.same_as_native([program], wanted=WANTED)
    if VIREO in harness.modes():
        done = harness.run([os.path.join(harness.BUILD_DIR, "bin", "vireo"),
                            "run", program])
        check(done[0] == 126 and done[2].startswith("vireo: ")
              and "static" in done[2] and done[2].count("\n") == 1, "%s", done)


def linked(library):
    """A program that is linked to the library."""
    path = library + ".program"
    subprocess.run(["gcc", "-x", "c", "-", "-x", "none", "-o", path,
                    "-Wl,--no-as-needed", library], check=True, text=True,
                   input="int main(void) { return 0; }\n")
    return path


def test_a_library_in_go():
    library = built("golibrary.so", "golibrary", "-buildmode=c-shared")
    harness.same_as_native(
        [PYTHON, harness.python_client("golibrary"), library],
        wanted="called 950:20\n")
    doctor(PYTHON, 0, "would be greenlets") # it is opened later: not seen
    doctor(linked(library), 0, "warn  go ", "all threads wait")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
