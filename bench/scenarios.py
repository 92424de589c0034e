"""What is compared: each scenario has cases, each case is a piece of work and the bar to reach.

`per` is what a figure is divided by: CPU microseconds per request or connection, milliseconds per
GiB, KiB per idle connection. `bar` is hearth's limit as a multiple of `against` (default: the
floor of the same case); `calls` is the limit of system calls in the whole run.
"""
GIB = 1 << 30
BEST_OF_GO_AND_CURL = ("go", "libcurl")


def small_get(smoke):
    count = 2_000 if smoke else 40_000
    cases = []
    for concurrency, bar in ((1, 1.15), (16, 1.20), (256, 1.10)):
        requests = count if concurrency > 1 or smoke else count // 2
        cases.append({"name": f"h1 c={concurrency}", "bar": bar, "path": "/",
                      "concurrency": concurrency, "requests": requests,
                      "warmup": max(requests // 20, 2 * concurrency), "count_calls": True})
    return {"title": "Small GET, keep-alive, HTTP/1.1, TLS 1.3", "unit": "CPU us per request",
            "per": "request", "scale": 1e6, "cases": cases}


def h2_small_get(smoke):
    count = 2_000 if smoke else 40_000
    cases = []
    for streams in (1, 32, 100):
        requests = count if streams > 1 or smoke else count // 2
        cases.append({"name": f"h2 {streams} streams", "bar": 1.15, "path": "/", "proto": "h2",
                      "concurrency": streams, "requests": requests,
                      "warmup": max(requests // 20, 2 * streams), "count_calls": True})
    return {"title": "Small GET, one connection, HTTP/2, TLS 1.3", "unit": "CPU us per request",
            "per": "request", "scale": 1e6, "cases": cases}


def download(smoke):
    size = 4 << 20 if smoke else GIB
    base = {"path": "/body", "requests": 1, "bytes": size, "count_calls": True}
    return {"title": "Download of 1 GiB", "unit": "CPU ms per GiB", "per": "gib", "scale": 1e3,
            "cases": [
                {**base, "name": "plain, to memory", "tls": False, "bar": 1.10},
                {**base, "name": "plain, to a file", "tls": False, "bar": 1.10, "to_file": True},
                {**base, "name": "TLS h1, to memory", "bar": 1.10, "calls": 33_000},
                {**base, "name": "TLS h1, to a file", "bar": 1.10, "to_file": True},
                {**base, "name": "TLS h2, to memory", "proto": "h2", "bar": 1.10,
                 "calls": 33_000}]}


def upload(smoke):
    size = 4 << 20 if smoke else GIB
    base = {"path": "/put", "requests": 1, "bytes": size, "count_calls": True, "upload_bytes": size}
    return {"title": "Upload of a file of 1 GiB", "unit": "CPU ms per GiB", "per": "gib",
            "scale": 1e3, "cases": [
                {**base, "name": "plain h1", "tls": False, "bar": 1.10, "calls": 5_000},
                {**base, "name": "TLS h1", "bar": 1.10, "calls": 10_000},
                {**base, "name": "TLS h2", "proto": "h2", "bar": 1.00,
                 "against": BEST_OF_GO_AND_CURL, "calls": 10_000}]}


def connect(smoke):
    base = {"path": "/", "requests": 50 if smoke else 1_500, "warmup": 10, "new_connections": True}
    return {"title": "A new connection for each request", "unit": "CPU us per connection",
            "per": "request", "scale": 1e6, "cases": [
                {**base, "name": "full handshake", "resume": 0, "bar": 0.95},
                {**base, "name": "full, certificate of an intermediate", "resume": 0,
                 "chain": True, "bar": 0.95},
                {**base, "name": "resumed", "resume": 1, "bar": 1.10},
                {**base, "name": "full, system CA bundle", "resume": 0, "bundle": True,
                 "bar": 1.05, "against_case": "full handshake"}]}


def idle(smoke):
    counts = (50,) if smoke else (1_000, 10_000)
    return {"title": "Idle TLS connections", "unit": "KiB per connection", "per": "idle",
            "scale": 1, "cases": [
                {"name": f"{count:,} connections", "path": "/", "requests": 1, "idle": count,
                 "bar": 1.10} for count in counts]}


def threads(smoke):
    count = 2_000 if smoke else 60_000
    def cases(of, **more):
        return [{"name": (f"{number} threads" if number > 1 else "1 thread") + of, "path": "/",
                 "concurrency": 64, "requests": count, "warmup": 640, "threads": number,
                 "unpinned": True, "bar": 1.10, "against_case": "1 thread" + of, **more}
                for number in (1, 2, 4)]
    return {"title": "Threads, h1 c=64", "unit": "CPU us per request", "per": "request",
            "scale": 1e6, "cases": cases("") + cases(", many origins", more_origins=15)}


COMPARISONS = {"small-get": small_get, "h2-small-get": h2_small_get, "download": download,
               "upload": upload, "connect": connect, "idle": idle, "threads": threads}
