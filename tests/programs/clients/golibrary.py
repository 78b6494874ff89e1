"""Threads of Python that call a library written in Go.

usage: golibrary.py path
"""
import ctypes
import sys
import time

from scenes import scene

library = ctypes.CDLL(sys.argv[1])


def call(n):
    total = 0
    for _ in range(5):
        total += library.Work(20)
        time.sleep(0.001)
    return total


scene("called", 20, call)
