#!/usr/bin/python3
# label: long
# timeout: 14400
"""dpkg-buildpackage -us -uc -b (with -aarm64 in the tree of that architecture) as
a user calls it, all else as in test_packages.py."""
import os

import linking
import packages


def main():
    folder = packages.build(os.path.join(
        linking.BUILD, "tests", "consumer", "packages-built"), None)
    packages.check(folder, False)


if __name__ == "__main__":
    main()
