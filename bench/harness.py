#!/usr/bin/env python3
"""Runs scenarios against a real nginx, client and origin on a CPU each, clients interleaved.

Figures are the client's own: CPU time by getrusage between warm-up and last answer. Rounds are
interleaved so that a slow moment of the machine hits all clients; the minimum and the median over
the rounds are printed, ratios are of minima.
"""
import argparse
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time


def say(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nginx:
    """nginx with a throw-away certificate on a free port, on the last CPU."""

    def __init__(self, cpu, keepalive_requests=100_000_000):
        self.dir = tempfile.mkdtemp(prefix="hearth-bench-")
        self.cpu = cpu
        self.port = free_port()
        self.ca = os.path.join(self.dir, "cert.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", f"{self.dir}/key.pem", "-out", self.ca, "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, stderr=subprocess.DEVNULL)
        with open(f"{self.dir}/nginx.conf", "w") as out:
            out.write(f"""
daemon off; worker_processes 1; pid {self.dir}/pid; error_log {self.dir}/error.log;
worker_rlimit_nofile 65536;
events {{ worker_connections 16000; }}
http {{
  access_log off; keepalive_requests {keepalive_requests}; keepalive_timeout 75s;
  client_body_temp_path {self.dir}/b; proxy_temp_path {self.dir}/p; fastcgi_temp_path {self.dir}/f;
  uwsgi_temp_path {self.dir}/u; scgi_temp_path {self.dir}/s;
  server {{
    listen 127.0.0.1:{self.port} ssl backlog=4096;
    ssl_certificate {self.dir}/cert.pem; ssl_certificate_key {self.dir}/key.pem;
    ssl_protocols TLSv1.3;
    location / {{ return 200 "hello"; }}
  }}
}}
""")
        self.process = None
        self.start()

    def url(self, path="/"):
        return f"https://127.0.0.1:{self.port}{path}"

    def start(self):
        self.process = subprocess.Popen(
            ["taskset", "-c", str(self.cpu), "nginx", "-e", f"{self.dir}/error.log",
             "-c", f"{self.dir}/nginx.conf"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError("nginx did not start; see " + self.dir)

    def kill(self):
        """Ends master and workers at once, with all their connections."""
        subprocess.run(["pkill", "-KILL", "-P", str(self.process.pid)], check=False)
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def run_client(command, cpu):
    pinned = command if cpu is None else ["taskset", "-c", str(cpu)] + command
    done = subprocess.run(pinned, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def small_get(args, report):
    """CPU per small keep-alive GET over TLS 1.3, hearth beside plain Beast and libcurl multi."""
    clients = {"hearth": f"{args.build}/bench/hearth_load",
               "beast": f"{args.build}/bench/scenario/small_get_beast",
               "libcurl": f"{args.build}/bench/scenario/small_get_curl"}
    requests = 2_000 if args.smoke else 60_000
    rounds = 1 if args.smoke else args.rounds
    nginx = Nginx(args.origin_cpu)
    rows = []
    try:
        for concurrency in (1, 16, 256):
            results = {name: [] for name in clients}
            for round_number in range(rounds):
                for name, program in clients.items():
                    say(f"small-get c={concurrency} round {round_number + 1}/{rounds}: {name}")
                    got = run_client(
                        [program, "--url", nginx.url(), "--ca", nginx.ca, "--proto", "h1",
                         "--concurrency", str(concurrency), "--requests", str(requests),
                         "--warmup", str(max(requests // 20, 2 * concurrency))], args.client_cpu)
                    user = got["cpu_user_s"] * 1e6 / requests
                    system = got["cpu_sys_s"] * 1e6 / requests
                    results[name].append((user + system, user, got["p50_us"], got["p99_us"]))
            base = min(r[0] for r in results["hearth"])
            for name, all_rounds in results.items():
                best = min(all_rounds)
                rows.append({
                    "concurrency": concurrency, "client": name,
                    "cpu_us_min": round(best[0], 2),
                    "cpu_us_median": round(statistics.median(r[0] for r in all_rounds), 2),
                    "user_us_min": round(min(r[1] for r in all_rounds), 2),
                    "p50_us": min(r[2] for r in all_rounds),
                    "p99_us": min(r[3] for r in all_rounds),
                    "ratio_to_hearth": round(best[0] / base, 2)})
    finally:
        nginx.stop()
    report["small-get"] = rows
    print(f"small GET over TLS 1.3, CPU of the client per request ({rounds} rounds of {requests})")
    print(f"{'c':>4} {'client':>8} {'us min':>7} {'median':>7} {'user':>6} {'p50':>6} {'p99':>6} "
          f"{'/hearth':>8}")
    for r in rows:
        print(f"{r['concurrency']:>4} {r['client']:>8} {r['cpu_us_min']:>7.2f} "
              f"{r['cpu_us_median']:>7.2f} {r['user_us_min']:>6.2f} {r['p50_us']:>6} "
              f"{r['p99_us']:>6} {r['ratio_to_hearth']:>8.2f}")


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


def million(args, report):
    """1,000,000 requests at concurrency 256 from 4 threads; nginx closes after 1,000 requests each."""
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
    memory = [s[2] for s in samples if s[0] > wall * 0.1 and s[2]]
    row = {"requests": requests, "ok": got["ok"], "errors": got["errors"],
           "connections_in_all": got["connections"],
           "most_sockets_at_once": max(s[1] for s in samples),
           "rss_kib_after_10_percent": memory[0], "rss_kib_most_after": max(memory),
           "rss_kib_last": memory[-1], "rps": round(got["rps"])}
    report["million"] = row
    print("1,000,000 requests, concurrency 256, 4 threads, nginx keepalive_requests 1000")
    for name, value in row.items():
        print(f"  {name:<26} {value}")


def restart(args, report):
    """nginx is killed and started again under load, some fifty times."""
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
    last = lines[-1][1]
    recoveries = []
    for back in events:
        first = next((when for when, line in lines
                      if when > back and line.get("ok", 0) > 0 and "tenth" in line), None)
        recoveries.append(None if first is None else first - back)
    row = {"restarts": restarts, **last,
           "slowest_recovery_s": round(max(r for r in recoveries if r is not None), 2),
           "never_recovered": sum(1 for r in recoveries if r is None)}
    report["restart"] = row
    print(f"nginx killed and started again {restarts} times under 64 concurrent GETs")
    for name, value in row.items():
        print(f"  {name:<26} {value}")


SCENARIOS = {"small-get": small_get, "million": million, "restart": restart}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO",
                        help="any of: " + " ".join(SCENARIOS))
    parser.add_argument("--build", default="build")
    parser.add_argument("--smoke", action="store_true", help="small sizes: do they run at all?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--client-cpu", type=int, default=0)
    parser.add_argument("--origin-cpu", type=int, default=max(0, (os.cpu_count() or 1) - 1))
    args = parser.parse_args()
    unknown = [name for name in args.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error("no such scenario: " + " ".join(unknown))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    report = {}
    for name in args.scenarios or SCENARIOS:
        SCENARIOS[name](args, report)
    path = os.path.join(args.build, "bench-report.json")
    with open(path, "w") as out:
        json.dump(report, out, indent=1)
    say(f"written: {path}")


main()
