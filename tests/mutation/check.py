#!/usr/bin/env python3
"""Mutation check: do the suites notice when the pool's core is wrong?

    check.py [--build DIR] [--suites core,sim,...] [NUMBER...]

Copies the tree, builds the deliberate faults of faults.py into the copy (all of them, each switched
on by the environment variable HEARTH_FAULT), and runs the test programs of the suites with each
fault in turn, until one fails. A fault that nobody notices is a gap in the tests. Without a fault
everything must pass. Prints a line per fault; the last line is `N passed, N failed`, a fault that
was noticed counting as passed. With numbers: only these faults.
"""
import argparse
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time

from faults import FAULTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUITES = ["core", "sim"]
# A fault may well make a program loop. Counted in CPU time: on a busy machine a program that waits for
# its turn is no fault that was noticed.
CPU_LIMIT_S = 100
SWITCH = """#pragma once
#include <cstdlib>
namespace hearth::base {
inline const int chosen_fault = [] {
    const char* number = std::getenv("HEARTH_FAULT");
    return number != nullptr ? std::atoi(number) : 0;
}();
}  // namespace hearth::base
"""


def copy_tree(target):
    """A copy of what is built, only touching files that have changed."""
    for name in ("include", "lib", "tests", "bench", "examples"):
        shutil.copytree(ROOT / name, target / name, dirs_exist_ok=True, copy_function=copy_if_new,
                        ignore=shutil.ignore_patterns("__pycache__", "*_corpus"))
    for name in ("meson.build", "meson_options.txt"):
        copy_if_new(ROOT / name, target / name)


def copy_if_new(source, target):
    write_if_new(pathlib.Path(target), pathlib.Path(source).read_bytes())


def write_if_new(path, content):
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


def insert_faults(target):
    """Puts all faults into the copy; a fault whose line is gone is an error."""
    texts = {}
    for number, (name, right, wrong, _) in enumerate(FAULTS, 1):
        path = target / "lib/core" / name
        text = texts.get(path) or (ROOT / "lib/core" / name).read_text()
        if text.count(right) != 1:
            sys.exit(f"fault {number}: {name} has {text.count(right)} times: {right}")
        switched = wrong.replace("FAULT", f"(base::chosen_fault == {number})")
        texts[path] = text.replace(right, switched)
    for path, text in texts.items():
        at = text.index("#include")
        text = text[:at] + '#include "base/chosen_fault.hpp"\n' + text[at:]
        write_if_new(path, text.encode())
    write_if_new(target / "lib/base/chosen_fault.hpp", SWITCH.encode())


def build(target, suites):
    directory = target / "build"
    if not (directory / "build.ninja").exists():
        subprocess.run(["meson", "setup", directory, target, "-Dexamples=false", "-Dbenches=false",
                        "-Dchecked=enabled", "-Dwerror=false"], check=True,
                       stdout=subprocess.DEVNULL)
    programs = [f"tests/{each}/hearth_{each}_tests" for each in suites]
    subprocess.run(["ninja", "-C", directory, *programs], check=True, stdout=subprocess.DEVNULL)
    return [directory / each for each in programs]


def limit_cpu_time():
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S + 10))


def run(program, number):
    """What a test program says with that fault: nothing, or the first case that fails."""
    environment = dict(os.environ, HEARTH_FAULT=str(number))
    done = subprocess.run([program, "--gtest_brief=1", "--gtest_fail_fast"],
                          env=environment, capture_output=True, text=True, errors="replace",
                          preexec_fn=limit_cpu_time)
    if done.returncode == 0:
        return None
    if done.returncode == -signal.SIGXCPU:
        return "no end"
    failed = [line for line in done.stdout.splitlines() if line.startswith("[  FAILED  ]")]
    return failed[0][13:].split(" (")[0] if failed else f"ended by {done.returncode}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(ROOT / "build-mutation"))
    parser.add_argument("--suites", default=",".join(SUITES))
    parser.add_argument("numbers", nargs="*", type=int)
    given = parser.parse_args()
    target = pathlib.Path(given.build)
    target.mkdir(exist_ok=True)
    copy_tree(target)
    insert_faults(target)
    suites = given.suites.split(",")
    programs = build(target, suites)
    for program in programs:
        noticed = run(program, 0)
        if noticed:
            sys.exit(f"without any fault: {program.name}: {noticed}")
    passed = failed = 0
    for number in given.numbers or range(1, len(FAULTS) + 1):
        name, _, _, what = FAULTS[number - 1]
        began = time.monotonic()
        found = None
        for suite, program in zip(suites, programs):
            found = run(program, number)
            if found:
                found = f"{suite}: {found}"
                break
        passed, failed = (passed + 1, failed) if found else (passed, failed + 1)
        print(f"{number:3} {name}: {what}: {found or 'NOT NOTICED'} "
              f"[{time.monotonic() - began:.0f} s]", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
