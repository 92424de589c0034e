"""Scenarios of hearth alone that take their time: a million requests, and an origin that comes and
goes. Each returns a flat dictionary, its limits included."""
import json
import os
import resource
import subprocess
import threading
import time

from origin import Nginx


def sockets_of(pid):
    count = 0
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                    count += 1
            except OSError:
                pass
    except OSError:
        pass
    return count


def resident_kib(pid):
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize() // 1024
    except (OSError, IndexError):
        return None


def million(args, say):
    """1,000,000 requests, concurrency 256, 4 threads, nginx closes after 1,000 requests each."""
    requests = 20_000 if args.smoke else 1_000_000
    nginx = Nginx(args.origin_cpu, keepalive_requests=1000)
    samples = []
    try:
        process = subprocess.Popen(
            [f"{args.build}/bench/hearth_load", "--url", nginx.url(), "--ca", nginx.ca, "--proto",
             "h1", "--concurrency", "256", "--requests", str(requests), "--threads", "4"],
            stdout=subprocess.PIPE, text=True)
        began = time.monotonic()
        while process.poll() is None:
            samples.append((time.monotonic() - began, sockets_of(process.pid),
                            resident_kib(process.pid)))
            if len(samples) % 50 == 0:
                say(f"million: {samples[-1][0]:.0f} s, {samples[-1][1]} sockets, "
                    f"{samples[-1][2]} KiB resident")
            time.sleep(0.1)
        got = json.loads(process.stdout.read())
    finally:
        nginx.stop()
    wall = samples[-1][0]
    memory = [s[2] for s in samples if s[0] > wall * 0.1 and s[2]] or [0]
    if got["errors"] or got["ok"] != requests:
        raise RuntimeError(f"{got['errors']} errors of {requests} requests")
    if max(s[1] for s in samples) > 256:
        raise RuntimeError("more than 256 sockets at once")
    return {"requests": requests, "ok": got["ok"], "errors": got["errors"],
            "connections_in_all": got["connections"],
            "most_sockets_at_once": max(s[1] for s in samples),
            "rss_kib_after_10_percent": memory[0], "rss_kib_most_after": max(memory),
            "rss_kib_last": memory[-1], "requests_per_second": round(got["rps"])}


def restart(args, say):
    """nginx is killed and started again, some fifty times, under 64 concurrent GETs."""
    restarts = 3 if args.smoke else args.restarts
    period = 0.9
    nginx = Nginx(args.origin_cpu)
    stop_after = restarts * period + 3
    lines = []
    events = []
    try:
        process = subprocess.Popen(
            [f"{args.build}/bench/scenario/restart_hearth", "--url", nginx.url(), "--ca", nginx.ca,
             "--concurrency", "64", "--duration-s", str(int(stop_after) + 1)],
            stdout=subprocess.PIPE, text=True)
        reader = threading.Thread(
            target=lambda: lines.extend((time.monotonic(), json.loads(l)) for l in process.stdout))
        reader.start()
        time.sleep(1.5)
        for number in range(restarts):
            nginx.kill()
            time.sleep(0.2)
            nginx.start()
            events.append(time.monotonic())
            if (number + 1) % 10 == 0 or number + 1 == restarts:
                say(f"restart: {number + 1} of {restarts}")
            time.sleep(period - 0.2)
        process.wait()
        reader.join()
    finally:
        nginx.stop()
    recoveries = []
    for back in events:
        first = next((when for when, line in lines
                      if when > back and line.get("ok", 0) > 0 and "tenth" in line), None)
        recoveries.append(None if first is None else first - back)
    total = lines[-1][1]
    lost = sum(1 for r in recoveries if r is None)
    if total["failed_unsent"]:
        raise RuntimeError(f"{total['failed_unsent']} calls failed that could have been repeated")
    if lost:
        raise RuntimeError(f"no answer after {lost} of {restarts} restarts")
    if total["fds_last"] > total["fds_first"] + 64:  # a connection of each caller
        raise RuntimeError(f"descriptors: {total['fds_first']} before, {total['fds_last']} after")
    return {"restarts": restarts, **total,
            "slowest_recovery_s": round(max(recoveries), 2), "never_recovered": lost}


SCENARIOS = {"million": million, "restart": restart}
