"""Controlled mode: what a decision costs under each policy, what recording adds, bytes a decision, replay against record, schedules
and fork-server runs a second; how two Ps do against one; and three costs that have a goal in nanoseconds.

No peer has these. Where there is something to divide by, `against` says what. What runs and how it is told apart is in record_cost.py,
replay_time.py, reprise-bench-schedules, reprise-bench-parallel and reprise-bench, which stand alone too.
"""
import dataclasses
import json
import os
import re
import shutil
import subprocess
import tempfile

from harness import rows, stats
from harness.programs import Broken, say

POLICIES = ("fair", "random", "walk", "pct", "pos", "surw", "delay", "preemption", "greybox", "portfolio")
TIMEOUT_S = 300


@dataclasses.dataclass(frozen=True)
class ControlledCase:
    name: str
    part: str
    how: str                   # the method of Runner that measures it
    word: str = ""
    goal: float | None = None


CASES = [
    *(ControlledCase(f"decision_{policy}", "decision", "decision", policy) for policy in POLICIES),
    ControlledCase("recorded_kvd", "recording", "recording", "kvd"),
    ControlledCase("recorded_requests", "recording", "recording", "requests"),
    ControlledCase("replay_kvd", "replay", "replay", "kvd", 0.5),
    ControlledCase("replay_waits", "replay", "replay", "waits", 0.3),
    ControlledCase("replay_computes", "replay", "replay", "computes", 1.03),
    ControlledCase("replay_channels", "replay", "replay", "channels"),
    ControlledCase("schedules", "explore", "schedules", "random", 250_000),
    ControlledCase("fork_server_runs", "explore", "fork_server", "", 1_000),
    ControlledCase("two_Ps", "parallel", "parallel", "", 1 / 1.8),
    ControlledCase("small_costs", "small_costs", "small_costs"),
]
NEEDS = {"kvd": "redis-benchmark", "waits": "python3", "computes": "gawk"}


def parse_parallel(text):
    """{kind: (ms at one P, ms at N, CPU time of N against one)} of what reprise-bench-parallel prints."""
    found = re.findall(r"^(\S.*?) +([\d.]+) +([\d.]+) +[\d.]+ +[\d.]+ +([\d.]+)( +RESULTS DIFFER)?$", text, re.M)
    if not found or any(differs for *_, differs in found):
        raise Broken(f"reprise-bench-parallel: {text.strip()}")
    return {kind: (float(one), float(many), float(cpu)) for kind, one, many, cpu, _ in found}


def number_in(pattern, text, what):
    found = re.search(pattern, text)
    if found is None:
        raise Broken(f"{what} said {text.strip()!r}")
    return float(found[1].replace(",", ""))


