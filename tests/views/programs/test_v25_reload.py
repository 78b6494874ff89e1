#!/usr/bin/python3
# label: ci, views
# timeout: 300
"""V-25: --reload builds and restarts when sources change, and says what the compiler
says when it fails, while the old program goes on serving."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from developing import BUILD, HTML, Program  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
COMPILE = ("cc -o program -I%s/include %s/source/main.c -L%s/lib -lvireo-http -lvireo"
           " -Wl,-rpath,%s/lib")


def write(folder, word, broken=False):
    """As an editor does: beside it, and then in its place."""
    path = os.path.join(folder, "source", "word.h")
    with open(path + "~", "w") as to:
        to.write('#define WORD "%s"\n' % word)
        if broken:
            to.write("this <is> no C\n")
    os.rename(path + "~", path)


def make_sources(folder):
    os.mkdir(os.path.join(folder, "source"))
    with open(os.path.join(folder, "source", "main.c"), "w") as to:
        to.write('#include "word.h"\n#include "develop.c"\n')
    shutil.copy(os.path.join(HERE, "develop.c"), os.path.join(folder, "source"))
    write(folder, "one")


def check_changes(folder, program):
    program.wait_for("/", "one\n")
    pid = program.process.pid
    write(folder, "two")
    program.wait_for("/", "two\n")
    write(folder, "three", broken=True)
    status, text, answer = program.wait_for("/", "does not compile", HTML)
    assert status == 500 and "text/html" in answer.getheader("Content-Type")
    assert "this &#60;is&#62; no C" in text and "<is>" not in text, text
    assert program.ask("/", dict(HTML, Host="evil.example"))[1] == "two\n"
    assert program.ask("/")[1] == "two\n"  # who is no browser is served
    write(folder, "four")
    program.wait_for("/", "four\n")
    assert program.ask("/", HTML)[1] == "four\n"
    os.mkdir(os.path.join(folder, "source", "new"))  # watched from now on
    write(folder, "five")
    program.wait_for("/", "five\n")
    assert program.process.poll() is None and program.process.pid == pid


def left_in(folder):
    return [name for name in os.listdir(folder) if name.startswith("vireo-reload")]


def test_a_command(folder):
    make_sources(folder)
    command = "cd %s && %s" % (folder, COMPILE % (BUILD, folder, BUILD, BUILD))
    subprocess.run(command, shell=True, check=True)
    with Program(os.path.join(folder, "program"), "--reload=" + command,
                 "--watch", os.path.join(folder, "source")) as program:
        check_changes(folder, program)
    assert "this <is> no C" in program.said()


def test_the_build_of_the_build_tree(folder):
    make_sources(folder)
    with open(os.path.join(folder, "CMakeLists.txt"), "w") as to:
        to.write("cmake_minimum_required(VERSION 3.18)\nproject(example C)\n"
                 "add_executable(program source/main.c)\n"
                 "target_include_directories(program PRIVATE %s/include)\n"
                 "target_link_libraries(program PRIVATE %s/lib/libvireo-http.so "
                 "%s/lib/libvireo.so)\n" % (BUILD, BUILD, BUILD))
    tree = os.path.join(folder, "build")
    for command in (["cmake", "-S", folder, "-B", tree], ["cmake", "--build", tree]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with Program(os.path.join(tree, "program"), "--reload") as program:
        check_changes(folder, program)


def test_no_build_tree(folder):
    program = os.path.join(folder, "program")
    shutil.copy(os.path.join(BUILD, "tests", "views", "programs", "views_develop"),
                program)
    refused = subprocess.run([program, "--reload"], capture_output=True, text=True,
                             timeout=60)
    assert refused.returncode == 1 and "name a command" in refused.stderr, refused


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            with tempfile.TemporaryDirectory() as folder:
                os.environ["TMPDIR"] = folder
                test(folder)
                assert left_in(folder) == [], left_in(folder)
            print("ok", name)


if __name__ == "__main__":
    main()
