#!/usr/bin/env python3
"""Runs scenarios against a real nginx, client and origin on a CPU each, clients interleaved.

Figures are the client's own: CPU time by getrusage between warm-up and last answer. Rounds are
interleaved so that a slow moment of the machine hits all clients; the minimum and the median over
the rounds are kept, ratios are of minima. `N passed, N failed` counts the runs at the end.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

import clients
import endurance
import first
import instructions
import report
import scenarios
import spread
import streams
from origin import Nginx


ALONE = {**endurance.SCENARIOS, **first.SCENARIOS, **spread.SCENARIOS, **streams.SCENARIOS,
         **instructions.SCENARIOS}
# Names for several scenarios: everything about HTTP/2.
GROUPS = {"h2": ["h2-small-get"] + list(streams.SCENARIOS)}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Says what runs and how much time is left, from how long the like of it took before."""

    def __init__(self, total):
        self.total, self.number, self.took = total, 0, {}
        self.left = []  # (scenario, case, client) still to come

    def plan(self, runs):
        self.left = list(runs)

    def estimate(self):
        known = list(self.took.values())
        mean = statistics.mean(known) if known else 3.0
        return sum(self.took.get(run, mean) for run in self.left)

    def step(self, run, text):
        self.number += 1
        seconds = round(self.estimate())
        say(f"[{self.number}/{self.total}] {text}; {seconds // 60} min {seconds % 60:02d} s left")
        return time.monotonic()

    def done(self, run, began):
        self.took[run] = time.monotonic() - began
        if run in self.left:
            self.left.remove(run)


def work_of(case, nginx, scratch):
    """The case as what a client is told to do."""
    work = {key: case[key] for key in ("proto", "concurrency", "requests", "warmup", "resume",
                                       "new_connections", "idle", "threads") if key in case}
    work["url"] = nginx.url(case["path"], case.get("tls", True), case.get("chain", False))
    work["ca"] = nginx.bundle if case.get("bundle") else nginx.root if case.get("chain") \
        else nginx.ca
    if case.get("more_origins"):
        work["more_urls"] = nginx.more_urls(case["path"])
    if case.get("to_file"):
        work["sink"] = "file:" + os.path.join(scratch, "sink")
    if "upload_bytes" in case:
        work["upload"] = os.path.join(scratch, "upload")
    return work


def figure_of(scenario, case, got):
    """(the figure that is compared, its user part)"""
    if scenario["per"] == "idle":
        return (got["rss_idle_kib"] - got["rss0_kib"]) / case["idle"], 0.0
    share = case["requests"] if scenario["per"] == "request" else case["bytes"] / scenarios.GIB
    return (got["cpu_s"] * scenario["scale"] / share, got["user_s"] * scenario["scale"] / share)


