"""Say what a run of CTest in the other system did, and what it left out.

usage: report.py SYSTEM BUILD   (BUILD/tests.xml is what CTest wrote)
"""
import collections
import json
import subprocess
import sys
import xml.etree.ElementTree

STATUS = {"run": "passed", "fail": "failed", "notrun": "skipped",
          "disabled": "skipped"}


def reason(case):
    """The line in which a skipped test says why."""
    lines = (case.findtext("system-out") or "").strip().splitlines()
    said = [line for line in lines if "skip" in line.lower()]
    skipped = case.find("skipped")
    return ((said or lines or [""])[-1].strip()
            or (skipped.get("message", "") if skipped is not None else "")
            or "no reason given")


def all_tests(build):
    """(name, labels) of each test there is."""
    text = subprocess.run(["ctest", "--test-dir", build,
                           "--show-only=json-v1"],
                          stdout=subprocess.PIPE, check=True).stdout
    for test in json.loads(text)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        yield test["name"], properties.get("LABELS", [])


def left_out(build, ran):
    """"ci hub/ 60, long programs/ 37": how many of which did not run."""
    counts = collections.Counter()
    for name, labels in all_tests(build):
        if name not in ran:
            counts["%s %s/" % ("ci" if "ci" in labels else "/".join(labels),
                               name.rsplit("/", 1)[0])] += 1
    return ", ".join("%s %d" % item for item in sorted(counts.items()))


def main():
    system, build = sys.argv[1:]
    cases = list(xml.etree.ElementTree.parse(build + "/tests.xml")
                 .iter("testcase"))
    counts = collections.Counter(STATUS[case.get("status")] for case in cases)
    for case in cases:
        if STATUS[case.get("status")] == "skipped":
            print("chroot: skipped %s: %s" % (case.get("name"), reason(case)))
    print("chroot: left out: "
          + left_out(build, {case.get("name") for case in cases}))
    print("chroot: %s: %d tests passed, %d failed, %d skipped"
          % (system, counts["passed"], counts["failed"], counts["skipped"]))


if __name__ == "__main__":
    main()
