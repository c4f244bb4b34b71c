#!/usr/bin/env python3
"""What counting ticks costs: seven kernels, counted over plain, by each compiler at -O2.

    tools/bench/counted_cost.py [--build DIR] [--rounds N]

Builds what it needs (corpus/kernels_*). Plain and counted run in turn, so that a machine that is busy is
busy for both; a figure is the median of the rounds' ratios of CPU time. *Controlled* is under `reprise
run`, where ticks count; *native* is started directly, where they are nops.
"""

import math
import os
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True
from harness.usage import Parser  # noqa: E402

KERNELS = ("nbody", "matmul", "hash", "sort", "chase", "spin", "fib")
GOALS = {"gcc": 1.22, "clang": 1.06}


def times(command):
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name: int(ns) for name, ns, _ in (line.split() for line in out.splitlines())}


def ratios(before, plain, counted, rounds):
    """Kernel: median over the rounds of counted over plain."""
    found = {kernel: [] for kernel in KERNELS}
    for i in range(rounds):
        order = (plain, counted) if i % 2 == 0 else (counted, plain)
        measured = {program: times([*before, program]) for program in order}
        for kernel in KERNELS:
            found[kernel].append(measured[counted][kernel] / measured[plain][kernel])
    return {kernel: statistics.median(values) for kernel, values in found.items()}


def geomean(values):
    return math.exp(statistics.fmean(math.log(v) for v in values))


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(root, "build"))
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    targets = [f"kernels_{compiler}_{kind}" for compiler in GOALS for kind in ("plain", "counted")]
    subprocess.run(["cmake", "--build", arguments.build, "--target", "reprise_cli", "reprise-stage", *targets],
                   check=True, stdout=subprocess.DEVNULL)
    print("| compiler | mode |", " | ".join(KERNELS), "| geomean | goal |")
    print("|" + "---|" * (len(KERNELS) + 4))
    missed = False
    for compiler, goal in GOALS.items():
        plain, counted = (os.path.join(arguments.build, f"corpus/kernels_{compiler}_{kind}") for kind in ("plain", "counted"))
        for mode, before in (("controlled", [os.path.join(arguments.build, "tools/reprise"), "run", "--"]), ("native", [])):
            row = ratios(before, plain, counted, arguments.rounds)
            mean = geomean(row.values())
            missed |= mode == "controlled" and mean > goal
            print(f"| {compiler} | {mode} |", " | ".join(f"{row[k]:.2f}" for k in KERNELS),
                  f"| {mean:.3f} | {goal if mode == 'controlled' else ''} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
