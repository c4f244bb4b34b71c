#!/usr/bin/env python3
"""How long a replay takes against its recording.

  tools/bench/replay_time.py [--recordings N] [--replays N] [ROW...]

Rows: kvd (under redis-benchmark, goal 0.5), waits (a program that mostly sleeps, goal 0.3), computes (a
program that makes next to no system calls, goal 1.03), channels (goroutines that do nothing but communicate). A
recording's time is what its trace says: from the program's start to its end, for kvd with its clients' time. A
replay's is the whole command, with reading the trace. CPU time is user and system time of command and
program. Of each the table gives the quickest, and ratios of the quickest: other work on the machine only adds.
Needs a built tree (build/, or REPRISE_BUILD).
"""

import json
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("REPRISE_BUILD", os.path.join(ROOT, "build"))
REPRISE = os.path.join(BUILD, "tools", "reprise")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
os.environ["REPRISE_BUILD"] = BUILD
from harness.usage import Parser  # noqa: E402
from kvd_server import Kvd  # noqa: E402

PROGRAMS = {
    "waits": ["python3", "-c", "import time\nfor _ in range(40): time.sleep(.05)"],
    "computes": ["gawk", "BEGIN { for (i = 0; i < 20000000; i++) sum += i % 7; print sum }"],
    "channels": [os.path.join(BUILD, "tools", "reprise-bench-channels"), "50000"],
}
GOALS = {"kvd": 0.5, "waits": 0.3, "computes": 1.03, "channels": None}


def ended(process, what):
    """CPU seconds of a process and its children; ends the benchmark if it failed."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{what} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def record(row, seed, trace):
    command = [REPRISE, "record", "--policy", "fair", "--seed", str(seed), "-o", trace, "--"]
    if row == "kvd":
        with Kvd("kvd", "--exit-after-idle", "20ms", wrapper=command) as server:
            server.stay()
            server.benchmark("-c", "50", "-n", "100000", "-t", "incr")
            server.leave()
            return ended(server.process, "a recording")
    process = subprocess.Popen([*command, *PROGRAMS[row]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return ended(process, "a recording")


def recorded_seconds(trace):
    shown = subprocess.run([REPRISE, "show", trace, "--json"], check=True, capture_output=True, text=True)
    return json.loads(shown.stdout)["duration_ns"] / 1e9


def replay(trace):
    start = time.monotonic()
    process = subprocess.Popen([REPRISE, "replay", trace], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cpu = ended(process, "a replay")
    return time.monotonic() - start, cpu


def times(row, recordings, replays):
    """Seconds of recordings and of replays, and pairs of their quickest CPU times."""
    recorded, recorded_cpu, replayed, replayed_cpu = [], [], [], []
    with tempfile.TemporaryDirectory() as room:
        for seed in range(recordings):
            trace = os.path.join(room, f"{seed}.rpz")
            recorded_cpu.append(record(row, seed, trace))
            recorded.append(recorded_seconds(trace))
            for _ in range(replays):
                wall, cpu = replay(trace)
                replayed.append(wall)
                replayed_cpu.append(cpu)
    return recorded, replayed, [(min(replayed_cpu), min(recorded_cpu))]


def measure(row, recordings, replays):
    recorded, replayed, [(replayed_cpu, recorded_cpu)] = times(row, recordings, replays)
    goal = GOALS[row]
    print(f"| {row} | {min(recorded):.3f} | {min(replayed):.3f} | {min(replayed) / min(recorded):.2f} | "
          f"{goal if goal else ''} | {recorded_cpu:.3f} | {replayed_cpu:.3f} | {replayed_cpu / recorded_cpu:.2f} |", flush=True)


def main():
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=3)
    parser.add_argument("--replays", type=int, default=3)
    parser.add_argument("rows", nargs="*", choices=[[], *GOALS], metavar="ROW")
    options = parser.parse_args()
    print("| program | recorded s | replayed s | ratio | goal | recorded CPU s | replayed CPU s | CPU ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for row in options.rows or GOALS:
        measure(row, options.recordings, options.replays)


if __name__ == "__main__":
    main()
