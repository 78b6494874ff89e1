#!/usr/bin/python3
# timeout: 1500
"""The packages, of what this tree has built (test_packages_built.py builds them):
debhelper, lintian, dpkg, and programs that link what they install."""
import os

import linking
import packages


def main():
    folder = packages.build(os.path.join(
        linking.BUILD, "tests", "consumer", "packages"), linking.BUILD)
    packages.check(folder, True)


if __name__ == "__main__":
    main()
