#!/usr/bin/env python3
"""Tests of tests/run_suites.py: the numbers it prints are of cases that ran."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import run_suites  # noqa: E402

REPORT = """<testsuites><testsuite name="ATest">
<testcase name="Passes" status="run" result="completed" classname="ATest"/>
<testcase name="Fails" status="run" result="completed" classname="ATest"><failure/></testcase>
<testcase name="Skips" status="run" result="skipped" classname="ATest"><skipped/></testcase>
<testcase name="Disabled" status="notrun" result="suppressed" classname="ATest"/>
</testsuite></testsuites>"""


def count(name, result, stdout="", report=None):
    """What a test of that name counts as: (passed, number failed)."""
    with tempfile.TemporaryDirectory() as folder:
        build = pathlib.Path(folder)
        reports = {"core": build / "core.xml"}
        if report is not None:
            reports["core"].write_text(report)
        run = {"name": name, "result": result, "stdout": stdout}
        passed, failed = run_suites.count_run(build, run, reports)
        return passed, len(failed)


CASES = [
    ("only cases that ran count", count("hearth:core / core", "FAIL", report=REPORT), (1, 1)),
    ("a crash without a report is a failure", count("core", "FAIL"), (0, 1)),
    ("a cut report is a failure", count("core", "FAIL", report=REPORT[:60]), (0, 1)),
    ("a failure after the cases counts",
     count("core", "TIMEOUT", report=REPORT.replace("<failure/>", "")), (2, 1)),
    ("a script counts by its last line", count("lint", "FAIL", "x\n7 passed, 2 failed\n"), (7, 2)),
    ("a script without one is a case", count("lint", "OK", "fine\n"), (1, 0)),
    ("a failing script without one fails", count("lint", "FAIL"), (0, 1)),
    ("a script that fails cannot count as passed", count("lint", "FAIL", "7 passed, 0 failed"), (7, 1)),
]


def main():
    failures = [f"{claim}: {got}, not {wanted}" for claim, got, wanted in CASES if got != wanted]
    for failure in failures:
        print(failure)
    print(f"{len(CASES) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
