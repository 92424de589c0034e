"""HTTP/2 scenarios of hearth alone: cancelled exchanges, callers that do not read, and servers that
end their connections. Each returns a flat dictionary and raises when a limit is broken."""
import json
import os
import signal
import statistics
import subprocess
import tempfile

from origin import Nginx, free_port, wait_for_port

SMALL = 20_000  # octets of what is downloaded while exchanges are cancelled
LARGE = 10 << 20


def make_certificate(directory):
    """A certificate for 127.0.0.1 that is its own authority."""
    paths = [os.path.join(directory, name) for name in ("key.pem", "cert.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", paths[0], "-out", paths[1], "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
    return paths


class Server:
    """A server program for as long as a `with` block lasts."""

    def __init__(self, args, make_command):
        self.directory = tempfile.TemporaryDirectory(prefix="hearth-bench-")
        self.port = free_port()
        key, self.ca = make_certificate(self.directory.name)
        command = make_command(self.directory.name, self.port, key, self.ca)
        self.process = subprocess.Popen(["taskset", "-c", str(args.origin_cpu)] + command,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.port)

    def url(self, path):
        return f"https://127.0.0.1:{self.port}{path}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.directory.cleanup()


def nghttpd(directory, port, key, certificate):
    with open(os.path.join(directory, "small"), "wb") as out:
        out.truncate(SMALL)
    return ["nghttpd", "--htdocs", directory, str(port), key, certificate]


def go_server(args):
    program = os.path.abspath(f"{args.build}/bench/go_server")
    source = os.path.join(os.path.dirname(__file__), "../tests/interop/go_server/main.go")
    subprocess.run(["go", "build", "-o", program, source], check=True,
                   env={**os.environ, "GO111MODULE": "off"})
    return lambda _, port, key, certificate: [
        program, "-plain", f"127.0.0.1:{free_port()}", "-tls", f"127.0.0.1:{port}", "-key", key,
        "-cert", certificate]


def streams(args, mode, server, path, *options):
    command = ["taskset", "-c", str(args.client_cpu), f"{args.build}/bench/scenario/streams_hearth",
               mode, "--url", server.url(path), "--ca", server.ca] + [str(o) for o in options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    return json.loads(done.stdout)


def h2_cancel(args, say):
    """200,000 exchanges, half of them cancelled at random moments, against nghttpd and Go."""
    count = 4_000 if args.smoke else 200_000
    found = {"requests": count}
    cases = {"nghttpd": (nghttpd, "/small", ()),
             "go": (go_server(args), f"/bytes?n={SMALL}", ("--upload-url",))}
    for name, (command, path, extra) in cases.items():
        say(f"h2-cancel: {count} exchanges with {name}")
        with Server(args, command) as server:
            words = list(extra) + ([server.url("/upload")] if extra else [])
            got = streams(args, "cancel", server, path, "--requests", count, "--concurrency", 100,
                          *words)
        for key, value in got.items():
            if key != "requests":
                found[f"{name}: {key}"] = value
        lost = got["closed_by_peer"] + got["closed_by_peer_error"]
        if got["siblings_failed"] or lost:
            raise RuntimeError(f"{name}: {got['siblings_failed']} siblings failed, {lost} "
                               f"connections lost: {got}")
        if got["ok"] + got["cancelled"] != count:
            raise RuntimeError(f"{name}: {count} calls, {got['ok']} + {got['cancelled']} results")
    return found


def h2_idle_reader(args, say):
    """100 downloads of 10 MiB at once, all read, and with one that nobody reads."""
    rounds = 1 if args.smoke else 5
    size = 1 << 20 if args.smoke else LARGE
    took = {0: [], 1: []}
    with Server(args, go_server(args)) as server:
        for number in range(rounds):
            say(f"h2-idle-reader: round {number + 1} of {rounds}")
            for idle in took:
                got = streams(args, "downloads", server, f"/bytes?n={size}", "--concurrency", 100,
                              "--idle-readers", idle)
                if got["failed"] or got["bytes"] != size * (100 - idle):
                    raise RuntimeError(f"downloads failed: {got}")
                took[idle].append(got["seconds"] / (100 - idle))
    best = {idle: min(seconds) for idle, seconds in took.items()}
    return {"octets each": size, "rounds": rounds, "connections": got["opened"],
            "ms per download, all read": round(best[0] * 1e3, 2),
            "ms per download, one never read": round(best[1] * 1e3, 2),
            "median ms, all read": round(statistics.median(took[0]) * 1e3, 2),
            "median ms, one never read": round(statistics.median(took[1]) * 1e3, 2),
            "ratio of minima": round(best[1] / best[0], 3),
            "rss_kib_last": got["rss_kib_last"]}


def h2_goaway(args, say):
    """10,000 exchanges with a server that sends GOAWAY every 500 requests."""
    count = 2_000 if args.smoke else 10_000
    say(f"h2-goaway: {count} exchanges")
    nginx = Nginx(args.origin_cpu, keepalive_requests=500)
    try:
        done = subprocess.run(
            [f"{args.build}/bench/hearth_load", "--url", nginx.url(), "--ca", nginx.ca, "--proto",
             "h2", "--concurrency", "32", "--requests", str(count)], stdout=subprocess.PIPE,
            text=True, check=False, timeout=600)
    finally:
        nginx.stop()
    got = json.loads(done.stdout)
    if got["errors"] or got["ok"] != count:
        raise RuntimeError(f"{got['errors']} errors of {count}")
    return {"requests": count, "ok": got["ok"], "errors": got["errors"],
            "connections": got["connections"], "p99_us": got["p99_us"]}


SCENARIOS = {"h2-cancel": h2_cancel, "h2-idle-reader": h2_idle_reader, "h2-goaway": h2_goaway}
