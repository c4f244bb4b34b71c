"""Machines that lack something: what `doctor` says of each, and that what it calls a cost is no more.

Absence is simulated by tests/support/without.cc, for the command and for the stage alike.
"""

import os
import re
import subprocess
import tempfile
import unittest

BUILD = os.environ["REPRISE_BUILD"]
REPRISE = os.path.join(BUILD, "tools", "reprise")
WITHOUT = os.path.join(BUILD, "without")
NEEDED = {"dispatch": "syscall user dispatch", "pidfd": "pidfd", "memfd": "memfd"}
LIKED = {"tsc": "rdtsc trap", "cpuid": "cpuid faulting", "guard": "MADV_GUARD_INSTALL",
         "timer": "timer_create", "breakpoint": "hardware breakpoints", "ptrace": "ptrace"}


def run(argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def doctor(*missing):
    done = run([WITHOUT, *missing, "--", REPRISE, "doctor"] if missing else [REPRISE, "doctor"])
    lines = {name.strip(): state for state, name in re.findall(r"^(ok|missing) +(.{24}) ", done.stdout, re.M)}
    return done.returncode, lines, done.stdout


class Doctor(unittest.TestCase):
    def test_what_is_needed_and_missing_is_named_and_fails(self):
        for feature, name in NEEDED.items():
            with self.subTest(feature=feature):
                status, lines, text = doctor(feature)
                self.assertEqual((status, lines.get(name)), (1, "missing"), text)

    def test_what_is_liked_and_missing_is_named_and_does_not_fail(self):
        usual, _, _ = doctor()
        for feature, name in LIKED.items():
            with self.subTest(feature=feature):
                status, lines, text = doctor(feature)
                self.assertEqual((status, lines.get(name)), (usual, "missing"), text)

    def test_the_stage_is_found_without_proc_too(self):
        found = {**os.environ, "PATH": os.path.dirname(REPRISE) + ":" + os.environ["PATH"]}
        beside = os.path.relpath(REPRISE, "/")
        for command in ("reprise", REPRISE, beside):
            with self.subTest(command=command):
                done = subprocess.run([WITHOUT, "links", "--", command, "run", "--", "/bin/echo", "here"], capture_output=True,
                                      text=True, timeout=120, check=False, cwd="/", env=found)
                self.assertEqual((done.returncode, done.stdout), (0, "here\n"), done.stderr)

    def test_limits_are_told(self):
        _, lines, text = doctor()
        for name in ("descriptor limit", "map count", "queued signals", "signal frames"):
            self.assertIn(name, lines, text)

    def test_programs_record_and_replay_without_what_is_liked(self):
        _, here, _ = doctor()
        with tempfile.TemporaryDirectory() as directory:
            for number, features in enumerate([("cpuid",), ("guard",), ("timer",), ("breakpoint", "ptrace")]):
                with self.subTest(features=features):
                    trace = os.path.join(directory, f"{number}.rpz")
                    wrapper = [WITHOUT, *features, "--", REPRISE]
                    recorded = run([*wrapper, "record", "-o", trace, "--", "/bin/echo", "here"])
                    self.assertEqual((recorded.returncode, recorded.stdout), (0, "here\n"), recorded.stderr)
                    replayed = run([*wrapper, "replay", trace])
                    self.assertEqual((replayed.returncode, replayed.stdout), (0, "here\n"), replayed.stderr)
        self.assertTrue(here)

    def test_without_dispatch_nothing_starts_and_one_line_says_why(self):
        done = run([WITHOUT, "dispatch", "--", REPRISE, "run", "--", "/bin/echo", "here"])
        self.assertEqual((done.returncode, done.stdout), (64, ""))
        self.assertIn("Syscall User Dispatch", done.stderr)


class Strict(unittest.TestCase):
    def setUp(self):
        if doctor()[1].get("cpuid faulting") != "ok":
            self.skipTest("no cpuid faulting here")

    def test_cpuid_is_recorded_and_denies_what_cannot_be_repeated(self):
        program = os.path.join(BUILD, "stage_programs", "cpuid")
        with tempfile.TemporaryDirectory() as directory:
            trace = os.path.join(directory, "t.rpz")
            recorded = run([REPRISE, "record", "--strict", "-o", trace, "--", program])
            self.assertEqual(recorded.returncode, 0, recorded.stderr)
            self.assertIn("rdrand 0 rdseed 0 rdpid 0 rtm 0", recorded.stdout)
            replayed = run([REPRISE, "replay", "--times", "3", trace])
            self.assertEqual(replayed.returncode, 0, replayed.stderr)
            self.assertTrue(replayed.stdout.startswith(recorded.stdout))
            shown = run([REPRISE, "show", trace])
            self.assertIn("(cpuid)", shown.stdout)

    def test_replay_where_cpuid_does_not_trap_is_refused(self):
        with tempfile.TemporaryDirectory() as directory:
            trace = os.path.join(directory, "t.rpz")
            self.assertEqual(run([REPRISE, "record", "--strict", "-o", trace, "--", "/bin/true"]).returncode, 0)
            done = run([WITHOUT, "cpuid", "--", REPRISE, "replay", trace])
            self.assertEqual(done.returncode, 64)
            self.assertIn("cpuid faulting", done.stderr)

    def test_recording_where_cpuid_does_not_trap_warns_and_goes_on(self):
        with tempfile.TemporaryDirectory() as directory:
            trace = os.path.join(directory, "t.rpz")
            done = run([WITHOUT, "cpuid", "--", REPRISE, "record", "--strict", "-o", trace, "--", "/bin/true"])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("without cpuid faulting", done.stderr)
            self.assertEqual(run([REPRISE, "replay", trace]).returncode, 0)


if __name__ == "__main__":
    unittest.main()
