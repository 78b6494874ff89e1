#!/usr/bin/python3
# label: long, python
# timeout: 2700
"""Upstream's own suite three times, with its checks for leaks."""
import support
import upstream_suite

if __name__ == "__main__":
    support.not_cross()
    upstream_suite.main(3)
