#!/usr/bin/env python3
"""Runs `meson test` in a build directory and counts the cases that ran.

    run_suites.py BUILD_DIR [arguments of meson test]

A GoogleTest program counts with each of its cases, as its XML report says. A script counts with the
numbers of its last line `N passed, N failed`, or as one case. A program that ends without a report
(a crash, a time limit) adds one failed case. The last line printed is `N passed, N failed`; the exit
status is 0 only if cases ran and none failed.
"""
import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

LAST_LINE = re.compile(r"^(\d+) passed, (\d+) failed$")


def count_report(path):
    """Counts (passed, failed) of a GoogleTest report; cases that did not run count in neither."""
    passed, failed = 0, []
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        if case.get("status") != "run" or case.get("result", "completed") != "completed":
            continue
        if case.find("failure") is not None:
            failed.append(f"{case.get('classname')}.{case.get('name')}")
        else:
            passed += 1
    return passed, failed


def count_script(run):
    """Counts (passed, failed names) of a test that is no GoogleTest program."""
    ok = run["result"] == "OK"
    lines = run.get("stdout", "").strip().splitlines()
    match = LAST_LINE.match(lines[-1]) if lines else None
    if not match:
        return (1, []) if ok else (0, [run["name"]])
    passed, failed = int(match.group(1)), int(match.group(2))
    if not ok and failed == 0:
        failed = 1
    return passed, [run["name"]] * failed


def count_run(build, run, reports):
    """Counts one test of the log of `meson test`."""
    name = run["name"].split(" / ")[-1].split(":")[-1]
    report = reports.get(name)
    if report is None:
        return count_script(dict(run, name=name))
    if not report.exists():
        return 0, [f"{name} (no report: it ended early)"]
    try:
        passed, failed = count_report(report)
    except xml.etree.ElementTree.ParseError:
        return 0, [f"{name} (broken report: it ended early)"]
    if run["result"] != "OK" and not failed:
        failed = [f"{name} ({run['result']} after its cases)"]
    return passed, failed


def report_paths(build):
    """The report of each GoogleTest program: meson writes it to the top of the build directory."""
    listing = subprocess.run(
        ["meson", "introspect", "--tests", str(build)], check=True, capture_output=True, text=True)
    return {
        test["name"]: build / f"{test['name']}.xml"
        for test in json.loads(listing.stdout) if test["protocol"] == "gtest"
    }


def main(arguments):
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 64
    build = pathlib.Path(arguments[0]).resolve()
    reports = report_paths(build)
    log = build / "meson-logs" / "testlog.json"
    for stale in [log, *reports.values()]:
        stale.unlink(missing_ok=True)
    command = ["meson", "test", "-C", str(build), "--no-rebuild", "--print-errorlogs"]
    status = subprocess.run(command + arguments[1:], stdin=subprocess.DEVNULL).returncode

    total, failures = 0, []
    if log.exists():
        for line in log.read_text().splitlines():
            passed, failed = count_run(build, json.loads(line), reports)
            total += passed
            failures += failed
    if status != 0 and not failures:
        failures.append("meson test itself")
    for name in failures:
        print(f"failed: {name}")
    print(f"{total} passed, {len(failures)} failed", flush=True)
    return 0 if total and not failures else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