class Comparison:
    def __init__(self, args, name, progress):
        self.args, self.name, self.progress = args, name, progress
        self.scenario = scenarios.COMPARISONS[name](args.smoke)
        self.scenario["cases"] = [c for c in self.scenario["cases"] if args.case in c["name"]]
        every = clients.all_clients(args.build)
        self.clients = {n: every[n] for n in args.clients if every[n].is_there()}
        self.failures = []

    def runs(self):
        return [(self.name, case["name"], client) for group in self.groups()
                for _ in range(self.rounds()) for case in group for client in self.clients]

    def rounds(self):
        return 1 if self.args.smoke else self.args.rounds

    def groups(self):
        """The cases that are measured in turns, as they are compared with one another."""
        groups = {}
        for case in self.scenario["cases"]:
            groups.setdefault(case.get("against_case") or case["name"], []).append(case)
        return list(groups.values())

    def measure(self):
        most = max((case.get("bytes", 0) for case in self.scenario["cases"]), default=0)
        more = max(case.get("more_origins", 0) for case in self.scenario["cases"])
        nginx = Nginx(self.args.origin_cpu, body_bytes=most, more_origins=more)
        with open(os.path.join(nginx.dir, "upload"), "wb") as out:
            out.truncate(most)
        rows = []
        try:
            for group in self.groups():
                rows += self.measure_group(group, nginx)
        finally:
            nginx.stop()
        self.add_ratios(rows)
        able = {(row["case"], row["client"]) for row in rows}
        unable = [f"{client} ({case['name']})" for client in self.clients
                  for case in self.scenario["cases"] if (case["name"], client) not in able]
        return {"unable": unable, "name": self.name, "title": self.scenario["title"], "unit": self.scenario["unit"],
                "rows": rows}

    def run_once(self, client, case, work):
        cpu = None if case.get("unpinned") else self.args.client_cpu
        try:
            return client.run(work, cpu)
        except (RuntimeError, ValueError, IndexError) as error:
            self.failures.append(f"{self.name}, {case['name']}, {client.name}: {error}")
            say("failed: " + self.failures[-1])
            return None

    def measure_group(self, group, nginx):
        works = [work_of(case, nginx, nginx.dir) for case in group]
        results = [{name: [] for name in self.clients} for _ in group]
        for round_number in range(self.rounds()):
            for case, work, found in zip(group, works, results):
                self.measure_round(case, work, round_number, found)
        rows = []
        for case, work, found in zip(group, works, results):
            more = [self.row(case, name, runs) for name, runs in found.items() if runs]
            if case.get("count_calls") and not self.args.no_strace:
                for row in more:
                    self.add_calls(row, case, work)
            rows += more
        return rows

    def measure_round(self, case, work, round_number, results):
        for name, client in self.clients.items():
            run = (self.name, case["name"], name)
            began = self.progress.step(run, f"{self.name}, {case['name']}: {name}, "
                                            f"round {round_number + 1}/{self.rounds()}")
            got = self.run_once(client, case, work)
            self.progress.done(run, began)
            if got is not None:
                results[name].append((*figure_of(self.scenario, case, got), got))

    def row(self, case, name, found):
        best = min(found, key=lambda one: one[0])
        return {"case": case["name"], "client": name,
                "min": best[0], "user": best[1],
                "median": statistics.median(one[0] for one in found),
                "max": max(one[0] for one in found),
                "p50_us": min(one[2]["p50_us"] for one in found),
                "p99_us": min(one[2]["p99_us"] for one in found),
                "rps": max(one[2].get("rps", 0) for one in found),
                "connections": best[2]["connections"], "resumed": best[2]["resumed"],
                "max_rss_kib": best[2]["max_rss_kib"],
                "bar": case.get("bar") if name == "hearth" else None,
                "calls_bar": case.get("calls") if name == "hearth" else None,
                "against": case.get("against"), "against_case": case.get("against_case")}

    def add_calls(self, row, case, work):
        """System calls of a run of its own: tracing costs time."""
        few = dict(work)
        if case["requests"] > 4_000:
            few["requests"], few["warmup"] = 4_000, min(work.get("warmup", 0), 200)
        try:
            calls, done = clients.count_system_calls(self.clients[row["client"]], few,
                                                     self.args.client_cpu)
        except (RuntimeError, ValueError, IndexError):
            return
        if calls:
            total = sum(calls.values())
            row["calls"] = total
            row["calls_per_request"] = total / max(done, 1)
            row["most_calls"] = dict(list(calls.items())[:5])

    @staticmethod
    def add_ratios(rows):
        least = {(row["case"], row["client"]): row["min"] for row in rows}
        for row in rows:
            base = least.get((row["case"], "floor"))
            if row["against_case"]:
                base = least.get((row["against_case"], row["client"]))
            if row["against"]:
                others = [least[(row["case"], name)] for name in row["against"]
                          if (row["case"], name) in least]
                base = min(others) if others else None
            row["ratio"] = row["min"] / base if base else None
            if row["bar"] and row["ratio"]:
                row["is_within"] = row["ratio"] <= row["bar"] and \
                    (not row["calls_bar"] or row.get("calls", 0) <= row["calls_bar"])


def parse_arguments():
    alone = list(ALONE)
    names = list(scenarios.COMPARISONS) + alone
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="any of: " +
                        " ".join(list(GROUPS) + names))
    parser.add_argument("--build", default="build")
    parser.add_argument("--smoke", action="store_true", help="small sizes: do they run at all?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--clients", default="floor,hearth,beast,libcurl,go,undici,wrk,h2load")
    parser.add_argument("--case", default="", help="only the cases with this in their name")
    parser.add_argument("--no-strace", action="store_true", help="count no system calls")
    parser.add_argument("--client-cpu", type=int, default=0)
    parser.add_argument("--origin-cpu", type=int, default=max(0, (os.cpu_count() or 1) - 1))
    args = parser.parse_args()
    args.scenarios = [one for name in args.scenarios for one in GROUPS.get(name, [name])]
    unknown = [name for name in args.scenarios if name not in names]
    if unknown:
        parser.error("no such scenario: " + " ".join(unknown))
    args.clients = args.clients.split(",")
    unknown = [name for name in args.clients if name not in clients.all_clients(args.build)]
    if unknown:
        parser.error("no such client: " + " ".join(unknown))
    args.scenarios = args.scenarios or names
    return args


def main():
    args = parse_arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    progress = Progress(0)
    comparisons = {name: Comparison(args, name, progress) for name in args.scenarios
                   if name in scenarios.COMPARISONS}
    planned = [run for one in comparisons.values() for run in one.runs()]
    progress.total = len(planned) + sum(1 for n in args.scenarios if n not in comparisons)
    progress.plan(planned)
    found = {"machine": report.machine(), "commit": commit(), "rounds": args.rounds,
             "smoke": args.smoke, "comparisons": [], "alone": {}}
    failures = []
    passed = 0
    for name in args.scenarios:
        try:
            if name in comparisons:
                found["comparisons"].append(comparisons[name].measure())
                report.print_comparison(found["comparisons"][-1])
                failures += comparisons[name].failures
            else:
                began = progress.step(name, name)
                found["alone"][name] = ALONE[name](args, say)
                report.print_alone(name, found["alone"][name])
                progress.done(name, began)
            passed += 1
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            failures.append(f"{name}: {error}")
            say(f"failed: {failures[-1]}")
    for extension, text in (("json", json.dumps(found, indent=1)), ("html", report.page(found))):
        path = os.path.join(args.build, "bench-report." + extension)
        with open(path, "w") as out:
            out.write(text)
        say(f"written: {path}")
    for one in failures:
        print("failed: " + one)
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


def commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True,
                          text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
