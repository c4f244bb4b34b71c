#!/usr/bin/env python3
"""What recording and replaying costs, program by program, against the goals.

  tools/bench/stage_programs.py [--runs N] [--replays N] [PROGRAM...]

Each program runs natively, recorded and replayed, alternating, N times; the table has the best of
each, so that a busy machine spoils it least. The CPU ratio leaves the scribe out, which runs beside
the program on a machine that has a core to spare: processor time of the recorded program, stage and
trace header included, over that of the native one. Then one recording with a hash of all writable memory
is replayed --replays times, and each replay must end as recorded. PROGRAM limits the table to rows
whose name contains one of these words. Needs a built tree (build/).
"""

import dataclasses
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from harness.usage import Parser  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("REPRISE_BUILD", os.path.join(ROOT, "build"))
REPRISE = os.path.join(BUILD, "tools", "reprise")
READS = os.path.join(BUILD, "stage_programs", "reads")

PYTHON = """
import json, os, random, subprocess, time
table = {str(i): i for i in range(50000)}
words = set(map(str, range(1000)))
print(list(words)[:5], hash('a'), time.time(), os.urandom(8).hex(), random.random(), id(table))
print(sum(hash(k) % 7 for k in table), len(json.dumps(table)), sorted(os.listdir('/etc'))[:3])
print(len(subprocess.run(['date'], capture_output=True).stdout), time.localtime())
"""
SQL = """
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)
  insert into t select i, hex(randomblob(8)), random() / 1e9 from n;
create index x on t(b);
select count(*), sum(length(b)), max(b), datetime('now') from t;
select b, avg(c) from t group by substr(b, 1, 1) limit 4;
"""
GAWK = ('BEGIN { srand(); print srand(), systime() } { n[$2] += length($3) } '
        "END { for (k in n) if (n[k] > 2700) print k, n[k], rand() }")


@dataclasses.dataclass
class Program:
    name: str
    argv: list
    goal: str = ""


def programs(room):
    text = os.path.join(room, "text")
    numbers = random.Random(1)
    with open(text, "w") as file:
        file.writelines(f"{numbers.randrange(10**9)} key{numbers.randrange(5000)} "
                        f"{'x' * numbers.randrange(60)}\n" for _ in range(400000))
    return [
        Program("/bin/true", ["/bin/true"], "15 ms"),
        Program("python3", ["/usr/bin/python3", "-c", PYTHON], "1.3x"),
        Program("sqlite3, 100,000 rows", ["/usr/bin/sqlite3", "db", SQL], "1.2x"),
        Program("sort --parallel=2", ["/usr/bin/sort", "--parallel=2", text]),
        Program("gawk", ["/usr/bin/gawk", GAWK, text]),
        Program("git hash-object", ["/usr/bin/git", "hash-object", text]),
        Program("ls -l /usr/bin", ["/bin/ls", "-l", "/usr/bin"]),
        Program("1M reads of 64 bytes", [READS, "1000000"], "4x"),
        Program("1M clock readings", [READS, "1000000", "clock"]),
    ]


def clean(room):
    for name in os.listdir(room):
        if name.startswith("db"):
            os.remove(os.path.join(room, name))


@dataclasses.dataclass
class Cost:
    wall: float
    cpu: float  # of the whole tree, less the scribe's own

    def least(self, other):
        return Cost(min(self.wall, other.wall), min(self.cpu, other.cpu))


