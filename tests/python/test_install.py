#!/usr/bin/python3
# label: ci, python
"""`cmake --install BUILD --component python`: the package alone, in a folder of its
own, and it works there, and where it is copied to."""
import os
import shutil
import subprocess

import support


def install(prefix, *args):
    subprocess.run(["cmake", "--install", support.BUILD_DIR, "--prefix", prefix,
                    *args], stdout=subprocess.DEVNULL, check=True)
    return sorted(os.path.relpath(os.path.join(folder, name), prefix)
                  for folder, _, names in os.walk(prefix) for name in names)


class Install(support.TestCase):
    def test_component(self):
        with support.scratch() as prefix:
            names = install(prefix, "--component", "python")
            folder = os.path.join(prefix, "lib", "vireo", "python")
            self.assertEqual({os.path.dirname(name) for name in names},
                             {"lib/vireo/python/greenlet"})
            self.assertEqual(len(names), 3, names)
            shutil.copytree(folder, os.path.join(prefix, "elsewhere"))
            for where in folder, os.path.join(prefix, "elsewhere"):
                self.assertRuns("""
import greenlet, greenlet._greenlet as c
main = greenlet.getcurrent()
g = greenlet.greenlet(lambda x: main.switch(x + 1))
print(g.switch(1), greenlet.__file__, c.__file__.startswith(greenlet.__path__[0]))
""", "2 %s/greenlet/__init__.py True\n" % where, folder=where)


if __name__ == "__main__":
    support.main()
