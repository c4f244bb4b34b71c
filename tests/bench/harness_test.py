"""The statistics, the parser and the reports of tools/bench/run."""
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ["REPRISE_SOURCE"], "tools", "bench"))
from harness import cases, controlled, memory, programs, rows, servers, stats  # noqa: E402


class Statistics(unittest.TestCase):
    def test_median_of_an_even_number_lies_between_the_middle_ones(self):
        self.assertEqual(stats.spread([4, 1, 3, 2]).median, 2.5)

    def test_quartiles_of_five_values_are_the_second_and_fourth(self):
        spread = stats.spread([50, 10, 40, 20, 30])
        self.assertEqual((spread.low, spread.median, spread.high), (20, 30, 40))

    def test_one_value_is_its_own_median_and_quartiles(self):
        self.assertEqual(stats.spread([7]), stats.Spread(7, 7, 7))

    def test_one_wild_run_does_not_move_the_median_of_ratios(self):
        pairs = [(1, 2)] * 10 + [(1000, 2)]
        self.assertEqual(stats.spread(stats.ratios(pairs)).median, 0.5)

    def test_geometric_mean_of_a_ratio_and_its_inverse_is_one(self):
        self.assertAlmostEqual(stats.geometric_mean([4, 0.25]), 1)

    def test_geometric_mean_of_nothing_is_none(self):
        self.assertIsNone(stats.geometric_mean([]))


class CommandLine(unittest.TestCase):
    def test_a_word_that_a_script_does_not_take_is_status_64(self):
        tools = os.path.join(os.environ["REPRISE_SOURCE"], "tools")
        folder = os.path.join(tools, "bench")
        scripts = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".py")]
        self.assertGreater(len(scripts), 5)
        for script in [*scripts, os.path.join(folder, "run"), os.path.join(folder, "drift"), os.path.join(tools, "soak")]:
            with self.subTest(script=script):
                done = subprocess.run([sys.executable, "-B", script, "--no-such-option"], capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 64, done.stderr)
                self.assertTrue(done.stderr.startswith("usage: "), done.stderr)


class Parser(unittest.TestCase):
    def test_a_line_of_a_case_is_read(self):
        self.assertEqual(cases.parse_sample('{"ops":10,"ns":1.5,"cpu_ns":0.000}\n'), cases.Sample(10, 1.5, 0))

    def test_what_is_no_measurement_is_refused(self):
        for line in ("", "12", "null", "{}", '{"ops":1}', '{"ops":1,"ns":"x","cpu_ns":1}', '{"ops":0,"ns":1,"cpu_ns":1}',
                     '{"ops":1,"ns":0,"cpu_ns":1}', '{"ops":1,"ns":1,"cpu_ns":-1}', "wrong result: ring"):
            with self.subTest(line), self.assertRaises(programs.Broken):
                cases.parse_sample(line)


