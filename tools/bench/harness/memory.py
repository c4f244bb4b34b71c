"""What a parked goroutine, a timer and an idle connection take: resident bytes and bytes of page tables, beside Go's.

One run of each: memory does not depend on what else the machine does. Idle connections are at four Ps, with as many as the limit on
descriptors allows, which is said; the kernel's own memory for sockets is not in it.
"""
import dataclasses
import os
import re
import resource
import subprocess

from harness import rows
from harness.programs import Broken

TIMEOUT_S = 600
OTHER_DESCRIPTORS = 256


@dataclasses.dataclass(frozen=True)
class MemoryCase:
    name: str
    program: str               # ours, and the word of the Go peer
    go_word: str
    count: int
    quick_count: int
    part: str = "memory"
    goal: float | None = None


CASES = [MemoryCase("parked_goroutines", "parked", "parked", 1_000_000, 50_000),
         MemoryCase("timers_alive", "timers_alive", "timers", 1_000_000, 50_000),
         MemoryCase("idle_connections", "idle_conns", "idle", 100_000, 1_000)]


def parse_memory(text):
    """(resident, page tables) in bytes of one. Raises Broken."""
    found = re.search(r"takes (-?\d+) bytes resident\s+and (-?\d+) of page tables", text)
    if found is None:
        raise Broken(f"no figure in {text!r}")
    return int(found[1]), int(found[2])


def allowed_connections(wanted):
    """As many as the limit on descriptors leaves, raised as far as this process may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if hard == resource.RLIM_INFINITY else max(1, min(wanted, hard - OTHER_DESCRIPTORS))


class Runner:
    def __init__(self, programs, quick):
        self.programs, self.quick = programs, quick

    def command(self, side, case, count):
        ours = os.path.join(self.programs.build, case.program)
        if side == "ours":
            return [ours, "--connections", str(count), "--rounds", "1"] if case.go_word == "idle" else [ours, str(count)]
        peer = [self.programs.go_program("memory"), case.go_word, str(count)]
        return [*peer, ours] if case.go_word == "idle" else peer

    def sample(self, side, case, count, procs):
        command = self.command(side, case, count)
        environment = dict(os.environ, REPRISE_MAXPROCS=str(procs), GOMAXPROCS=str(procs))
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise Broken(f"{' '.join(command)} did not end in {TIMEOUT_S} s") from error
        if done.returncode != 0:
            raise Broken(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
        return parse_memory(done.stdout)

    def measure(self, case, procs):
        if procs != 1:
            return []
        count, note = case.quick_count if self.quick else case.count, ""
        if case.go_word == "idle":
            procs, wanted = 4, count
            count = allowed_connections(wanted)
            if count < wanted:
                note = f"{count:,} connections, not {wanted:,}: the limit on descriptors (ulimit -Hn) allows no more"
        taken = {side: self.sample(side, case, count, procs) for side in ["ours"] + (["go"] if self.programs.has("go") else [])}
        return [self.row(case, "", procs, taken, sum, f"{count:,} of them" if not note else note),
                self.row(case, "_page_tables", procs, taken, lambda sample: sample[1], "")]

    @staticmethod
    def row(case, suffix, procs, taken, of, note):
        unit, ours = "bytes each", of(taken["ours"])
        theirs = of(taken["go"]) if "go" in taken else 0
        if theirs <= 0:
            return rows.alone(case.name + suffix, case.part, procs, unit, [ours], note=note)
        return rows.row_of_pairs(case.name + suffix, case.part, procs, "go", unit, [(ours, theirs)], note=note)
