"""Instructions by callgrind, where the machine's noise hides a change: the difference between a
long and a short run, divided by what the long one did more, so that start and warm-up cancel out."""
import os
import re
import shutil
import subprocess
import tempfile

import clients
from origin import Nginx

EVERY = ("floor", "hearth", "beast", "libcurl")
KINDS = (("h1", 1, EVERY), ("h1", 16, EVERY), ("h2", 1, ("floor", "hearth")),
         ("h2", 32, ("floor", "hearth")), ("h2", 100, ("floor", "hearth")))
CONNECTIONS = (("full handshake", 0), ("resumed", 1))
POOLS = ((1, 0), (100, 0), (10_000, 0), (1, 10_000))  # origins, waiters


def instructions_of(command):
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out"] + command,
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} under valgrind: {done.stderr.strip()[-300:]}")
        return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def per_unit(command_of, few, many):
    return round((instructions_of(command_of(many)) - instructions_of(command_of(few))) /
                 (many - few))


def need_valgrind():
    if shutil.which("valgrind") is None:
        raise RuntimeError("valgrind is not installed")


def instruction_cases(smoke):
    """Name, clients, what is to be done, and how much of it in the short and in the long run."""
    sizes = (100, 300) if smoke else (2_000, 6_000)
    for proto, concurrency, names in KINDS:
        yield f"{proto} c={concurrency}", names, {"proto": proto, "concurrency": concurrency}, sizes
    sizes = (10, 20) if smoke else (50, 250)
    for name, resume in CONNECTIONS:
        yield (f"new connection, {name}:", EVERY,
               {"concurrency": 1, "warmup": 10, "new_connections": True, "resume": resume}, sizes)


def per_request(args, say):
    """Instructions in user space per small GET over TLS, on warm and on new connections."""
    need_valgrind()
    nginx = Nginx(args.origin_cpu)
    found = {}
    every = clients.all_clients(args.build)
    try:
        for title, names, work, (few, many) in instruction_cases(args.smoke):
            for name in names:
                client = every[name]
                case = f"{title} {name}"
                if name not in args.clients or not client.is_there() or args.case not in case:
                    continue
                say(f"instructions: {case}")

                def command(count, client=client, work=work):
                    program = client.h2_command if work.get("proto") == "h2" else client.command
                    return program + client.arguments(
                        {"url": nginx.url(), "ca": nginx.ca, "requests": count, **work})
                found[case] = per_unit(command, few, many)
    finally:
        nginx.stop()
    return found


def calm(args, say):
    """What all there is against overload costs while nothing is wrong: small GETs over TLS, h1, each
    with a deadline, everything on and everything off."""
    few, many = (100, 300) if args.smoke else (2_000, 6_000)
    requests, rounds = (500, 1) if args.smoke else (100_000, 5)
    nginx = Nginx(args.origin_cpu)
    program = os.path.join(args.build, "bench/hearth_load")
    every = {"on": clients.LoadClient("on", [program, "--deadline-ms", "60000"]),
             "off": clients.LoadClient("off", [program, "--deadline-ms", "60000", "--unprotected"])}
    found = {}
    try:
        for concurrency in (1, 16):
            work = {"url": nginx.url(), "ca": nginx.ca, "concurrency": concurrency}
            figures = {name: [] for name in every}
            for round_number in range(rounds):
                for name, client in every.items():
                    say(f"calm: protections {name}, c={concurrency}, round {round_number + 1}")
                    figures[name].append(client.run(
                        {**work, "requests": requests, "warmup": 1_000}, args.client_cpu))
            for figure in ("p50_us", "p99_us"):
                for name, got in figures.items():
                    values = sorted(one[figure] for one in got)
                    found[f"c={concurrency} {name}: {figure}, lowest to highest"] = \
                        f"{values[0]:.0f}-{values[-1]:.0f}"
            if not shutil.which("valgrind"):
                continue
            for name, client in every.items():
                say(f"calm: instructions, protections {name}, c={concurrency}")

                def command(count, client=client, work=work):
                    return client.command + client.arguments({**work, "requests": count})
                found[f"c={concurrency} {name}: instructions"] = per_unit(command, few, many)
            on, off = (found[f"c={concurrency} {name}: instructions"] for name in every)
            found[f"c={concurrency}: instructions, on to off"] = round(on / off, 4)
    finally:
        nginx.stop()
    return found


def pool(args, say):
    """The pool's core alone: time, allocations and instructions per acquire and release."""
    program = os.path.join(args.build, "bench/micro/pool_cycle")
    cycles = 20_000 if args.smoke else 2_000_000
    found = {}
    for origins, waiters in POOLS:
        name = f"{origins:,} origins, {waiters:,} waiters"
        say("pool: " + name)
        done = subprocess.run(
            ["taskset", "-c", str(args.client_cpu), program, "--origins", str(origins),
             "--waiters", str(waiters), "--cycles", str(cycles)],
            capture_output=True, text=True, check=True)
        for field in re.findall(r'"(\w+)":([\d.]+)', done.stdout):
            if field[0] in ("ns_per_cycle", "allocations"):
                found[f"{name}: {field[0]}"] = float(field[1])
        if shutil.which("valgrind"):
            def command(count, origins=origins, waiters=waiters):
                return [program, "--origins", str(origins), "--waiters", str(waiters),
                        "--cycles", str(count)]
            found[f"{name}: instructions"] = per_unit(command, 1_000, 11_000)
    return found


SCENARIOS = {"instructions": per_request, "pool": pool, "calm": calm}
