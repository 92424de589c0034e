"""What a run found, for people: tables on the terminal, and one self-contained HTML page."""
import html
import os
import platform
import time

COLORS = {"floor": "#64748b", "hearth": "#c2410c", "beast": "#7c3aed", "libcurl": "#0f766e",
          "go": "#0369a1", "undici": "#4d7c0f", "wrk": "#a16207", "h2load": "#9d174d"}


def machine():
    model = "unknown processor"
    try:
        with open("/proc/cpuinfo") as info:
            model = next(line.split(":", 1)[1].strip() for line in info
                         if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    system = platform.system()
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", system)
    except OSError:
        pass
    return {"processor": model, "processors": os.cpu_count(), "system": system,
            "kernel": platform.release(), "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())}


def number(value, digits=2):
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def verdict(row):
    if row.get("bar") is None or row.get("ratio") is None:
        return ""
    calls = f", {number(row['calls_bar'])} calls" if row.get("calls_bar") else ""
    return ("within " if row.get("is_within") else "OVER ") + f"{row['bar']:.2f}x{calls}"


def cells(row):
    per_request = row.get("calls_per_request")
    calls = row.get("calls") if per_request is None or per_request > 100 else per_request
    return [row["case"], row["client"], number(row["min"]), number(row["median"]),
            number(row["max"]), number(row["user"]), number(row["p50_us"]), number(calls),
            number(row["ratio"]), verdict(row)]


HEAD = ["case", "client", "min", "median", "max", "user", "p50 us", "calls", "ratio", "bar"]


def print_table(head, rows):
    widths = [max(len(r[i]) for r in [head] + rows) for i in range(len(head))]
    for row in [head] + rows:
        print("  ".join(text.ljust(width) if i < 2 else text.rjust(width)
                        for i, (text, width) in enumerate(zip(row, widths))).rstrip())


def print_comparison(found):
    print(f"\n{found['title']} ({found['unit']})")
    print_table(HEAD, [cells(row) for row in found["rows"]])
    if found["unable"]:
        print("cannot do it: " + ", ".join(found["unable"]))


def print_alone(name, values):
    print(f"\n{name}")
    for key, value in values.items():
        print(f"  {key:<42} {number(value)}")


def bars(case, rows):
    """Bars of minima, a whisker to the largest round; the label says the ratio to the base."""
    height, left, width, room = 20, 74, 440, 120
    most = max(row["max"] for row in rows) or 1
    scale = (width - left - room) / most
    parts = []
    for i, row in enumerate(rows):
        y = i * height
        end = left + row["min"] * scale
        color = COLORS.get(row["client"], "#334155")
        label = number(row["min"])
        if row["ratio"] is not None:
            label += f" ({row['ratio']:.2f}x)"
        whisker = left + row["max"] * scale
        parts.append(
            f'<text x="{left - 6}" y="{y + 14}" text-anchor="end">{html.escape(row["client"])}</text>'
            f'<rect x="{left}" y="{y + 3}" width="{max(end - left, 1):.1f}" height="14" '
            f'fill="{color}"/><line x1="{end:.1f}" x2="{whisker:.1f}" y1="{y + 10}" y2="{y + 10}" '
            f'stroke="{color}"/><text x="{whisker + 5:.1f}" y="{y + 14}">{label}</text>')
    return (f'<figure><figcaption>{html.escape(case)}</figcaption><svg viewBox="0 0 {width} '
            f'{len(rows) * height}" role="img" aria-label="{html.escape(case)}">{"".join(parts)}'
            "</svg></figure>")


def html_table(head, rows):
    body = "".join("<tr" + (' class="over"' if any(c.startswith("OVER") for c in row) else "") + ">"
                   + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return "<table><tr>" + "".join(f"<th>{c}</th>" for c in head) + f"</tr>{body}</table>"


def section(found):
    by_case = {}
    for row in found["rows"]:
        by_case.setdefault(row["case"], []).append(row)
    charts = "".join(bars(case, rows) for case, rows in by_case.items())
    return (f"<h2>{html.escape(found['title'])}</h2><p>{html.escape(found['unit'])}, the minimum of "
            f'the rounds; the line goes to their maximum.</p><div class="charts">{charts}</div>'
            f"<details><summary>Figures</summary>"
            f"{html_table(HEAD, [cells(row) for row in found['rows']])}</details>")


def page(found):
    about = found["machine"]
    text = "".join(section(one) for one in found["comparisons"])
    for name, values in found["alone"].items():
        rows = [[key, number(value)] for key, value in values.items()]
        text += f"<h2>{html.escape(name)}</h2>" + html_table(["figure", "value"], rows)
    smoke = "<p><b>A smoke run: sizes are too small for figures.</b></p>" if found["smoke"] else ""
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>hearth: benchmarks</title>
<style>body{{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1180px;padding:0 1em;
color:#1e293b;background:#fff}}.charts{{display:grid;gap:1.2em;
grid-template-columns:repeat(auto-fit,minmax(340px,1fr))}}figure{{margin:0}}figcaption{{font-weight:600}}
svg{{width:100%;font-size:11px}}table{{border-collapse:collapse;margin:.6em 0}}
td,th{{padding:2px 9px;text-align:right;border-bottom:1px solid #e2e8f0}}
td:first-child,td:nth-child(2),th:first-child,th:nth-child(2){{text-align:left}}
.over td:last-child{{color:#b91c1c;font-weight:600}}</style>
<h1>What hearth costs</h1>
<p>{html.escape(about['processor'])}, {about['processors']} processors, {html.escape(about['system'])},
Linux {html.escape(about['kernel'])}, {about['when']}, revision {html.escape(found['commit'])},
{found['rounds']} rounds, interleaved. Client CPU is user and system time of the client process. "floor" is a
loop of epoll and OpenSSL written for the case. Ratios are to the floor unless the case says otherwise.</p>
{smoke}{text}</html>
"""
