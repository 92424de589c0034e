"""One hot origin and the second thread of a client, of hearth alone."""
import json
import subprocess

from origin import Nginx


def spread(args, say):
    """What a second thread brings where handlers have work to do, and how it comes and goes."""
    seconds, requests = (2, 200) if args.smoke else (6, 20_000)
    say(f"spread: {seconds} s with one thread, {seconds} s with two, then until one is enough")
    nginx = Nginx(args.origin_cpu)
    try:
        done = subprocess.run(
            [f"{args.build}/bench/scenario/spread_hearth", "--url", nginx.url(), "--ca", nginx.ca,
             "--seconds", str(seconds), "--requests", str(requests)],
            stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    finally:
        nginx.stop()
    got = json.loads(done.stdout)
    if got["failed"]:
        raise RuntimeError(f"{got['failed']} calls failed")
    return {"answers a second, one thread": round(got["one_rate"]),
            "answers a second, two threads": round(got["two_rate"]),
            "two threads, to one": round(got["two_rate"] / got["one_rate"], 2),
            "threads of the origin under load": got["threads"],
            "s until there were two": round(got["spread_after_s"], 2),
            "s of calm until there was one": round(got["gathered_after_s"], 2),
            "threads of the origin in the end": got["threads_in_the_end"],
            "connections opened with two": got["connections_opened"],
            "us of CPU of a call from the client's thread": round(got["own_us"], 2),
            "us of CPU of a call from another thread": round(got["hopping_us"], 2),
            "us of CPU of one hop between threads":
                round((got["hopping_us"] - got["own_us"]) / 2, 2)}


SCENARIOS = {"spread": spread}
