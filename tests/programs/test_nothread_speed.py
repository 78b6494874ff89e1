#!/usr/bin/python3
# label: long
# serial
"""No slow-down of a program without threads: CPU time of a read/write loop on
/dev/zero and /dev/null, preloaded over native, is at most 1.02."""
import os
import sys

import harness
from harness import NATIVE, VIREO, check

COUNT = 1000000
ROUNDS = 12
LIMIT = 1.02


def cpu_time(mode):
    """CPU seconds of one run, by wait4: exact, not in clock ticks."""
    env = harness.environment(mode)
    program = harness.c_program("nothread")
    pid = os.posix_spawn(program, [program, str(COUNT)], env, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status, used = os.wait4(pid, 0)
    check(os.waitstatus_to_exitcode(status) == 7, "%s: status %d", mode,
          status)
    return used.ru_utime + used.ru_stime


def ratio():
    """Noise only ever adds: the least of interleaved runs is the figure."""
    times = {NATIVE: [], VIREO: []}
    for _ in range(ROUNDS):
        for mode in times:
            times[mode].append(cpu_time(mode))
    return min(times[VIREO]) / min(times[NATIVE])


def test_read_write_loop():
    if VIREO not in harness.modes():
        raise harness.Skip("needs both modes")
    seen = []
    while len(seen) < 3:
        seen.append(ratio())
        if seen[-1] <= LIMIT:
            break
    print("ratios " + " ".join("%.3f" % r for r in seen))
    check(seen[-1] <= LIMIT, "ratios %s", seen)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