class Servers(unittest.TestCase):
    def test_what_wrk_says_is_read_in_any_unit(self):
        self.assertEqual(servers.parse_wrk("  93281 requests in 2.10s, 7.65MB read\nRequests/sec:  44419"), (93281, 2.1))
        self.assertEqual(servers.parse_wrk("  10 requests in 500.00ms, 1KB read")[1], 0.5)

    def test_a_run_of_wrk_with_errors_is_no_figure(self):
        for text in ("", "  10 requests in 1.00s, 1KB read\n  Socket errors: connect 1, read 0, write 0, timeout 0",
                     "  10 requests in 1.00s, 1KB read\n  Non-2xx or 3xx responses: 3"):
            with self.subTest(text), self.assertRaises(programs.Broken):
                servers.parse_wrk(text)

    def test_the_clock_of_another_process_counts_its_work(self):
        with subprocess.Popen([sys.executable, "-c", "for i in range(3000000): pass\nprint(flush=True)\ninput()"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            self.assertGreater(servers.process_cpu_ns(process.pid), 0)
            process.communicate(b"\n")


class Memory(unittest.TestCase):
    def test_what_the_programs_say_is_read(self):
        self.assertEqual(memory.parse_memory("each takes 4248 bytes resident and 17 of page tables; the process 4.56 GiB"), (4248, 17))
        self.assertEqual(memory.parse_memory("9 connections; a connection takes 4750 bytes resident and 643 of page tables"), (4750, 643))
        with self.assertRaises(programs.Broken):
            memory.parse_memory("closed: 1 goroutines")

    def test_no_more_connections_than_the_limit_on_descriptors_allows(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard == resource.RLIM_INFINITY:
            self.assertEqual(memory.allowed_connections(10**9), 10**9)
        else:
            self.assertEqual(memory.allowed_connections(10**9), hard - memory.OTHER_DESCRIPTORS)
        self.assertEqual(memory.allowed_connections(1), 1)


class Controlled(unittest.TestCase):
    TABLE = """                          1 P ms   N Ps ms     ratio    median       CPU
fork-join                 1017.1     935.4      1.09      1.09      1.11
shared mutex               410.3     322.5      1.27      1.27      1.01
"""

    def test_the_table_of_parallel_work_is_read(self):
        self.assertEqual(controlled.parse_parallel(self.TABLE),
                         {"fork-join": (1017.1, 935.4, 1.11), "shared mutex": (410.3, 322.5, 1.01)})

    def test_parallel_work_with_another_result_is_no_figure(self):
        for text in ("", self.TABLE.replace("1.01\n", "1.01  RESULTS DIFFER\n")):
            with self.subTest(text), self.assertRaises(programs.Broken):
                controlled.parse_parallel(text)

    def test_every_case_has_the_method_that_measures_it(self):
        for case in controlled.CASES:
            self.assertTrue(callable(getattr(controlled.Runner, case.how)), case.name)


class Reports(unittest.TestCase):
    ROWS = [rows.row_of_pairs("a", "channel", 1, "go", "ns", [(1, 4), (2, 4), (3, 4)], [(1, 1), (1, 0)], goal=1.0),
            rows.row_of_pairs("b", "map", 1, "go", "ns", [(8, 4)]),
            rows.row_of_pairs("b", "map", 1, "boost", "ns", [(1, 100)]),
            rows.row_of_pairs("c", "panic", 1, "go", "ns", [(1, 1000)]),
            rows.alone("d", "controlled", 1, "ns", [30, 10, 20])]

    def test_a_row_has_medians_and_the_quartiles_of_the_ratios(self):
        row = self.ROWS[0]
        self.assertEqual((row.ours, row.theirs, row.ratio, row.low, row.high, row.pairs), (2, 4, 0.5, 0.375, 0.625, 3))

    def test_a_cpu_time_too_short_to_be_seen_makes_no_ratio(self):
        self.assertEqual(self.ROWS[0].cpu_ratio, 1)

    def test_the_mean_is_over_the_parts_of_the_goal_beside_go(self):
        self.assertEqual(rows.geometric_means(self.ROWS), {1: 1.0})

    def test_every_row_is_in_the_table_with_as_many_columns_as_the_head(self):
        lines = rows.markdown(self.ROWS).splitlines()
        table = [line for line in lines if line.startswith("|")]
        self.assertEqual(len(table), 2 + len(self.ROWS))
        self.assertEqual({line.count("|") for line in table}, {table[0].count("|")})

    def test_the_file_has_cases_with_name_peer_and_ratio(self):
        with tempfile.TemporaryDirectory() as room:
            path = os.path.join(room, "out.json")
            rows.write_json(path, self.ROWS, rows.machine(True))
            with open(path, encoding="utf-8") as written:
                document = json.load(written)
        self.assertEqual([(case["name"], case["peer"], case["ratio"]) for case in document["cases"]],
                         [("a", "go", 0.5), ("b", "go", 2), ("b", "boost", 0.01), ("c", "go", 0.001), ("d", "none", None)])
        self.assertEqual(document["geometric_mean"], {"1": 1.0})


class FakeRunner(cases.Runner):
    """Sides that take as many nanoseconds an operation as `costs` says."""

    def __init__(self, costs, target_s):
        self.have = programs.Programs("nowhere", ["go"])
        self.have.go = "go"
        super().__init__(self.have, 4, target_s, False)
        self.costs, self.asked = costs, []

    def sample(self, side, case, procs, ops):
        self.asked.append((side, ops))
        return cases.Sample(ops, self.costs[side], self.costs[side])


class Pairs(unittest.TestCase):
    CASE = cases.Case("x", "channel")

    def test_the_slower_side_fills_the_target_time_and_both_do_the_same_work(self):
        runner = FakeRunner({"ours": 10, "go": 1000}, target_s=0.01)
        rows_made = runner.measure(self.CASE, 1)
        measured = runner.asked[-8:]
        self.assertEqual({ops for _, ops in measured}, {10_000})
        self.assertEqual(rows_made[0].ratio, 0.01)

    def test_pairs_alternate_which_side_goes_first(self):
        runner = FakeRunner({"ours": 10, "go": 10}, target_s=0.001)
        runner.measure(self.CASE, 1)
        self.assertEqual([side for side, _ in runner.asked[-8:]], ["ours", "go", "go", "ours"] * 2)

    def test_without_the_peer_there_is_a_row_without_a_ratio(self):
        runner = FakeRunner({"ours": 10}, target_s=0.001)
        runner.have.go = None
        [row] = runner.measure(self.CASE, 2)
        self.assertEqual((row.peer, row.ratio, row.ours), ("none", None, 10))


class Building(unittest.TestCase):
    def test_a_folder_without_a_build_is_refused_by_name(self):
        with tempfile.TemporaryDirectory() as room, contextlib.redirect_stderr(io.StringIO()):
            with self.assertRaisesRegex(programs.Broken, "not a configured build folder"):
                programs.Programs(room, []).make(build=True)


if __name__ == "__main__":
    unittest.main()
