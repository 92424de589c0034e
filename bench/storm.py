#!/usr/bin/env python3
"""Runs storms with every client in turn against the embedded origin, a CPU for each side.

Every run has a fresh origin and a fresh client. `goodput` is the share of arrivals the origin would have
answered at once that were answered by their deadline. `back ms` is the time from the end of the
disturbance to the first 100 ms bin that starts a second with at least 99 % of them in time.
"""
import argparse
import html
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

DELAY_MS, DEADLINE_MS, SLOW_MS, DISTURB_AT_S = 5, 50, 1000, 2
COLORS = {"hearth": "#c2410c", "go": "#0369a1", "libcurl": "#6b7280"}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Origin:
    def __init__(self, args, directory):
        self.ca = os.path.join(directory, "ca.pem")
        self.process = subprocess.Popen(
            ["taskset", "-c", str(args.origin_cpu), f"{args.build}/bench/scenario/storm_origin",
             "--ca-out", self.ca], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.cpu = []  # moments, and the seconds of CPU that were used by then
        self.is_over = threading.Event()
        self.watch = threading.Thread(target=self.watch_cpu, daemon=True)
        self.watch.start()

    def watch_cpu(self):
        tick = os.sysconf("SC_CLK_TCK")
        while not self.is_over.wait(0.1):
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
                fields = stat.read().rpartition(")")[2].split()
            self.cpu.append((time.monotonic(), (int(fields[11]) + int(fields[12])) / tick))

    def cpu_share(self, began, ended):
        """Of a core, between two moments."""
        seen = [point for point in self.cpu if began <= point[0] <= ended]
        if len(seen) < 2:
            return 0.0
        return (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.is_over.set()
        self.watch.join()
        self.process.stdin.close()
        counters = json.loads(self.process.stdout.readline())
        self.process.wait()
        return counters


# Arrivals faster than a core can serve; those without slow calls find out what it can. Of the calls it
# takes, 3 % that take a second hold up to 1,500 connections, and others are under way: with so many warm,
# no handshake is missing.
SLOPE_US = (40, 20, 10)
SLOPE_WARM = 2400


def case(group, interval, slow=0.0, seconds=8, warm=100, max_conns=0, stall_ms=0, command=None):
    name = f"{group} {interval} us"
    if group == "steady" or slow:
        name += f" {slow * 100:.0f} % slow"
    if max_conns:
        name += f", max {max_conns}"
    if stall_ms:
        name += f", {stall_ms} ms"
    if warm == SLOPE_WARM:
        name += f", {warm} warm"
    return {"group": group, "name": name, "interval": interval, "slow": slow, "seconds": seconds,
            "warm": warm, "max_conns": max_conns, "stall_ms": stall_ms, "command": command}


def all_cases(args):
    if args.quick:
        return [case("steady", 700, 0.03, 2, 20), case("hiccup", 700, 0, 5, 20, stall_ms=200),
                case("deploy", 700, 0, 5, 20, command="restart")]
    n = args.seconds
    if args.h2:
        return [case("steady", 100, 0.03, n), case("steady", 150, 0.10, n),
                case("hiccup", 200, 0, n, stall_ms=500), case("deploy", 200, 0, n, command="restart"),
                case("cold", 200, 0, n, warm=0)]
    cases = [case("steady", us, slow, n) for slow in (0.03, 0.10)
             for us in (1500, 700, 350, 200, 100)]
    cases += [case("limited", us, 0.03, n, max_conns=most) for most in (600, 100)
              for us in (350, 200)]
    cases += [case("hiccup", us, 0, n, stall_ms=500) for us in (1000, 700, 500, 350, 200)]
    cases += [case("hiccup", 350, 0, n, stall_ms=500, max_conns=most) for most in (600, 100)]
    cases += [case("hiccup", 350, 0, n + 5, stall_ms=5000)]
    cases += [case("neighbour", 350, 0.03, n), case("neighbour", 350, 0, n, stall_ms=500)]
    cases += [case("deploy", us, 0, n, command="restart") for us in (350, 200)]
    cases += [case("rotate", 350, 0, n, command="rotate"), case("cold", 200, 0, n, warm=0)]
    cases += [case("slope", us, slow, n, warm=warm) for warm in (100, SLOPE_WARM)
              for us in SLOPE_US for slow in (0.0, 0.03)]
    return cases


def is_disturbed(one):
    return bool(one["stall_ms"] or one["command"] or one["group"] == "cold")


class Neighbour:
    """Takes a third of a CPU, 10 ms at a time, while it is open."""
    WORK = ("import time\nwhile True:\n    end = time.monotonic() + 0.01\n"
            "    while time.monotonic() < end: pass\n    time.sleep(0.02)\n")

    def __init__(self, args, one):
        self.process = one["group"] == "neighbour" and subprocess.Popen(
            ["taskset", "-c", str(args.client_cpu), sys.executable, "-c", self.WORK])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()


def recover_ms(one, got):
    """From the end of the disturbance to the first bin that starts a good second; None: never."""
    size = got["bin_ms"]
    if not is_disturbed(one):
        return None
    end = 0 if one["group"] == "cold" else got["disturbed_s"] * 1000 + one["stall_ms"]
    per_second = 1000 // size
    first = int(-(-end // size))
    for bin_number in range(first, len(got["bin_ok"]) - per_second + 1):
        offered = sum(got["bin_offered"][bin_number:bin_number + per_second])
        if sum(got["bin_ok"][bin_number:bin_number + per_second]) >= 0.99 * offered:
            return max(0, round(bin_number * size - end))
    return None


def run(args, program, one):
    with tempfile.TemporaryDirectory(prefix="hearth-storm-") as directory, Neighbour(args, one):
        origin = Origin(args, directory)
        words = [program, "--url", origin.url, "--ca", origin.ca,
                 "--interval-us", one["interval"], "--duration-s", one["seconds"],
                 "--deadline-ms", DEADLINE_MS, "--delay-ms", DELAY_MS, "--slow-ms", SLOW_MS,
                 "--slow-fraction", one["slow"], "--seed", args.seed, "--warm", one["warm"]]
        if one["max_conns"]:
            words += ["--max-conns", one["max_conns"]]
        if one["stall_ms"]:
            words += ["--stall-at-s", DISTURB_AT_S, "--stall-for-ms", one["stall_ms"]]
        if args.h2:
            words += ["--h2"]
        client = subprocess.Popen(["taskset", "-c", str(args.client_cpu)] + [str(w) for w in words],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        timer = None
        if one["command"]:
            # Warming takes its /d/400 and the handshakes; the arrivals begin after it.
            wait = DISTURB_AT_S + (0.5 if one["warm"] else 0)
            timer = threading.Timer(wait, origin.command, [one["command"]])
            timer.start()
            commanded = time.monotonic() + wait
        try:
            out, errors = client.communicate(timeout=one["seconds"] * 4 + 60)
        except subprocess.TimeoutExpired:
            client.kill()
            out, errors = client.communicate()
            errors += " (did not end)"
        ended = time.monotonic()
        if timer:
            timer.join()
        counters = origin.stop()
    try:
        got = json.loads(out.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return {"error": errors.strip()[-200:] or f"exit {client.returncode}"}
    if "goodput" not in got:
        return got
    got["origin"] = counters
    got["origin_cpu"] = origin.cpu_share(ended - got["wall_s"], ended)
    # In seconds of due time; of a command it is known to some hundredths.
    got["disturbed_s"] = commanded - (ended - got["wall_s"]) if timer else DISTURB_AT_S
    got["recover_ms"] = recover_ms(one, got)
    return got


def median_of(runs):
    """The run with the median goodput, and the spread of all."""
    good = sorted((got for got in runs if "goodput" in got), key=lambda got: got["goodput"])
    if not good:
        return runs[0]
    middle = good[len(good) // 2]
    middle["spread"] = [got["goodput"] for got in good]
    return middle


def row_of(one, name, got):
    if "goodput" not in got:
        return [one["name"], name, got.get("error", "failed")] + [""] * 14
    back = got["recover_ms"]
    if not is_disturbed(one):
        back = "-"
    elif back is None:
        back = "never"
    spread = got.get("spread", [])
    spread = f"{spread[0]:.4f}-{spread[-1]:.4f}" if len(spread) > 1 else "-"
    return [one["name"], name, f"{got['goodput']:.4f}", spread, str(back), f"{got['p50_ms']:.1f}",
            f"{got['p99_ms']:.1f}", str(got["errors"]), str(got["conns_opened"]),
            str(got["origin"]["handshakes_full"]),
            f"{got['cpu_s'] / got['wall_s']:.2f}", f"{got.get('origin_cpu', 0):.2f}"] + ledger(got)


def ledger(got):
    """Where a client keeps one: CPU share of handshakes, the part of it that served somebody,
    handshakes per request answered in time, cancelled connections drained and closed."""
    if "hs" not in got:
        return ["-"] * 5
    share = got["hs_cpu_s"] / got["cpu_s"] if got["cpu_s"] else 0
    return [f"{share * 100:.0f}%",
            f"{got['hs_useful']}/{got['hs']}", f"{got['hs'] / max(got['ok'], 1):.4f}",
            str(got["drained"]), str(got["cancel_closed"])]


HEAD = ["case", "client", "goodput", "spread", "back ms", "p50 ms", "p99 ms", "errors", "opened",
        "handshakes", "CPU", "origin's", "hs CPU", "useful", "hs/ok", "drained", "closed"]


def print_table(rows):
    widths = [max(len(r[i]) for r in [HEAD] + rows) for i in range(len(HEAD))]
    for r in [HEAD] + rows:
        print("  ".join(cell.ljust(w) if i < 2 else cell.rjust(w)
                        for i, (cell, w) in enumerate(zip(r, widths))))


def chart(one, by_client):
    """Goodput over time, a line per client."""
    width, height, left, low = 560, 150, 36, 18
    parts = [f'<svg viewBox="0 0 {width} {height + low}" role="img" '
             f'aria-label="{html.escape(one["name"])}">']
    for share in (0, 0.5, 1):
        y = 8 + (height - 8) * (1 - share)
        parts.append(f'<line x1="{left}" x2="{width}" y1="{y}" y2="{y}" class="grid"/>'
                     f'<text x="{left - 4}" y="{y + 4}" text-anchor="end">{share * 100:.0f}%</text>')
    span = one["seconds"]
    if is_disturbed(one) and one["group"] != "cold":
        at = next((got["disturbed_s"] for got in by_client.values() if "disturbed_s" in got), 0)
        x = left + (width - left) * at / span
        wide = max((width - left) * one["stall_ms"] / 1000 / span, 2)
        parts.append(f'<rect x="{x:.1f}" y="8" width="{wide:.1f}" height="{height - 8}" '
                     'class="stall"/>')
    for second in range(0, span + 1, max(1, span // 8)):
        x = left + (width - left) * second / span
        parts.append(f'<text x="{x:.0f}" y="{height + 14}" text-anchor="middle">{second}s</text>')
    for name, got in by_client.items():
        if "goodput" not in got:
            continue
        points = []
        for i, (offered, ok) in enumerate(zip(got["bin_offered"], got["bin_ok"])):
            if offered:
                x = left + (width - left) * (i + 0.5) * got["bin_ms"] / 1000 / span
                points.append(f"{x:.1f},{8 + (height - 8) * (1 - ok / offered):.1f}")
        parts.append(f'<polyline points="{" ".join(points)}" stroke="{COLORS[name]}"/>')
    return "".join(parts) + "</svg>"


def page(results, rows):
    legend = " ".join(f'<b style="color:{color}">{name}</b>' for name, color in COLORS.items())
    charts = "".join(f"<figure><figcaption>{html.escape(one['name'])}</figcaption>"
                     f"{chart(one, clients)}</figure>" for one, clients in results)
    table = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in r) + "</tr>"
                    for r in rows)
    head = "".join(f"<th>{c}</th>" for c in HEAD)
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>hearth: storms</title>
<style>body{{font:14px/1.4 system-ui,sans-serif;margin:2em auto;max-width:1180px;color:#222}}
.charts{{display:grid;grid-template-columns:repeat(auto-fit,minmax(440px,1fr));gap:1em}}
figure{{margin:0}}svg{{width:100%;font-size:10px}}polyline{{fill:none;stroke-width:1.6}}
.grid{{stroke:#ddd}}.stall{{fill:#fde68a}}table{{border-collapse:collapse}}
td,th{{padding:2px 8px;text-align:right;border-bottom:1px solid #eee}}
td:first-child,td:nth-child(2),th:first-child,th:nth-child(2){{text-align:left}}</style>
<h1>Goodput over time</h1><p>{legend} &middot; share of the arrivals that a calm origin answers in
{DELAY_MS} ms which were answered within {DEADLINE_MS} ms, per 100 ms of due time. Yellow: the origin is
slow, or restarts.</p><div class="charts">{charts}</div><h2>Figures</h2>
<table><tr>{head}</tr>{table}</table></html>
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE",
                        help="what a case's name begins with, such as hiccup or 'steady 350'")
    parser.add_argument("--build", default="build")
    parser.add_argument("--quick", action="store_true", help="three short cases: does it run at all?")
    parser.add_argument("--seconds", type=int, default=8, help="arrivals of each run, at least 5")
    parser.add_argument("--rounds", type=int, default=1, help="the run of median goodput counts")
    parser.add_argument("--add", action="store_true",
                        help="keep what build/storm.json has of other cases")
    parser.add_argument("--clients", default="hearth,go,libcurl")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--h2", action="store_true",
                        help="over HTTP/2, with cases of its own; libcurl multi is left out")
    parser.add_argument("--client-cpu", type=int, default=0)
    parser.add_argument("--origin-cpu", type=int, default=max(0, (os.cpu_count() or 1) - 1))
    args = parser.parse_args()
    args.seconds = max(args.seconds, 5)
    programs = {"hearth": f"{args.build}/bench/hearth_storm",
                "go": f"{args.build}/bench/peers/storm_go",
                "libcurl": f"{args.build}/bench/peers/storm_curl"}
    unknown = [name for name in args.clients.split(",") if name not in programs]
    if unknown:
        parser.error("no such client: " + " ".join(unknown))
    programs = {name: programs[name] for name in args.clients.split(",")
                if not (args.h2 and name == "libcurl")}
    cases = [one for one in all_cases(args)
             if not args.cases or any(one["name"].startswith(given) for given in args.cases)]
    if not cases:
        parser.error("no such case: " + " ".join(args.cases))
    results = measure(args, programs, cases)
    kept = os.path.join(args.build, "storm.json")
    if args.add and os.path.exists(kept):
        with open(kept) as old:
            names = [one["name"] for one, _ in results]
            results = [(r["case"], r["clients"]) for r in json.load(old)
                       if r["case"]["name"] not in names] + results
        order = [one["name"] for one in all_cases(args)]
        results.sort(key=lambda r: order.index(r[0]["name"]) if r[0]["name"] in order else -1)
    rows = [row_of(one, name, got) for one, clients in results for name, got in clients.items()]
    print_table(rows)
    with open(kept, "w") as out:
        json.dump([{"case": one, "clients": clients} for one, clients in results], out)
    with open(os.path.join(args.build, "storm.html"), "w") as out:
        out.write(page(results, rows))
    say(f"written: {args.build}/storm.json {args.build}/storm.html")
    return 1 if any("goodput" not in got for _, clients in results
                    for got in clients.values()) else 0


def measure(args, programs, cases):
    """A round has every case: what the machine does for some minutes is in all of them."""
    left = sum(one["seconds"] + 2 for one in cases) * len(programs) * args.rounds
    runs, number = [{name: [] for name in programs} for _ in cases], 0
    for _ in range(args.rounds):
        for one, of_case in zip(cases, runs):
            for name, program in programs.items():
                number += 1
                began = time.monotonic()
                got = run(args, program, one)
                left -= one["seconds"] + 2
                of_case[name].append(got)
                row = row_of(one, name, median_of([got]))
                say(f"[{number}/{len(cases) * len(programs) * args.rounds}] {one['name']}, {name}: "
                    f"goodput {row[2]}, back {row[4]}, {time.monotonic() - began:.0f} s; "
                    f"{left // 60} min {left % 60} s left")
    print_slopes(cases, runs)
    return [(one, {name: median_of(got) for name, got in of_case.items()})
            for one, of_case in zip(cases, runs)]


def print_slopes(cases, runs):
    """What slow calls leave of a core's goodput: each run to that without them right before it."""
    for i, one in enumerate(cases[1:], 1):
        without = cases[i - 1]
        if one["group"] != "slope" or not one["slow"] or (
                without["interval"], without["warm"], without["slow"]) != (
                one["interval"], one["warm"], 0.0):
            continue
        for name, got in runs[i].items():
            ratios = sorted(a["goodput"] / b["goodput"] for a, b in zip(got, runs[i - 1][name])
                            if a.get("goodput") and b.get("goodput"))
            if ratios:
                print(f"{one['name']}, {name}: {statistics.median(ratios):.2f} "
                      f"({ratios[0]:.2f}-{ratios[-1]:.2f}) of the goodput without slow calls")


sys.exit(main())
