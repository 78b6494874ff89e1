#!/usr/bin/python3
# timeout: 900
"""`vireo conformance --preload` of an installation: some of the cases, and what it
says of a library that is wrong."""
import os
import shutil

import conformance
import linking


def main():
    work = os.path.join(linking.BUILD, "tests", "consumer", "conformance")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    usr = os.path.join(work, "prefix")
    linking.run(["cmake", "--install", linking.BUILD, "--strip", "--prefix", usr])
    command = conformance.check(usr, work)
    conformance.check_fallbacks(command)
    conformance.check_options(command)
    conformance.check_broken(command)
    shutil.rmtree(usr)


if __name__ == "__main__":
    main()
