"""Records and replays programs, by the stage alone or by the reprise command.

A Tape is one recording of the stage alone, by tests/support/stage_driver. record() and replay()
return a Run: what the program printed, how it ended, and the driver's report (events, fingerprint,
hash of writable memory, verdict).

A Trace is one recording of the command. record() returns a Recorded; replay() checks its runs.
"""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("REPRISE_BUILD", os.path.join(ROOT, "build"))
STAGE = os.path.join(BUILD, "tools", "reprise-stage")
DRIVER = os.path.join(BUILD, "stage_driver")
REPRISE = os.path.join(BUILD, "tools", "reprise")
PROGRAMS = os.path.join(BUILD, "stage_programs")
REPLAYS = int(os.environ.get("REPRISE_REPLAYS", "3"))  # tools/soak asks for more
TIMEOUT_S = 120

_REPORT = re.compile(
    r"^(?:record|replay) events (\d+) bytes (\d+) fingerprint (\w+) memory (\w+)"
    r" verdict (\d+) exit (-?\d+) status (\d+)(?: (.*))?$", re.M | re.S)


def terminals():
    """Whether this machine gives out pseudo-terminals: a chroot without devpts does not."""
    try:
        for descriptor in os.openpty():
            os.close(descriptor)
    except OSError:
        return False
    return True


@dataclasses.dataclass
class Run:
    status: int
    output: bytes
    events: int
    tape_bytes: int
    fingerprint: str
    memory: str
    verdict: int
    message: str


class Tape:
    """A directory with a tape in it; a context manager that removes it."""

    def __init__(self):
        # A ring of a sparse gigabyte: memory takes it better than a disk.
        room = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.directory = tempfile.mkdtemp(prefix="reprise-tape-", dir=room)
        self.path = os.path.join(self.directory, "tape")
        self.options = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    def record(self, argv, **options):
        return self._run("record", argv, **options)

    def replay(self, **options):
        return self._run("replay", None, **options)

    def command(self, mode, argv):
        return [DRIVER, STAGE, self.path, mode, "-m"] + self.options + (["--"] + argv if argv else [])

    def environment(self, env=None):
        report = os.path.join(self.directory, "report")
        if os.path.exists(report):
            os.remove(report)
        return dict(os.environ if env is None else env, STAGE_REPORT=report)

    def report(self):
        with open(os.path.join(self.directory, "report"), errors="replace") as file:
            text = file.read()
        match = _REPORT.search(text)
        if not match:
            raise AssertionError(f"no report of the stage; it said: {text!r}")
        return match

    def finish(self, status, output):
        m = self.report()
        return Run(status, output, int(m[1]), int(m[2]), m[3], m[4], int(m[5]), (m[8] or "").rstrip("\n"))

    def _run(self, mode, argv, env=None, cwd=None, prefix=(), stdin=b""):
        done = subprocess.run(list(prefix) + self.command(mode, argv), input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd,
                              env=self.environment(env), timeout=TIMEOUT_S, check=False)
        return self.finish(done.returncode, done.stdout)


@dataclasses.dataclass
class Recorded:
    status: int
    output: bytes
    errors: bytes  # without the command's own line
    summary: dict  # show --json


class Trace:
    """A directory with a trace in it; a context manager that removes it."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="reprise-trace-")
        self.path = os.path.join(self.directory, "run.rpz")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    def record_command(self, argv):
        return [REPRISE, "record", "--hash-memory", "-o", self.path, "--"] + argv

    def record(self, argv, prefix=(), cwd=None):
        done = subprocess.run(list(prefix) + self.record_command(argv), stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=TIMEOUT_S, check=False, cwd=cwd)
        return self.recorded(done.returncode, done.stdout, done.stderr)

    def recorded(self, status, output, errors):
        shown = subprocess.run([REPRISE, "show", "--json", self.path], capture_output=True,
                               check=False)
        if shown.returncode:
            raise AssertionError(f"no trace: {errors!r} {shown.stderr!r}")
        ours = re.compile(rb"^reprise: .*\n", re.M)
        return Recorded(status, output, ours.sub(b"", errors), json.loads(shown.stdout))

    def replay(self, times, env=None, cwd=None, prefix=()):
        command = [REPRISE, "replay", "--hash-memory", "--times", str(times), self.path]
        return subprocess.run(list(prefix) + command, stdin=subprocess.DEVNULL, capture_output=True,
                              env=env, cwd=cwd, timeout=TIMEOUT_S * times, check=False)


class TraceTest(unittest.TestCase):
    """assert_replays(): one recording by the command, REPLAYS replays, the same each time."""

    def assert_recorded(self, recorded, status=0):
        self.assertEqual(recorded.status, status, recorded.errors[-2000:])
        self.assertFalse(recorded.summary["cut_off"])
        self.assertNotEqual(int(recorded.summary["memory_hash"], 16), 0)

    def assert_same(self, recorded, trace, times=REPLAYS, **options):
        done = trace.replay(times, **options)
        same = "".join(f"run {run + 1} of {times}: fingerprint {recorded.summary['fingerprint']} "
                       f"memory {recorded.summary['memory_hash']} "
                       f"events {recorded.summary['events']} same\n" for run in range(times))
        if times == 1:
            same = ""
        self.assertEqual((done.stdout, done.stderr, done.returncode),
                         (recorded.output + same.encode(), recorded.errors, recorded.status))

    def assert_replays(self, argv, status=0):
        with Trace() as trace:
            recorded = trace.record(argv)
            self.assert_recorded(recorded, status)
            self.assert_same(recorded, trace)


class ReplayTest(unittest.TestCase):
    """assert_replays(): one recording by the stage, REPLAYS replays, the same each time."""

    def assert_same(self, recorded, replayed):
        self.assertEqual((replayed.verdict, replayed.message), (0, ""), replayed.output[-2000:])
        self.assertEqual(replayed.output, recorded.output)
        self.assertEqual(replayed.status, recorded.status)
        self.assertEqual((replayed.events, replayed.fingerprint),
                         (recorded.events, recorded.fingerprint))
        self.assertEqual(replayed.memory, recorded.memory)

    def assert_recorded(self, recorded, status=0):
        self.assertEqual((recorded.verdict, recorded.message), (0, ""), recorded.output[-2000:])
        self.assertEqual(recorded.status, status, recorded.output[-2000:])

    def assert_replays(self, argv, status=0, times=REPLAYS, **options):
        with Tape() as tape:
            recorded = tape.record(argv, **options)
            self.assert_recorded(recorded, status)
            for _ in range(times):
                self.assert_same(recorded, tape.replay())
            return recorded

    def program(self, name):
        return os.path.join(PROGRAMS, name)
