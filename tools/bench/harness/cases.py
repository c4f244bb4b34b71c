"""The cases that are a function each: a process does many operations and says what one took.

ours is reprise-bench-cases, the peers are its likes in Go and on Boost.Fiber; all take CASE and OPS and print a line of JSON.
"""
import dataclasses
import json
import os
import subprocess

from harness import rows
from harness.programs import Broken

CALIBRATION_OPS = 1000
TIMEOUT_S = 300


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    part: str
    boost: bool = False        # Boost.Fiber has the same
    ops: int | None = None     # fixed, instead of as many as fill the time
    goal: float | None = 1.0
    go_program: str = "cases"
    unit: str = "ns"

    def peers(self):
        return ("go", "boost") if self.boost else ("go",)


def part(name, *cases, **more):
    return [Case(case.rstrip("*"), name, boost=case.endswith("*"), **more) for case in cases]


# A star: Boost.Fiber has the same. goal: the ratio that the case must not pass.
CASES = [
    *part("scheduler", "spawn_join*", "spawn_many*", "yield*"),
    *part("channel", "ping_pong*", "ring*", "buffered_same_goroutine*", "producer_consumer_0*", "producer_consumer_10*",
          "producer_consumer_100*", "popular_channel"),
    *part("select", "select_2", "select_8", "select_2_waits", "select_8_waits", "select_default"),
    *part("sync", "mutex_uncontended*", "mutex_contended*", "rwmutex_read", "rwmutex_mixed", "wait_group"),
    *part("timer", "timer_add_stop", "timer_fire", "timer_reset"),
    *part("timer", "timer_1m_alive", ops=200_000),  # its set-up takes seconds: no calibration
    *part("latency", "sleep_latency*", ops=200),
    *part("allocation", "malloc_small", "malloc_large", "binary_trees"),
    *part("pause", "gc_pause_256mb", ops=2),
    *part("unique_ptr", "unique_ptr_small", "unique_ptr_large", "unique_ptr_trees"),
    *part("map", "map_hit", "map_hit_text", "map_miss", "map_insert", "map_iterate", "map_delete"),
    *part("interface", "assert_concrete", "assert_interface", "interface_call"),
    *part("panic", "defer", "defer_loop", "panic_recover"),
    *part("c_call", "c_call", go_program="c_call"),
    *part("file", "file_read"),
]

# Of the programs, but not of the table: half a minute a process. reprise-bench-cases NAME OPS, and the Go program alike.
BY_HAND = {"gc_pause_1gb"}


@dataclasses.dataclass(frozen=True)
class Sample:
    """What a process said: operations done, wall and CPU nanoseconds of one."""
    ops: int
    ns: float
    cpu_ns: float


def parse_sample(line):
    """Raises Broken if the line is not what a case prints."""
    try:
        said = json.loads(line)
        sample = Sample(int(said["ops"]), float(said["ns"]), float(said["cpu_ns"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Broken(f"not a measurement: {line!r}") from error
    if sample.ops <= 0 or sample.ns <= 0 or sample.cpu_ns < 0:
        raise Broken(f"a measurement that cannot be: {line!r}")
    return sample


class Runner:
    """Runs cases in pairs of processes."""

    def __init__(self, programs, pairs, target_s, quick):
        self.programs, self.pairs, self.target_s, self.quick = programs, pairs, target_s, quick

    def command(self, side, case):
        return {"ours": self.programs.tool("reprise-bench-cases"), "go": self.programs.go_program(case.go_program),
                "boost": self.programs.tool("reprise-bench-boost")}[side]

    def sample(self, side, case, procs, ops):
        environment = dict(os.environ, REPRISE_MAXPROCS=str(procs), GOMAXPROCS=str(procs))
        command = [self.command(side, case), case.name, str(ops)]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise Broken(f"{' '.join(command)} did not end in {TIMEOUT_S} s") from error
        if done.returncode != 0:
            raise Broken(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
        return parse_sample(done.stdout)

    def operations(self, sides, case, procs):
        """As many as keep the slowest side busy for the target time."""
        if case.ops is not None:
            return case.ops // 8 if self.quick else case.ops
        return min(self.operations_of(side, case, procs) for side in sides)

    def operations_of(self, side, case, procs):
        ops, target_ns = CALIBRATION_OPS, self.target_s * 1e9
        while True:
            sample = self.sample(side, case, procs, ops)
            took_ns = sample.ns * sample.ops
            if took_ns >= target_ns / 4 or ops >= 10**10:
                return max(1, int(ops * target_ns / took_ns))
            ops = int(ops * min(100.0, max(2.0, target_ns / 2 / took_ns)))

    def measure(self, case, procs):
        """Rows, one for each peer that is there; one without a ratio if none is."""
        peers = [peer for peer in case.peers() if self.programs.has(peer) and not (peer == "boost" and procs > 1)]
        ops = self.operations(["ours", *peers], case, procs)
        taken = {side: [] for side in ["ours", *peers]}
        for pair in range(self.pairs):
            order = list(taken) if pair % 2 == 0 else list(reversed(taken))
            for side in order:
                taken[side].append(self.sample(side, case, procs, ops))
        if not peers:
            return [rows.alone(case.name, case.part, procs, case.unit, [sample.ns for sample in taken["ours"]])]
        return [self.row(case, procs, peer, taken["ours"], taken[peer]) for peer in peers]

    @staticmethod
    def row(case, procs, peer, ours, theirs):
        return rows.row_of_pairs(case.name, case.part, procs, peer, case.unit,
                                 [(a.ns, b.ns) for a, b in zip(ours, theirs)],
                                 [(a.cpu_ns, b.cpu_ns) for a, b in zip(ours, theirs)],
                                 goal=case.goal if peer == "go" else None)