class Runner:
    def __init__(self, programs, pairs, quick):
        self.programs, self.pairs, self.quick = programs, min(pairs, 5), quick
        self.scripts = None

    def load_scripts(self):
        """record_cost and replay_time, on this build."""
        if self.scripts is None:
            os.environ["REPRISE_BUILD"] = self.programs.build
            import record_cost  # pylint: disable=import-outside-toplevel
            import replay_time  # pylint: disable=import-outside-toplevel
            self.scripts = record_cost, replay_time
        return self.scripts

    def run(self, command, **environment):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
                                  env=dict(os.environ, **environment))
        except subprocess.TimeoutExpired as error:
            raise Broken(f"{' '.join(command)} did not end in {TIMEOUT_S} s") from error
        if done.returncode != 0:
            raise Broken(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def measure(self, case, procs):
        if procs != 1:
            return []
        need = NEEDS.get(case.word) if case.how in ("recording", "replay") else None
        if need is not None and shutil.which(need) is None:
            say(f"no {need}: {case.name} is left out")
            return []
        try:
            return getattr(self, case.how)(case)
        except SystemExit as error:  # what the scripts say when a run fails
            raise Broken(str(error)) from error

    # ---- decisions ----------------------------------------------------------------------------------

    def decision(self, case):
        """The channel program, with and without recording; a run of one value is its start, which is taken off."""
        record_cost, _ = self.load_scripts()
        one = record_cost.alone("reprise-bench-channels", case.word)
        values = 10_000 if self.quick else 50_000
        run_ns, added_ns = [], []
        with tempfile.TemporaryDirectory() as room:
            trace = os.path.join(room, "t.rpz")
            for seed in range(self.pairs):
                start = {mode: one(mode, seed, trace, 1).cpu_ns for mode in ("run", "record")}
                few, _, _ = record_cost.shown(trace)
                took = {mode: one(mode, seed, trace, values).cpu_ns for mode in ("run", "record")}
                many, _, each = record_cost.shown(trace)
                cost = {mode: (took[mode] - start[mode]) / (many - few) for mode in took}
                run_ns.append(cost["run"])
                added_ns.append(cost["record"] - cost["run"])
        return [rows.alone(case.name, case.part, 1, "CPU ns a decision", run_ns),
                rows.alone(f"recording_{case.word}", case.part, 1, "CPU ns added a decision", added_ns, goal=60.0),
                rows.alone(f"bytes_{case.word}", case.part, 1, "trace bytes a decision", [each], goal=0.5)]

    def recording(self, case):
        """Throughput of the recorded run against the same run unrecorded, and what it adds in CPU time."""
        record_cost, _ = self.load_scripts()
        requests = 5_000 if self.quick else 100_000
        measured = record_cost.measure(case.word, self.pairs, requests, say)
        return [rows.row_of_pairs(case.name, case.part, 1, "none", "us a request", measured.request_us, goal=1.05, against="run"),
                rows.alone(f"{case.name}_cpu", case.part, 1, "CPU ns added a decision", measured.added_ns, goal=60.0),
                rows.alone(f"{case.name}_bytes", case.part, 1, "trace bytes a decision", measured.bytes_each, goal=1.0)]

    def replay(self, case):
        _, replay_time = self.load_scripts()
        recorded, replayed, cpu_pairs = replay_time.times(case.word, 1 if self.quick else 3, 1 if self.quick else 3)
        return [rows.row_of_pairs(case.name, case.part, 1, "none", "s", [(min(replayed), min(recorded))], cpu_pairs,
                                  goal=case.goal, against="record")]

    # ---- exploring ----------------------------------------------------------------------------------

    def schedules(self, case):
        count = "5000" if self.quick else "200000"
        rates = [number_in(r"([\d.]+) schedules a second of CPU",
                           self.run([self.programs.tool("reprise-bench-schedules"), "--policy", case.word, "--speed", count]),
                           "reprise-bench-schedules") for _ in range(self.pairs)]
        return [rows.alone(case.name, case.part, 1, "schedules a CPU second", rates, goal=case.goal)]

    def fork_server(self, case):
        count = "200" if self.quick else "3000"
        rates = [number_in(r"([\d,.]+) schedules a second",
                           self.run([self.programs.tool("reprise"), "fuzz", "--schedules", count, "--seed", "1", "--",
                                     self.programs.corpus("account_fixed")]), "reprise fuzz") for _ in range(self.pairs)]
        return [rows.alone(case.name, case.part, 1, "runs a second", rates, goal=case.goal)]

    # ---- native figures without a peer ----------------------------------------------------------------

    def parallel(self, case):
        rounds = "1" if self.quick else "7"
        kinds = parse_parallel(self.run([self.programs.tool("reprise-bench-parallel"), "--rounds", rounds]))
        made = [rows.row_of_pairs(f"two_Ps_{kind.replace(' ', '_')}", case.part, 2, "none", "ms", [(many, one)], [(cpu, 1.0)],
                                  goal=case.goal, against="one P") for kind, (one, many, cpu) in kinds.items()]
        mean = stats.geometric_mean(row.ratio for row in made)
        return [*made[:-1], dataclasses.replace(made[-1], note=f"geometric mean of {case.name}: {1 / mean:.2f} times as fast as one P")]

    def small_costs(self, case):
        """Costs with a goal of their own, from reprise-bench; what a bare call takes is taken off where there is one."""
        wanted = {"itab_inline_hit": ("itab_inline_hit", None, 1.0), "open_coded_defer": ("defer_in_a_scope", "defer_left_out", 2.0),
                  "added_to_system_call": ("system_call_entered", "system_call_bare", 50.0)}
        names = [name for _, (whole, bare, _) in wanted.items() for name in (whole, bare) if name]
        said = json.loads(self.run([self.programs.tool("reprise-bench"), f"--benchmark_filter=^({'|'.join(names)})$",
                                    "--benchmark_format=json", f"--benchmark_min_time={0.01 if self.quick else 0.5}"],
                                   REPRISE_MAXPROCS="1"))
        times = {run["name"]: run["real_time"] for run in said["benchmarks"]}  # CPU time is one thread's; goroutines move
        return [rows.alone(name, case.part, 1, "ns", [times[whole] - (times[bare] if bare else 0)], goal=goal)
                for name, (whole, bare, goal) in wanted.items()]
