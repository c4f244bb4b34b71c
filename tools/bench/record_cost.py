#!/usr/bin/env python3
"""What recording costs, against the same controlled run unrecorded.

  tools/bench/record_cost.py [--pairs N] [--requests N] [--cores] [ROW...]

Rows: kvd (under redis-benchmark), requests (kvd's records without a second process), fair and random (the
channel program). `reprise run` and `reprise
record` alternate, N times each; both get the same seeds. CPU is user and system time of the program with
its stage, and of the scribe, told apart; a decision is a decision of the seam. What the program pays is
the difference of two runs, so the table gives the median over the pairs. --cores puts server, client and
scribe on cores of their own where the machine has three. Needs a built tree (build/, or REPRISE_BUILD).
"""

import os
import re
import statistics
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


class Run:
    """One run of the command: its CPU time (command and program), and what it said."""

    def __init__(self, process, output):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_ns = (usage.ru_utime + usage.ru_stime) * 1e9
        output.seek(0)
        text = output.read()
        if process.returncode != 0:
            sys.exit(text)
        scribe = re.search(r"scribe: (\d+) ns of CPU", text)
        self.scribe_ns = int(scribe.group(1)) if scribe else 0
        self.program_ns = self.cpu_ns - self.scribe_ns
        self.rate = 0.0


def command(mode, seed, trace, policy="fair"):
    options = ["--policy", policy, "--seed", str(seed)]
    if mode == "record":
        options += ["-o", trace, "--verbose"]
    return [REPRISE, mode, *options, "--"]


def kvd(mode, seed, trace, requests):
    with Kvd("kvd", "--exit-after-idle", "50ms", wrapper=command(mode, seed, trace)) as server:
        server.stay()
        said = server.benchmark("-c", "50", "-n", str(requests), "-t", "incr")
        server.leave()
        run = Run(server.process, server.log)
        run.rate = float(re.findall(r"([\d.]+) requests per second", said)[-1])
        return run


def alone(name, policy):
    def row(mode, seed, trace, requests):
        output = tempfile.TemporaryFile("w+")
        start = time.monotonic()
        program = os.path.join(BUILD, "tools", name)
        process = subprocess.Popen([*command(mode, seed, trace, policy), program, str(requests)],
                                   stdout=output, stderr=subprocess.STDOUT)
        run = Run(process, output)
        run.rate = requests / (time.monotonic() - start)
        return run
    return row


ROWS = {"kvd": kvd, "requests": alone("reprise-bench-requests", "fair"),
        "fair": alone("reprise-bench-channels", "fair"), "random": alone("reprise-bench-channels", "random")}


def shown(trace):
    """Decisions, records and bytes/decision of a trace."""
    text = subprocess.run([REPRISE, "show", trace], check=True, capture_output=True, text=True).stdout
    number = lambda pattern: re.search(pattern, text, re.M).group(1).replace(",", "")
    return (int(number(r"^decisions +([\d,]+)")), int(number(r"^records +([\d,]+)")),
            float(number(r"^bytes/decision: +([\d.]+)")))


class Measured:
    """The pairs of a row. request_us has (recorded, unrecorded); the CPU times are of one decision."""

    def __init__(self):
        self.program, self.scribe, self.request_us, self.bytes_each, self.decisions, self.records = [], [], [], [], [], []

    @property
    def added_ns(self):
        return [program + scribe for program, scribe in zip(self.program, self.scribe)]


def measure(name, pairs, requests, say):
    measured = Measured()
    with tempfile.TemporaryDirectory() as room:
        trace = os.path.join(room, "t.rpz")
        for seed in range(pairs):
            run = ROWS[name]("run", seed, trace, requests)
            recorded = ROWS[name]("record", seed, trace, requests)
            count, all_records, each = shown(trace)
            measured.program.append((recorded.program_ns - run.program_ns) / count)
            measured.scribe.append(recorded.scribe_ns / count)
            measured.request_us.append((1e6 / recorded.rate, 1e6 / run.rate))
            measured.bytes_each.append(each)
            measured.decisions.append(count)
            measured.records.append(all_records)
            say(f"  {name} {seed}: decisions {count:,}, program {measured.program[-1]:.0f} ns, scribe "
                f"{measured.scribe[-1]:.0f} ns, run {run.rate:.2f}/s ({run.program_ns / 1e6:.0f} ms of CPU), record "
                f"{recorded.rate:.2f}/s, ratio {recorded.rate / run.rate:.3f}, {each} bytes/decision")
    return measured


def show(name, measured):
    middle = statistics.median
    ratios = [run / recorded for recorded, run in measured.request_us]
    print(f"{name}: {middle(measured.decisions):,.0f} decisions in {middle(measured.records):,.0f} records; CPU a decision: "
          f"program {middle(measured.program):.0f} ns, scribe {middle(measured.scribe):.0f} ns; throughput "
          f"{middle(ratios):.3f} of the unrecorded run ({min(ratios):.3f} to {max(ratios):.3f}); "
          f"{middle(measured.bytes_each):.2f} bytes/decision", flush=True)


def main():
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], metavar="ROW")
    options = parser.parse_args()
    for name in options.rows or ROWS:
        show(name, measure(name, options.pairs, options.requests, lambda line: print(line, flush=True)))


if __name__ == "__main__":
    main()
