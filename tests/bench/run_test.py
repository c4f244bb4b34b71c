"""tools/bench/run, end to end: two small cases, with and without Go, and its exit status. No figure is judged."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

BUILD, SOURCE = os.environ["REPRISE_BUILD"], os.environ["REPRISE_SOURCE"]
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SOURCE, "tools", "bench"))
from harness import cases, programs  # noqa: E402

RUN = os.path.join(SOURCE, "tools", "bench", "run")


def run(*words, **environment):
    return subprocess.run([sys.executable, "-B", RUN, "--build", BUILD, *words], capture_output=True, text=True, check=False,
                          env=dict(os.environ, **environment), timeout=500)


class Run(unittest.TestCase):
    def measure(self, peers):
        with tempfile.TemporaryDirectory() as room:
            path = os.path.join(room, "out.json")
            done = run("--no-build", "--quick", "--peers", peers, "--procs", "1,2", "--pairs", "2", "--case", "^(yield|map_hit)$",
                       "--json", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(path, encoding="utf-8") as written:
                return done, json.load(written)

    def test_without_peers_every_case_has_a_row_of_its_own(self):
        done, document = self.measure("")
        self.assertEqual([(case["name"], case["procs"], case["peer"], case["ratio"]) for case in document["cases"]],
                         [("yield", 1, "none", None), ("yield", 2, "none", None),
                          ("map_hit", 1, "none", None), ("map_hit", 2, "none", None)])
        self.assertTrue(all(case["ours"] > 0 for case in document["cases"]))
        self.assertIn("| yield | 1 |", done.stdout)

    def test_with_go_there_are_ratios_and_without_a_compiler_one_line_says_so(self):
        done, document = self.measure("go")
        peers = {case["peer"] for case in document["cases"]}
        if programs.find_go() is None:
            self.assertEqual(peers, {"none"})
            self.assertEqual(len(re.findall("no Go compiler", done.stderr)), 1)
            return
        self.assertEqual(peers, {"go"})
        self.assertTrue(all(case["ratio"] > 0 and case["low"] <= case["ratio"] <= case["high"] for case in document["cases"]))
        self.assertEqual(set(document["geometric_mean"]), {"1", "2"})

    def test_a_server_under_a_client_has_its_cpu_time_and_its_time(self):
        done = run("--no-build", "--quick", "--peers", "", "--pairs", "1", "--case", "^echo_50$")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("| echo_50 | 1 |  | CPU us a request |", done.stdout)
        self.assertIn("| echo_50_time | 1 |  | us a request |", done.stdout)

    def test_memory_is_measured_with_the_page_tables_apart(self):
        done = run("--no-build", "--quick", "--peers", "", "--case", "^memory$")
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("parked_goroutines", "timers_alive", "idle_connections"):
            self.assertIn(f"| {name} |", done.stdout)
            self.assertIn(f"| {name}_page_tables |", done.stdout)

    def test_controlled_mode_has_costs_of_decisions_and_of_recording_without_a_peer(self):
        done = run("--no-build", "--quick", "--peers", "", "--pairs", "1", "--case", "^(decision_fair|schedules|small_costs)$")
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("decision_fair", "recording_fair", "bytes_fair", "schedules", "itab_inline_hit", "added_to_system_call"):
            self.assertIn(f"| {name} | 1 |  |", done.stdout)

    def test_a_pattern_that_matches_nothing_is_a_mistake_of_usage(self):
        self.assertEqual(run("--case", "no such case").returncode, 64)

    def test_unknown_words_are_mistakes_of_usage(self):
        for words in (["--what"], ["--procs", "0"], ["--procs", "x"], ["--case", "("], ["--peers", "rust"], ["--pairs", "1,2"]):
            with self.subTest(words):
                self.assertEqual(run(*words).returncode, 64)

    def test_a_folder_that_is_not_built_is_status_1(self):
        with tempfile.TemporaryDirectory() as room:
            done = run("--build", room, "--case", "^yield$")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not a configured build folder", done.stderr)


class Cases(unittest.TestCase):
    def listed(self, program):
        return subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()

    def test_the_program_has_the_cases_that_the_table_names(self):
        named = {case.name for case in cases.CASES} | cases.BY_HAND
        self.assertEqual(set(self.listed(os.path.join(BUILD, "tools", "reprise-bench-cases"))), named)

    def test_every_case_does_one_operation_and_finds_its_result_right(self):
        program = os.path.join(BUILD, "tools", "reprise-bench-cases")
        for case in cases.CASES:
            with self.subTest(case.name):
                done = subprocess.run([program, case.name, "1"], capture_output=True, text=True, check=False, timeout=120)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertGreaterEqual(cases.parse_sample(done.stdout).ops, 1)

    def test_a_case_that_does_not_exist_is_a_mistake_of_usage(self):
        program = os.path.join(BUILD, "tools", "reprise-bench-cases")
        for words in (["no_such_case", "1"], ["yield", "0"], ["yield"], []):
            with self.subTest(words):
                self.assertEqual(subprocess.run([program, *words], capture_output=True, check=False).returncode, 64)


if __name__ == "__main__":
    unittest.main()
