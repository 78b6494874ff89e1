#!/usr/bin/python3
# label: memory
# timeout: 1800
# serial
"""100,000 idle pthreads under Vireo: RSS and page tables for each.

The clock of preemption interrupts one of some thirty while it starts, and its frame
takes a second page of that stack: so what a thread costs is measured without it, and
with it what all cost together."""
import json
import sys

import harness
from harness import VIREO, check

COUNT = 100000
# A page fault is slow on some machines when they are busy: 60,000 and more.
LIMIT_S = 300


def bytes_each(*stack_kb, preempt="0"):
    if VIREO not in harness.modes():
        raise harness.Skip("no machine has so many native threads")
    status, out, err = harness.run(
        [harness.c_program("idle_threads"), str(COUNT), *stack_kb], VIREO,
        {"VIREO_PREEMPT": preempt}, limit=LIMIT_S)
    check(status == 0, "status %d: %s%s", status, out, err)
    result = json.loads(out)
    print("%s, VIREO_PREEMPT=%s: %s" % (" ".join(stack_kb) or "default stack",
                                        preempt, out.strip()))
    check(result["os_threads"] <= harness.MAX_OS_THREADS, "%s", result)
    return result["bytes"]


def test_stack_of_128_kib():
    each = bytes_each("128")
    check(each <= 8800, "%d bytes", each)
    each = bytes_each("128", preempt="1")
    check(each <= 9200, "%d bytes with preemption", each)


def test_default_stack():
    each = bytes_each()
    check(each <= 10700, "%d bytes", each)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
