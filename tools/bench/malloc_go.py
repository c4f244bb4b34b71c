"""Allocation on the collected heap beside Go's: the loops of malloc_bench.cc, in both.

    python3 tools/bench/malloc_go.py [--build build] [--go /usr/lib/go-1.19/bin/go] [--rounds 3]

Both allocate objects that die at once, at one P; Go collects when its heap has doubled from its minimum of 4 MB, we sweep
all of 4 MB. Prints nanoseconds an object, the fastest of the rounds, which alternate.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from harness.usage import Parser  # noqa: E402

SIZES = (8, 16, 64, 512, 4096, 65536)

GO_HEAD = """package malloc

import "testing"

var bytes *byte
var words **byte
"""
GO_CASE = """
func Benchmark_noscan_{size}(b *testing.B) {{
	for i := 0; i < b.N; i++ {{
		x := new([{size}]byte)
		bytes = &x[0]
	}}
}}
func Benchmark_scanned_{size}(b *testing.B) {{
	for i := 0; i < b.N; i++ {{
		x := new([{words}]*byte)
		words = &x[0]
	}}
}}
"""


def go_times(go, folder):
    with open(os.path.join(folder, "malloc_test.go"), "w") as source:
        source.write(GO_HEAD + "".join(GO_CASE.format(size=n, words=n // 8) for n in SIZES))
    environment = dict(os.environ, GO111MODULE="off", GOCACHE=os.path.join(folder, "cache"), GOMAXPROCS="1")
    output = subprocess.run([go, "test", "-bench", ".", "-benchtime", "300ms", "."], cwd=folder, env=environment,
                            capture_output=True, text=True, check=True).stdout
    return {(kind, int(size)): float(ns)
            for kind, size, ns in re.findall(r"^Benchmark_(\w+)_(\d+)\s+\d+\s+([\d.]+) ns/op", output, re.M)}


def our_times(build):
    output = subprocess.run([os.path.join(build, "tools", "reprise-bench"), "--benchmark_filter=^(heap_|libc_malloc)",
                             "--benchmark_format=json", "--benchmark_min_time=0.3"],
                            env=dict(os.environ, REPRISE_MAXPROCS="1"), capture_output=True, text=True, check=True).stdout
    times = {}
    for run in json.loads(output)["benchmarks"]:
        name, size = run["name"].split("/")[:2]
        times[name.replace("heap_", ""), int(size)] = run["cpu_time"]
    return times


def merge(best, times):
    for key, ns in times.items():
        best[key] = min(ns, best.get(key, ns))


def main():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--go", default="/usr/lib/go-1.19/bin/go")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ours, go = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            merge(ours, our_times(options.build))
            if os.path.exists(options.go):
                merge(go, go_times(options.go, folder))
    print(f"{'bytes':>8}{'noscan':>10}{'Go':>10}{'scanned':>10}{'Go':>10}{'calloc':>10}{'later':>10}")
    for size in SIZES:
        row = [ours[("noscan", size)], go.get(("noscan", size)), ours[("scanned", size)], go.get(("scanned", size)),
               ours[("libc_malloc", size)], ours[("libc_malloc_later", size)]]
        print(f"{size:>8}" + "".join(f"{ns:>10.1f}" if ns is not None else f"{'-':>10}" for ns in row))


if __name__ == "__main__":
    main()
