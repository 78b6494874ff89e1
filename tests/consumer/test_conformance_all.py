#!/usr/bin/python3
# label: long
# timeout: 7200
# serial
"""All of `vireo conformance --preload`, from an installation: what a user runs."""
import os
import shutil

import conformance
import linking


def main():
    work = os.path.join(linking.BUILD, "tests", "consumer", "conformance-all")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    usr = os.path.join(work, "prefix")
    linking.run(["cmake", "--install", linking.BUILD, "--strip", "--prefix", usr])
    command = conformance.Command(usr, work)
    text = command.run("-j2", timeout=7000)
    shown = conformance.lines_that_begin(text, "ok ", "not ok ")
    print("\n".join(line for line in text.split("\n") if " # SKIP " in line or
                    line.startswith("#")))
    print(conformance.last_line(text))
    if len(shown) != len(command.run("--list").split()):
        linking.fail("%d cases were told of" % len(shown))
    if ", 0 failed" not in conformance.last_line(text):
        linking.fail(conformance.last_line(text))
    shutil.rmtree(usr)


if __name__ == "__main__":
    main()
