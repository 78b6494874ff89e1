#!/usr/bin/python3
"""run.py - run the benchmarks beside their anchors, print and store ratios.

    run.py [--build-dir DIR] [--json FILE] [--quick] [name ...]

The series of a benchmark run in turn, round by round, so that all meet the
same noise; a figure is the median over the rounds, a ratio the median of the
rounds' ratios.  CPU time is user + system.  Nothing is asserted: a target that
is missed is marked, and the exit status is 0.
"""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys

from cases import all_cases
from programs import Place, Unavailable

ROUNDS, QUICK_ROUNDS = 7, 3
FAR = 1.5       # beyond this many times the target, "over" becomes "FAR OVER"


def cache_value(build_dir, name):
    try:
        with open(os.path.join(build_dir, "CMakeCache.txt"),
                  encoding="utf-8") as file:
            for line in file:
                if line.startswith(name + ":"):
                    return line.partition("=")[2].strip()
    except OSError:
        pass
    return ""


def build(build_dir):
    """Build what can be built.  Configures first: what was missing when the
    build directory was made may have been installed since."""
    keep_going = (["-k", "0"] if cache_value(build_dir, "CMAKE_GENERATOR")
                  == "Ninja" else ["-k"])
    for words in (["cmake", build_dir],
                  ["cmake", "--build", build_dir, "--target", "bench", "-j2",
                   "--", *keep_going]):
        done = subprocess.run(words, capture_output=True, text=True,
                              check=False)
        if done.returncode:
            print(f"{' '.join(words)} failed; going on with what there is:")
            print((done.stdout + done.stderr)[-2000:])


def measure(bench, place, rounds):
    """Run the series in turn.  Returns figures and reasons, by label."""
    results = {label: [] for label in bench.series}
    reasons = {}
    for number in range(rounds):
        for label, run in bench.series.items():
            if label in reasons:
                continue
            if sys.stderr.isatty():
                print(f"\r\033[K{bench.name} {number + 1}/{rounds} {label}",
                      end="", file=sys.stderr, flush=True)
            try:
                results[label].append(run(place))
            except Unavailable as reason:
                reasons[label] = str(reason)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return results, reasons


def column(results, label, key):
    return [run[key] for run in results.get(label, ()) if key in run]


def ratio(results, label, reference, key):
    """Median over the rounds of label : reference, None without both."""
    pairs = [ours / theirs
             for ours, theirs in zip(column(results, label, key),
                                     column(results, reference, key))
             if theirs]
    return statistics.median(pairs) if pairs else None


def judge(results, label, key, target, median):
    """How a target is written, and whether it was reached."""
    if target.of:
        reached = ratio(results, label, target.of, key)
        text = f"<= {target.limit:g}x {target.of}"
    else:
        reached = median
        text = f"<= {target.limit:,g}"
    if reached is None:
        return text, "not known"
    if reached <= target.limit:
        return text, "ok"
    return text, "over" if reached <= FAR * target.limit else "FAR OVER"


def summarise(bench, figure, results):
    rows = []
    for label in bench.series:
        values = column(results, label, figure.key)
        if not values:
            continue
        row = {"series": label, "median": statistics.median(values),
               "runs": values,
               "ratio": ratio(results, label, figure.reference, figure.key)}
        if label in figure.targets:
            target = figure.targets[label]
            text, verdict = judge(results, label, figure.key, target,
                                  row["median"])
            row.update(target=text, verdict=verdict)
        rows.append(row)
    return {"key": figure.key, "unit": figure.unit,
            "reference": figure.reference, "rows": rows}


def number(value):
    if value is None:
        return "-"
    if isinstance(value, int) or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def print_figure(figure):
    print(f"  {figure['unit']:<42}{'median':>10} {'ratio':>8}  target")
    for row in figure["rows"]:
        times = "-" if row["ratio"] is None else number(row["ratio"]) + "x"
        print(f"    {row['series']:<40}{number(row['median']):>10} {times:>8}"
              f"  {row.get('target', ''):<28} {row.get('verdict', '')}".rstrip())


def run_bench(bench, place, rounds):
    rounds = min(rounds, bench.rounds or rounds) if place.quick else (
        bench.rounds or rounds)
    print(f"{bench.name}: {bench.title} ({rounds} rounds)", flush=True)
    results, reasons = measure(bench, place, rounds)
    figures = [summarise(bench, figure, results) for figure in bench.figures]
    for figure in figures:
        if figure["rows"]:
            print_figure(figure)
    for label, reason in reasons.items():
        print(f"    {label}: not measured: {reason}")
    print(flush=True)
    return {"name": bench.name, "title": bench.title, "rounds": rounds,
            "figures": figures, "not_measured": reasons}


def chosen(names):
    """The benchmarks named; a name also stands for those it begins, and for
    those of the group of that name."""
    def named(case, name):
        return name == case.group or case.name.startswith(name)

    cases = list(all_cases())
    for name in names:
        if not any(named(case, name) for case in cases):
            known = " ".join(case.name for case in cases)
            groups = " ".join(sorted({case.group for case in cases
                                      if case.group}))
            sys.exit(f"run.py: no benchmark {name!r}; there are: {known}; "
                     f"groups: {groups}")
    return [case for case in cases
            if not names or any(named(case, name) for name in names)]


def machine():
    model = platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
    return {"processor": model, "kernel": platform.release(),
            "libc": " ".join(platform.libc_ver()),
            "cores": len(os.sched_getaffinity(0))}


def arguments():
    here = os.path.dirname(os.path.abspath(__file__))
    default = os.environ.get("BUILD_DIR") or os.path.join(
        os.path.dirname(os.path.dirname(here)), "build")
    parser = argparse.ArgumentParser(description="run the benchmarks")
    parser.add_argument("--build-dir", default=default)
    parser.add_argument("--json", help="default: BUILD_DIR/bench.json")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--quick", action="store_true",
                        help="a tenth of the work, three rounds, no large runs")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("names", nargs="*", metavar="name")
    return parser.parse_args()


def main():
    args = arguments()
    cases = chosen(args.names)
    if not args.no_build:
        build(args.build_dir)
    kind = cache_value(args.build_dir, "CMAKE_BUILD_TYPE")
    if kind not in ("Release", "RelWithDebInfo", "MinSizeRel"):
        print(f"the library was built as {kind or 'no build type'}: "
              "figures are only good for a release build")
    place = Place(args.build_dir, args.quick)
    report = {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(),
              "machine": machine(), "build_type": kind, "quick": args.quick,
              "benchmarks": []}
    for bench in cases:
        if args.quick and bench.slow and not args.names:
            print(f"{bench.name}: left out by --quick: {bench.title}\n")
            continue
        report["benchmarks"].append(run_bench(
            bench, place, args.rounds or
            (QUICK_ROUNDS if args.quick else ROUNDS)))
    path = args.json or os.path.join(args.build_dir, "bench.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
    print(f"stored in {path}")


if __name__ == "__main__":
    main()
