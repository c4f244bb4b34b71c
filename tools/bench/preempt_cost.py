#!/usr/bin/env python3
"""What a preemption of counted code costs: tools/bench/preempt_cost.py [--rounds N] [--repeat N] [PROGRAM…]

Records one program twice, with time slices of 50 us and of 1 s: the same work, with thousands of preemptions and
with next to none. Then both traces are replayed in turn. What a preemption costs is the difference of CPU
time, the reading of the trace included, by the difference of preemptions; a table row a program, medians of
the pairs. Goal: at most 8 us replayed.
"""
import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.environ.setdefault("REPRISE_BUILD", os.path.join(ROOT, "build"))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from harness.usage import Parser  # noqa: E402
import preempt_test  # noqa: E402


def cpu_us(*command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e6 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(program, rounds, repeat, folder):
    traces, preemptions = [], []
    for slice_us in (50, 1_000_000):
        trace = os.path.join(folder, f"{slice_us}.rpz")
        count, _, _ = preempt_test.record(trace, program, "fair", rounds, "--slice-us", str(slice_us))
        traces.append(trace)
        preemptions.append(count)
    costs = []
    for _ in range(repeat):
        often, seldom = (cpu_us(preempt_test.REPRISE, "replay", trace) for trace in traces)
        costs.append((often - seldom) / (preemptions[0] - preemptions[1]))
    for trace in traces:
        os.remove(trace)
    return preemptions[0], statistics.median(costs), min(costs), max(costs)


def main():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", default=preempt_test.built())
    parser.add_argument("--rounds", type=int, default=40000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    print("| program | preemptions | replayed, us each | lowest | highest |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for program in options.programs:
            count, median, low, high = measure(program, options.rounds, options.repeat, folder)
            print(f"| {program} | {count:,} | {median:.1f} | {low:.1f} | {high:.1f} |", flush=True)


if __name__ == "__main__":
    main()
