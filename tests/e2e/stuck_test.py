"""Goroutines that can never run again, in whole programs: reported while others go on, and never one that can be woken."""
import glob
import os
import re
import subprocess
import tempfile
import unittest

BUILD = os.environ["REPRISE_BUILD"]
REPRISE = os.path.join(BUILD, "tools", "reprise")
CASES = os.path.join(BUILD, "stuck_cases")
LIMIT_S = 120


class Stuck(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name

    def reprise(self, *words):
        return subprocess.run([REPRISE, *words], capture_output=True, text=True, timeout=LIMIT_S, cwd=self.folder)

    def fuzz(self, case, schedules, *options):
        words = ["fuzz", "--jobs", "1", "--seed", "7", "--schedules", str(schedules), "--corpus", case, *options, "--", CASES, case]
        return self.reprise(*words)

    def cases(self, kind):
        listed = subprocess.run([CASES], capture_output=True, text=True, timeout=LIMIT_S, check=True).stdout
        return re.findall(rf"(?m)^{kind} (\w+)$", listed)

    def test_those_that_are_stuck_are_reported_while_main_goes_on(self):
        self.assertGreater(len(self.cases("stuck")), 10)
        for case in self.cases("stuck"):
            with self.subTest(case):
                done = self.fuzz(case, 3)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stdout, r"(?m)^deadlock: goroutines can never run again - deadlock!")

    def test_those_that_somebody_may_wake_are_not(self):
        self.assertGreater(len(self.cases("alive")), 15)
        for case in self.cases("alive"):
            with self.subTest(case):
                done = self.fuzz(case, 10, "--fail-when", "exit", "--fail-when", "leak=any")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_those_whom_main_leaves_for_ever_while_others_go_on_are_a_leak_for_who_asks(self):
        self.assertGreater(len(self.cases("left")), 1)
        for case in self.cases("left"):
            with self.subTest(case):
                done = self.fuzz(case, 3)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                done = self.fuzz(case, 3, "--fail-when", "leak=any")
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stdout, r"(?m)^leak: goroutines can never run again when main returns: chan receive")
                [trace] = glob.glob(os.path.join(self.folder, "reprise-failures", "*.rpz"))
                again = self.reprise("replay", "--times", "5", trace)
                self.assertEqual(again.returncode, 0, again.stderr)
                os.remove(trace)

    def test_the_report_names_the_stuck_ones_alone_and_replays(self):
        self.fuzz("two_that_wait_for_each_other", 3)
        [trace] = glob.glob(os.path.join(self.folder, "reprise-failures", "*.rpz"))
        again = self.reprise("replay", "--times", "10", trace)
        self.assertEqual(again.returncode, 2, again.stderr)
        self.assertEqual(again.stderr.count("fatal error: goroutines can never run again - deadlock!"), 1, again.stderr)
        self.assertEqual(len(re.findall(r"(?m)^goroutine \d+ \[chan receive\]:$", again.stderr)), 2, again.stderr)
        self.assertEqual(len(re.findall(r"(?m)^goroutine ", again.stderr)), 2, again.stderr)
        self.assertEqual(len(re.findall(r"(?m)^created by .* in goroutine 1$", again.stderr)), 2, again.stderr)


if __name__ == "__main__":
    unittest.main()
