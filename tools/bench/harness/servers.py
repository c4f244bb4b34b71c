"""Servers under a real client: what a request costs the server in CPU time, and how long it takes.

Client and server are pinned to CPUs of their own where there are two; the server then has one P, as more would share its CPU. The
server's CPU time is read from outside, by its process clock, from after a warm-up to the end.
"""
import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import time

from harness import rows
from harness.programs import Broken, say

TIMEOUT_S = 120


@dataclasses.dataclass(frozen=True)
class ServerCase:
    name: str
    kind: str                  # what the server is started as
    connections: int
    part: str = "server"
    goal: float | None = 0.77


CASES = [ServerCase("echo_1", "echo", 1), ServerCase("echo_50", "echo", 50), ServerCase("echo_1000", "echo", 1000),
         ServerCase("http_50", "http", 50), ServerCase("sessions_50", "sessions", 50, goal=1.0)]


def cpus():
    """(client's, server's): different ones if the process may use two."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[-1], allowed[0]


def process_cpu_ns(pid):
    """Of all its threads, also those that ended: the kernel's clock of another process (clock_getcpuclockid)."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def pinned(command, cpu, **options):
    return subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}), text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **options)


@contextlib.contextmanager
def server(command, cpu):
    """(process, port)"""
    process = pinned(command, cpu, env=dict(os.environ, REPRISE_MAXPROCS="1", GOMAXPROCS="1"))
    try:
        line = process.stdout.readline()
        if not line.strip().isdigit():
            process.kill()
            raise Broken(f"{' '.join(command)} did not start: {process.communicate()[1].strip()}")
        yield process, int(line)
    finally:
        process.kill()
        process.communicate()


def client(command, cpu):
    process = pinned(command, cpu)
    try:
        out, error = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as expired:
        process.kill()
        process.communicate()
        raise Broken(f"{' '.join(command)} did not end in {TIMEOUT_S} s") from expired
    if process.returncode != 0:
        raise Broken(f"{' '.join(command)} ended with {process.returncode}: {error.strip()}")
    return out


def parse_wrk(text):
    """(requests, seconds). Raises Broken where wrk met errors or said neither."""
    done = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", text)
    if done is None or re.search(r"Socket errors|Non-2xx", text):
        raise Broken(f"wrk: {text.strip()}")
    return int(done[1]), float(done[2]) * {"ms": 1e-3, "s": 1, "m": 60}[done[3]]


class Runner:
    def __init__(self, programs, pairs, quick):
        self.programs, self.pairs, self.quick = programs, pairs, quick
        self.client_cpu, self.server_cpu = cpus()

    def command(self, side):
        return self.programs.tool("reprise-bench-server") if side == "ours" else self.programs.go_program("server")

    def load(self, case, port, share):
        """(requests, seconds) of a client that does `share` of the work."""
        if case.kind != "echo":
            seconds = max(1, round((1 if self.quick else 4) * share))  # whole ones only
            return parse_wrk(client(["wrk", "-t1", f"-c{case.connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}/"],
                                    self.client_cpu))
        requests = max(case.connections, int((4_000 if self.quick else 100_000) * share))
        said = json.loads(client([self.programs.tool("reprise-bench-echo-client"), str(port), str(case.connections), str(requests)],
                                 self.client_cpu))
        return said["requests"], said["wall_ns"] / 1e9

    def sample(self, side, case):
        """(CPU microseconds, wall microseconds) of a request."""
        with server([self.command(side), case.kind], self.server_cpu) as (process, port):
            self.load(case, port, 1 / 8)
            before = process_cpu_ns(process.pid)
            requests, seconds = self.load(case, port, 1)
            return (process_cpu_ns(process.pid) - before) / 1e3 / requests, seconds * 1e6 / requests

    def measure(self, case, procs):
        if procs != 1:
            return []
        if case.kind != "echo" and shutil.which("wrk") is None:
            say(f"no wrk (apt-get install wrk): {case.name} is left out")
            return []
        sides = ["ours"] + (["go"] if self.programs.has("go") else [])
        taken = {side: [] for side in sides}
        for pair in range(self.pairs):
            for side in sides if pair % 2 == 0 else reversed(sides):
                taken[side].append(self.sample(side, case))
        return [self.row(case, "", "CPU us a request", taken, 0, case.goal), self.row(case, "_time", "us a request", taken, 1, None)]

    @staticmethod
    def row(case, suffix, unit, taken, which, goal):
        ours = [sample[which] for sample in taken["ours"]]
        if "go" not in taken:
            return rows.alone(case.name + suffix, case.part, 1, unit, ours)
        return rows.row_of_pairs(case.name + suffix, case.part, 1, "go", unit,
                                 list(zip(ours, [sample[which] for sample in taken["go"]])), goal=goal)
