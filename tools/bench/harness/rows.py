"""What is measured, and what came out: Case, Row, the Markdown table, the JSON file."""
import dataclasses
import json
import os
import platform
import time

from harness import stats

GOAL_PARTS = ("scheduler", "channel", "select", "sync", "timer", "map", "allocation")
PEER_TITLES = {"go": "Go", "boost": "Boost.Fiber", "none": ""}


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure. peer "none": ratio is against what `against` says, or None where there is nothing to divide by.

    ours and theirs are medians over the pairs, in `unit`; ratio is ours to theirs, below 1 better; low and high are the quartiles of
    the pairs' ratios. cpu_ratio: the same of CPU time, which says more than wall time where other programs run.
    """
    name: str
    part: str
    procs: int
    peer: str
    unit: str
    ours: float
    theirs: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    cpu_ratio: float | None = None
    pairs: int = 1
    goal: float | None = None
    against: str = ""
    note: str = ""


def row_of_pairs(name, part, procs, peer, unit, pairs, cpu_pairs=(), **more):
    """REQUIRES: pairs, a list of (ours, theirs), is not empty."""
    ratio = stats.spread(stats.ratios(pairs))
    cpu = [pair for pair in cpu_pairs if pair[1] > 0]
    return Row(name, part, procs, peer, unit, stats.quantile([ours for ours, _ in pairs], 0.5),
               stats.quantile([theirs for _, theirs in pairs], 0.5), ratio.median, ratio.low, ratio.high,
               stats.spread(stats.ratios(cpu)).median if cpu else None, len(pairs), **more)


def alone(name, part, procs, unit, values, **more):
    """A row without a peer."""
    return Row(name, part, procs, "none", unit, stats.quantile(values, 0.5), pairs=len(values), **more)


def geometric_means(rows):
    """Over the parts that the goal names, beside Go: {procs: mean}."""
    means = {}
    for procs in sorted({row.procs for row in rows}):
        mean = stats.geometric_mean(row.ratio for row in rows
                                    if row.procs == procs and row.peer == "go" and row.part in GOAL_PARTS and row.ratio)
        if mean is not None:
            means[procs] = mean
    return means


def figure(value):
    if value is None:
        return ""
    if value >= 10_000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio_text(value):
    return "" if value is None else f"{value:.2f}"


def markdown(rows):
    lines = ["| case | Ps | peer | unit | ours | theirs | ratio | quartiles | CPU ratio | goal |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        quartiles = "" if row.low is None else f"{row.low:.2f} to {row.high:.2f}"
        peer = row.against or PEER_TITLES[row.peer]
        lines.append(f"| {row.name} | {row.procs} | {peer} | {row.unit} | {figure(row.ours)} | {figure(row.theirs)} | "
                     f"{ratio_text(row.ratio)} | {quartiles} | {ratio_text(row.cpu_ratio)} | {figure(row.goal)} |")
    lines.append("")
    for procs, mean in geometric_means(rows).items():
        lines.append(f"Geometric mean beside Go at {procs} P{'s' if procs > 1 else ''} ({', '.join(GOAL_PARTS)}): {mean:.2f}")
    for row in rows:
        if row.note:
            lines.append(f"{row.name}: {row.note}")
    return "\n".join(lines)


def machine(quick):
    return {"cpus": os.cpu_count(), "kernel": platform.release(), "machine": platform.machine(), "quick": quick,
            "load_at_start": [round(load, 2) for load in os.getloadavg()], "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def write_json(path, rows, about):
    """{"cases": [{"name", "peer", "ratio", …}], "geometric_mean": {procs: mean}, "about": {…}}"""
    document = {"cases": [dataclasses.asdict(row) for row in rows],
                "geometric_mean": {str(procs): mean for procs, mean in geometric_means(rows).items()},
                "about": about | {"load_at_end": [round(load, 2) for load in os.getloadavg()]}}
    with open(path, "w", encoding="utf-8") as out:
        json.dump(document, out, indent=1)
        out.write("\n")
