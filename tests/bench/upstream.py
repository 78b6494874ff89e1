#!/usr/bin/python3
"""upstream.py - the six benchmarks of upstream on Python's greenlet.

usage: upstream.py case count [depth]; the cases are those of bench_upstream.c,
and so is what is printed: "cpu_ns N", the time of one operation.
"""
import sys
import time

try:
    from greenlet import getcurrent, greenlet
except ImportError:
    sys.exit("needs python3-greenlet")

CHAIN = 100_000


def create(count, _):
    for _ in range(count):
        greenlet()
    return count


def current(count, _):
    for _ in range(count):
        getcurrent()
    return count


class Player(greenlet):
    other = None

    def __init__(self, count, depth):
        super().__init__()
        self.count = count
        self.depth = depth

    def run(self):
        if self.depth:
            for _ in range(self.count):
                self.recur(self.depth)
        else:
            other = self.other
            for _ in range(self.count):
                other.switch()

    def recur(self, depth):
        if depth > 1:
            self.recur(depth - 1)
        else:
            self.other.switch()


def switch_pair(count, depth):
    first, second = Player(count // 2, depth), Player(count // 2, depth)
    first.other, second.other = second, first
    first.switch()
    second.switch()
    assert first.dead and second.dead
    return count


def link_in_chain(next_one):
    value = getcurrent().parent.switch()
    next_one.switch(value + 1)


def chain(count, _):
    rounds = max(count // CHAIN, 1)
    for _ in range(rounds):
        every, last = [], getcurrent()
        for _ in range(CHAIN):
            made = greenlet(link_in_chain)
            made.switch(last)
            every.append(made)
            last = made
        del made
        assert last.switch(0) == CHAIN
        del last
        while every:
            every.pop()
    return rounds * CHAIN


CASES = {"create": create, "getcurrent": current, "switch": switch_pair,
         "chain": chain}


def main():
    case, count, depth = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    if case == "chain":
        chain(CHAIN, 0)     # touches memory; does not count
    start, wall = time.process_time_ns(), time.perf_counter_ns()
    done = CASES[case](count, int(depth[0]) if depth else 0)
    print(f"cpu_ns {(time.process_time_ns() - start) / done:.3f}")
    print(f"wall_ns {(time.perf_counter_ns() - wall) / done:.3f}")


if __name__ == "__main__":
    main()