def cpu_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(argv, room):
    clean(room)
    start, cpu = time.perf_counter(), cpu_of_children()
    done = subprocess.run(argv, cwd=room, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    cost = Cost(time.perf_counter() - start, cpu_of_children() - cpu)
    scribe = re.search(rb"scribe: (\d+) ns of CPU", done.stderr)
    if scribe:
        cost.cpu -= int(scribe[1]) / 1e9
    return cost, done


def measure(program, room, runs):
    trace = os.path.join(room, "trace.rpz")
    best = {}
    for _ in range(runs):
        for mode, argv in (("native", program.argv),
                           ("record", [REPRISE, "record", "--verbose", "-o", trace, "--"] + program.argv),
                           ("replay", [REPRISE, "replay", trace])):
            if mode == "record" and os.path.exists(trace):
                os.remove(trace)
            took, done = timed(argv, room)
            if done.returncode != 0:
                raise RuntimeError(f"{mode} of {program.name}: status {done.returncode}: "
                                   f"{done.stderr[-500:]!r}")
            best[mode] = took.least(best.get(mode, took))
    return best, summary(trace)


def summary(trace):
    shown = subprocess.run([REPRISE, "show", "--json", trace], check=True, stdout=subprocess.PIPE)
    return json.loads(shown.stdout)


def same_runs(trace, replays):
    """How many of `replays` ended as recorded, memory included."""
    done = subprocess.run([REPRISE, "replay", trace, "--times", str(replays), "--hash-memory"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return len(re.findall(rb"^run \d+ of \d+: .* same$", done.stdout, re.M)), done.stderr


def verify(program, room, replays):
    trace = os.path.join(room, "hashed.rpz")
    if os.path.exists(trace):
        os.remove(trace)
    timed([REPRISE, "record", "--hash-memory", "-o", trace, "--"] + program.argv, room)
    return same_runs(trace, replays)


def row(name, goal, native, record, replay, shown, same, replays):
    print(f"| {name} | {native.wall * 1e3:.1f} | {record.wall * 1e3:.1f} | "
          f"{record.wall / native.wall:.2f} | {record.cpu / native.cpu:.2f} | {goal} | "
          f"{replay.wall * 1e3:.1f} | {replay.wall / record.wall:.2f} | {shown['events']} | "
          f"{shown['file_bytes']} | {same}/{replays} |", flush=True)


# ---- redis-server: throughput, not time ----

def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def redis_argv(port, room):
    return ["/usr/bin/redis-server", "--port", str(port), "--save", "", "--appendonly", "no",
            "--dir", room, "--bind", "127.0.0.1", "--pidfile", os.path.join(room, "pid"),
            "--daemonize", "no"]


def redis_run(prefix, room, requests):
    """Requests a second of the slowest of SET and GET; the server is ended by SIGTERM."""
    port = free_port()
    server = subprocess.Popen(prefix + redis_argv(port, room), cwd=room, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cli = ["redis-cli", "-p", str(port)]
    while subprocess.run(cli + ["ping"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         check=False).stdout != b"PONG\n":
        time.sleep(0.02)
        if server.poll() is not None:
            raise RuntimeError("redis-server ended early")
    out = subprocess.run(["redis-benchmark", "-p", str(port), "-c", "50", "-n", str(requests), "-t",
                          "set,get", "--csv"], check=True, stdout=subprocess.PIPE).stdout.decode()
    info = subprocess.run(cli + ["info", "server"], check=True, stdout=subprocess.PIPE).stdout
    os.kill(int(re.search(rb"process_id:(\d+)", info)[1]), signal.SIGTERM)
    server.wait()
    rates = [float(line.split(",")[1].strip('"')) for line in out.splitlines()
             if line.startswith(('"SET"', '"GET"'))]
    return 2 * requests / sum(requests / rate for rate in rates)


def redis(room, runs, replays, requests=50000):
    trace = os.path.join(room, "redis.rpz")
    native = record = 0.0
    for _ in range(runs):
        native = max(native, redis_run([], room, requests))
        if os.path.exists(trace):
            os.remove(trace)
        record = max(record, redis_run([REPRISE, "record", "--hash-memory", "-o", trace, "--"],
                                       room, requests))
    shown = summary(trace)
    took, _ = timed([REPRISE, "replay", trace], room)
    same, _ = same_runs(trace, replays)
    print(f"\nredis-server under redis-benchmark (50 clients, {requests} SET and {requests} GET): "
          f"native {native:.0f}/s, recorded {record:.0f}/s, ratio {record / native:.2f} (goal 0.95); "
          f"{shown['file_bytes'] / (2 * requests):.2f} bytes a request (goal 5); "
          f"{shown['events']} events; replay {took.wall:.2f} s, recorded "
          f"{shown['duration_ns'] / 1e9:.2f} s; {same}/{replays} replays the same", flush=True)


def main():
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--replays", type=int, default=20)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    room = tempfile.mkdtemp(prefix="reprise-bench-")
    wanted = lambda name: not options.words or any(word in name for word in options.words)
    try:
        print("| program | native ms | recorded ms | ratio | CPU ratio | goal | replayed ms | of recorded | "
              "events | trace bytes | replays the same |\n|---|---|---|---|---|---|---|---|---|---|---|")
        for program in programs(room):
            if not wanted(program.name):
                continue
            best, shown = measure(program, room, options.runs)
            same, errors = verify(program, room, options.replays)
            row(program.name, program.goal, best["native"], best["record"], best["replay"], shown,
                same, options.replays)
            if same < options.replays:
                print("   ", errors[-500:].decode(errors="replace"))
        if wanted("redis-server"):
            redis(room, options.runs, options.replays)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
