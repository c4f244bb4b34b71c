#!/usr/bin/env python3
"""The checked flavour under a policy beside ThreadSanitizer natively: the same work, medians, alternating.

    tools/bench/checked_cost.py BUILD [ROUNDS]

Needs the target race_kernels and a compiler with its libtsan (REPRISE_CXX, by default g++).
"""

import os
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from harness.usage import Parser  # noqa: E402

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KERNELS = {"account": 5000, "stack": 50000, "queue": 50000, "circular_buffer": 50000, "parts": 500}


def took(*command):
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("build", metavar="BUILD")
    parser.add_argument("rounds", metavar="ROUNDS", type=int, nargs="?", default=7)
    options = parser.parse_args()
    build, rounds = options.build, options.rounds
    ours = [os.path.join(build, "tools", "reprise"), "run", "--", os.path.join(build, "race_kernels")]
    with tempfile.TemporaryDirectory() as folder:
        theirs = os.path.join(folder, "race_kernels_tsan")
        subprocess.run([os.environ.get("REPRISE_CXX", "g++"), "-std=gnu++20", "-O2", "-g", "-fsanitize=thread", "-pthread",
                        os.path.join(SOURCE, "tools/bench/race_kernels.cc"), "-o", theirs], check=True)
        ratios = []
        print("| kernel | ThreadSanitizer ms | checked ms | ratio |\n|---|---|---|---|")
        for name, size in KERNELS.items():
            pairs = [(took(theirs, name, str(size)), took(*ours, name, str(size))) for _ in range(rounds)]
            tsan, checked = (statistics.median(column) for column in zip(*pairs))
            ratios.append(checked / tsan)
            print(f"| {name} | {tsan / 1e6:.1f} | {checked / 1e6:.1f} | {checked / tsan:.2f} |", flush=True)
    print(f"geometric mean {statistics.geometric_mean(ratios):.2f}")


if __name__ == "__main__":
    main()
