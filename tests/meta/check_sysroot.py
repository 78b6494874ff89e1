"""cmake/sysroot.sh takes a folder that is named from where it is called.

apt and dpkg are stand-ins: they do what they are asked, and say where."""
import os
import subprocess
import tempfile

import tree

APT = r"""#!/bin/sh
for word in "$@"; do
    case $word in
    Dir::*=/dev/null) ;;
    Dir::*=*) path=${word#*=}; [ -d "${path%/*}" ] || exit 7 ;;
    download) touch one.deb ;;
    esac
done
"""
DPKG = r"""#!/bin/sh
[ "$1" = -x ] || exit 8
mkdir -p "$3/lib"
echo unpacked > "$3/lib/libone.so.6"
ln -s /lib/libone.so.6 "$3/lib/libone.so"
"""


def make_program(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)


def problems_of(script, folder):
    tools = os.path.join(folder, "tools")
    here = os.path.join(folder, "here")
    for path in (tools, here):
        os.mkdir(path)
    make_program(tools, "apt-get", APT)
    make_program(tools, "dpkg-deb", DPKG)
    env = dict(os.environ, PATH=tools + ":" + os.environ["PATH"])
    for given in ("root", "./a/root", os.path.join(here, "b", "root")):
        done = subprocess.run([script, given], cwd=here, env=env, text=True,
                              capture_output=True, timeout=60, check=False)
        if done.returncode != 0 or not os.path.exists(
                os.path.join(here, given, "lib", "libone.so")):
            yield "sysroot.sh %s: status %d\n%s%s" % (
                given, done.returncode, done.stdout, done.stderr)
    left = sorted(os.listdir(here))
    if left != ["a", "b", "root"]:
        yield "left behind: %s" % left


def main():
    source, _ = tree.arguments()
    script = os.path.join(source, "cmake", "sysroot.sh")
    with tempfile.TemporaryDirectory() as folder:
        tree.verdict(list(problems_of(script, folder)), 3)


if __name__ == "__main__":
    main()
