#!/usr/bin/python3
# label: ci
# timeout: 900
"""The short form of test_memory.py: what the last 20,000 of 30,000 idle pthreads
cost, since the runtime's own memory weighs more on fewer threads: it differs by
some 200 KB from run to run."""
import sys

import harness
import test_memory as memory
from harness import check

FEW, MANY = 10000, 30000


def bytes_of(count, *stack_kb, preempt):
    memory.COUNT = count
    return count * memory.bytes_each(*stack_kb, preempt=preempt)


def each(*stack_kb, preempt="0"):
    slope = (bytes_of(MANY, *stack_kb, preempt=preempt) -
             bytes_of(FEW, *stack_kb, preempt=preempt)) / (MANY - FEW)
    print("reduced: %.0f bytes each, %d to %d threads instead of 100,000 "
          "(label memory)" % (slope, FEW, MANY))
    return slope


def test_stack_of_128_kib():
    slope = each("128")
    check(slope <= 8800, "%d bytes", slope)
    slope = each("128", preempt="1")
    check(slope <= 9200, "%d bytes with preemption", slope)


def test_default_stack():
    slope = each()
    check(slope <= 10700, "%d bytes", slope)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
