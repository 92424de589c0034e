"""How long the first request takes, of hearth alone: cold, and after `warm`."""
import json
import subprocess

from origin import Nginx


def first(args, say):
    """Medians of many clients, and of the requests that follow on the same connections."""
    rounds, requests = (3, 3) if args.smoke else (100, 10)
    say(f"first: {rounds} clients cold, {rounds} warmed, {requests} requests behind each")
    nginx = Nginx(args.origin_cpu)
    try:
        done = subprocess.run(
            ["taskset", "-c", str(args.client_cpu), f"{args.build}/bench/scenario/first_hearth",
             "--url", nginx.url(), "--ca", nginx.ca, "--rounds", str(rounds), "--requests",
             str(requests)], stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    finally:
        nginx.stop()
    got = json.loads(done.stdout)
    following = got["following_us"]
    return {"clients": rounds, "us, cold": round(got["cold_us"], 1),
            "us, after warm": round(got["first_after_warm_us"], 1),
            "us, those that follow": round(following, 1),
            "after warm, to those that follow": round(got["first_after_warm_us"] / following, 2)}


SCENARIOS = {"first": first}
