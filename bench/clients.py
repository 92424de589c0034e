"""The clients of a comparison: how each is called, and its figures in one form.

A figure is a dictionary with ok, cpu_s, user_s, system_s, wall_s, p50_us, p99_us, rss0_kib,
rss_idle_kib, max_rss_kib, first_us, connections, resumed; None stands for "this client cannot do it".
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

UNSUPPORTED = 64  # exit code


def run_measured(command, cpu, env=None):
    """Runs a command on a CPU: exit code, stdout, stderr, its resource usage."""
    pinned = command if cpu is None else ["taskset", "-c", str(cpu)] + command
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(pinned, stdout=subprocess.PIPE, stderr=errors,
                                   env={**os.environ, **(env or {})})
        text = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        return process.returncode, text, errors.read().decode(errors="replace"), usage


class LoadClient:
    """A program with the contract of hearth_load."""

    def __init__(self, name, command, env=None, h2_command=None):
        self.name, self.command, self.env = name, command, env
        self.h2_command = h2_command or command

    def is_there(self):
        return shutil.which(self.command[0]) is not None and all(
            os.path.exists(part) for part in self.command[1:])

    def arguments(self, work):
        others = [word for url in work.get("more_urls", ()) for word in ("--url", url)]
        given = ["--url", work["url"]] + others + ["--ca", work["ca"], "--proto", work.get("proto", "h1"),
                 "--concurrency", str(work.get("concurrency", 1)),
                 "--requests", str(work["requests"]), "--warmup", str(work.get("warmup", 0))]
        for option in ("upload", "sink", "idle", "threads", "resume"):
            if option in work:
                given += [f"--{option}", str(work[option])]
        if work.get("new_connections"):
            given.append("--new-connections")
        return given

    def run(self, work, cpu, prefix=()):
        if "more_urls" in work and self.name != "hearth":
            return None
        program = self.h2_command if work.get("proto") == "h2" else self.command
        command = list(prefix) + program + self.arguments(work)
        code, text, errors, _ = run_measured(command, cpu, self.env)
        if code == UNSUPPORTED:
            return None
        if code != 0 and "idle" not in work:
            raise RuntimeError(f"{self.name} failed ({code}): {errors.strip()[-400:]}")
        got = json.loads(text.strip().splitlines()[-1])
        got["user_s"], got["system_s"] = got["cpu_user_s"], got["cpu_sys_s"]
        got["cpu_s"] = got["user_s"] + got["system_s"]
        return got


class ToolClient:
    """A load generator that has its own output; its CPU time is that of the whole process."""

    def __init__(self, name):
        self.name = name

    def is_there(self):
        return shutil.which(self.name) is not None

    def can(self, work):
        return not any(work.get(k) for k in ("upload", "idle", "new_connections", "more_urls")) and \
            "sink" not in work and work.get("threads", 1) == 1

    def run(self, work, cpu, prefix=()):
        command = self.arguments(work) if self.can(work) else None
        if command is None:
            return None
        code, text, errors, usage = run_measured(list(prefix) + command, cpu)
        if code != 0:
            raise RuntimeError(f"{self.name} failed ({code}): {errors.strip()[-400:]}")
        done, latency = self.parse(text)
        scale = work["requests"] / max(done, 1)  # as if it had done the requests wanted
        return {"ok": done, "cpu_s": (usage.ru_utime + usage.ru_stime) * scale,
                "user_s": usage.ru_utime * scale, "system_s": usage.ru_stime * scale,
                "wall_s": 0, "p50_us": latency, "p99_us": 0, "first_us": 0, "connections": 0,
                "resumed": 0, "max_rss_kib": usage.ru_maxrss}


class Wrk(ToolClient):
    def arguments(self, work):
        if work.get("proto", "h1") != "h1":
            return None
        seconds = 1 if work["requests"] < 5000 else 3
        return ["wrk", "-t1", "-c", str(work.get("concurrency", 1)), "-d", f"{seconds}s",
                "--latency", work["url"]]

    @staticmethod
    def parse(text):
        done = int(re.search(r"(\d+) requests in", text).group(1))
        value, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", text).groups()
        return done, round(float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit])


class H2load(ToolClient):
    def arguments(self, work):
        count = str(work.get("concurrency", 1))
        shape = ["-c", count, "-m", "1", "--h1"]
        if work.get("proto", "h1") == "h2":
            shape = ["-c", "1", "-m", count]
        return ["h2load", "-t", "1", "-n", str(work["requests"])] + shape + [work["url"]]

    @staticmethod
    def parse(text):
        return int(re.search(r"(\d+) succeeded", text).group(1)), 0


def all_clients(build):
    node_path = {"NODE_PATH": "/usr/share/nodejs:" + os.environ.get("NODE_PATH", "")}
    here = os.path.dirname(os.path.abspath(__file__))
    return {one.name: one for one in (
        LoadClient("floor", [f"{build}/bench/peers/load_floor"],
                   h2_command=[f"{build}/bench/peers/load_floor_h2"]),
        LoadClient("hearth", [f"{build}/bench/hearth_load"]),
        LoadClient("beast", [f"{build}/bench/peers/load_beast"]),
        LoadClient("libcurl", [f"{build}/bench/peers/load_curl"]),
        LoadClient("go", [f"{build}/bench/peers/load_go"]),
        LoadClient("undici", ["node", f"{here}/peers/load_undici.js"], node_path),
        Wrk("wrk"),
        H2load("h2load"),
    )}


def count_system_calls(client, work, cpu):
    """System calls of a run by name, by strace, and how many requests it did; None: unknown."""
    if shutil.which("strace") is None or sys.platform != "linux":
        return None, 0
    with tempfile.NamedTemporaryFile("r") as summary:
        prefix = ["strace", "-f", "-c", "-S", "calls", "-U", "name,calls", "-o", summary.name]
        got = client.run(work, cpu, prefix)
        if got is None:
            return None, 0
        calls = {}
        for line in summary:
            words = line.split()
            if len(words) == 2 and words[1].isdigit() and words[0] != "total":
                calls[words[0]] = int(words[1])
    return calls, got["ok"] + work.get("warmup", 0)
