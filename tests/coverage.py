#!/usr/bin/env python3
"""Measures which lines and branches of lib/core and lib/proto the suites run, by gcov.

    coverage.py [--build DIR] [--missing] [--suites core,proto,...]

Builds with -Db_coverage=true, runs the test programs of the suites, and prints a table. Branches
that only an exception takes, and those of HEARTH_ASSERT, which a sound library never takes, are not
counted. --missing lists the lines that were not run and those with a branch not taken.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
LAYERS = ["core", "proto"]
SUITES = ["base", "core", "proto", "sim", "client", "hostile"]
TARGET_LINES, TARGET_BRANCHES = 95.0, 85.0


def build_and_run(directory, suites):
    if not (directory / "build.ninja").exists():
        subprocess.run(["meson", "setup", directory, ROOT, "-Db_coverage=true", "-Doptimization=0",
                        "-Dexamples=false", "-Dbenches=false", "-Db_pch=false"], check=True,
                       stdout=subprocess.DEVNULL)
    programs = [f"tests/{each}/hearth_{each}_tests" for each in suites]
    subprocess.run(["ninja", "-C", directory, *programs], check=True, stdout=subprocess.DEVNULL)
    for old in directory.rglob("*.gcda"):
        old.unlink()
    for program in programs:
        print(f"running {program}", flush=True)
        subprocess.run([directory / program, "--gtest_brief=1"], check=True,
                       stdout=subprocess.DEVNULL)


class source_counts:
    """What is known of one file: runs of each line, and of each branch of it."""

    def __init__(self):
        self.lines = collections.Counter()
        self.branches = {}

    def add(self, line):
        number = line["line_number"]
        self.lines[number] += line["count"]
        counts = [b["count"] for b in line["branches"] if not b.get("throw")]
        if not counts:
            return
        before = self.branches.get(number)
        # Instances of a template may differ in their branches: the fullest one stands.
        if before is None or len(counts) != len(before):
            if before is None or sum(map(bool, counts)) > sum(map(bool, before)):
                self.branches[number] = counts
        else:
            self.branches[number] = [a + b for a, b in zip(before, counts)]


def collect(directory):
    counts = collections.defaultdict(source_counts)
    # Whole programs: their objects, and those of the layers they link.
    for data in sorted(directory.rglob("*.gcda")):
        done = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", data],
                              cwd=directory, check=True, capture_output=True, text=True)
        for text in done.stdout.splitlines():
            for source in json.loads(text)["files"]:
                path = (directory / source["file"]).resolve()
                if not path.is_relative_to(ROOT / "lib"):
                    continue
                for line in source["lines"]:
                    counts[path.relative_to(ROOT)].add(line)
    return counts


def without_asserts(path, branches):
    text = (ROOT / path).read_text().splitlines()
    return {n: c for n, c in branches.items() if "HEARTH_ASSERT" not in text[n - 1]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(ROOT / "build-coverage"))
    parser.add_argument("--suites", default=",".join(SUITES))
    parser.add_argument("--missing", action="store_true")
    given = parser.parse_args()
    directory = pathlib.Path(given.build).resolve()
    build_and_run(directory, given.suites.split(","))
    counts = collect(directory)
    is_good = True
    for layer in LAYERS:
        lines = lines_run = taken = branches = 0
        for path in sorted(p for p in counts if p.is_relative_to(f"lib/{layer}")):
            one = counts[path]
            here = without_asserts(path, one.branches)
            lines += len(one.lines)
            lines_run += sum(1 for count in one.lines.values() if count)
            branches += sum(map(len, here.values()))
            taken += sum(sum(map(bool, each)) for each in here.values())
            if given.missing:
                unrun = sorted(n for n, count in one.lines.items() if not count)
                untaken = sorted(n for n, each in here.items() if not all(each) and one.lines[n])
                if unrun or untaken:
                    print(f"{path}: not run {unrun}; a branch not taken {untaken}")
        if not branches:  # no suite that was named links it, or a header of it alone
            continue
        line_share, branch_share = 100 * lines_run / lines, 100 * taken / branches
        print(f"lib/{layer}: {lines_run} of {lines} lines ({line_share:.1f} %), "
              f"{taken} of {branches} branches ({branch_share:.1f} %)")
        is_good = is_good and line_share >= TARGET_LINES and branch_share >= TARGET_BRANCHES
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
