"""tools/bench/drift: what is drift and what is not, and that it counts what it says. The guard itself is the test bench.drift."""
import importlib.machinery
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, SOURCE = os.environ["REPRISE_BUILD"], os.environ["REPRISE_SOURCE"]
DRIFT = os.path.join(SOURCE, "tools", "bench", "drift")
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("drift", DRIFT)
drift = importlib.util.module_from_spec(importlib.util.spec_from_loader("drift", loader))
loader.exec_module(drift)


def run(*words):
    return subprocess.run([sys.executable, "-B", DRIFT, "--build", BUILD, *words], capture_output=True, text=True, check=False,
                          timeout=250)


class Drift(unittest.TestCase):
    def test_six_percent_more_is_drift_and_four_percent_or_less_is_not(self):
        self.assertTrue(drift.grown(100, 106))
        self.assertFalse(drift.grown(100, 104))
        self.assertFalse(drift.grown(100, 50))

    def test_a_case_without_a_baseline_is_not_passed_over(self):
        costs = {"defer": 30.0}
        drift.cost, kept = (lambda program, case: costs[case]), drift.cost
        try:
            self.assertEqual(drift.compare("", ["defer"], {})[1], ["defer"])
            self.assertEqual(drift.compare("", ["defer"], {"defer": 29.0})[1], [])
            self.assertEqual(drift.compare("", ["defer"], {"defer": 20.0})[1], ["defer"])
        finally:
            drift.cost = kept

    def test_every_case_has_a_baseline(self):
        self.assertEqual(set(drift.read_baseline(drift.BASELINE)["instructions"]), set(drift.CASES))

    def test_a_pattern_that_matches_nothing_is_a_mistake_of_usage(self):
        self.assertEqual(run("--case", "no such case").returncode, 64)
        self.assertEqual(run("--what").returncode, 64)


@unittest.skipIf(shutil.which("valgrind") is None, "no valgrind")
class Counting(unittest.TestCase):
    def baseline(self, room, compiler, instructions):
        path = os.path.join(room, "baseline.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"compiler": compiler, "instructions": {"defer": instructions}}, file)
        return path

    def test_growth_is_status_1_and_names_the_case(self):
        with tempfile.TemporaryDirectory() as room:
            done = run("--case", "^defer$", "--baseline", self.baseline(room, drift.compiler(BUILD), 1.0))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("defer. If that is meant", done.stderr)

    def test_fewer_instructions_are_no_failure(self):
        with tempfile.TemporaryDirectory() as room:
            done = run("--case", "^defer$", "--baseline", self.baseline(room, drift.compiler(BUILD), 1e6))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("| defer |", done.stdout)

    def test_counts_of_another_compiler_are_not_compared(self):
        with tempfile.TemporaryDirectory() as room:
            done = run("--case", "^defer$", "--baseline", self.baseline(room, "Other 1.0", 1.0))
        self.assertEqual(done.returncode, drift.NOT_COMPARABLE)


if __name__ == "__main__":
    unittest.main()
