"""A failing REPRISE_TEST leaves a trace, with which the reprise command goes on: replay, shrink, explain."""
import os
import re
import signal
import subprocess
import tempfile
import unittest

BUILD = os.environ["REPRISE_BUILD"]
REPRISE = os.path.join(BUILD, "tools/reprise")
TESTS = os.path.join(BUILD, "failing_tests")
LIMIT_S = 120


class Traces(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_test(self, name, **environment):
        return subprocess.run([TESTS, "--gtest_filter=" + name], capture_output=True, text=True, timeout=LIMIT_S,
                              cwd=self.folder, env={**os.environ, **environment})

    def reprise(self, *words):
        return subprocess.run([REPRISE, *words], capture_output=True, text=True, timeout=LIMIT_S, cwd=self.folder)

    def files(self):
        folder = os.path.join(self.folder, "reprise-failures")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    # The report of a failing test, and the status with which its trace ends.
    def assert_leaves_a_trace(self, name, says, status):
        done = self.run_test(name)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, says)
        self.assertEqual(self.files(), [name + ".rpz", name + ".schedule"], done.stdout)
        replay = re.search(r"(?m)^replay:  reprise (replay \S+)$", done.stdout)[1].split()
        again = self.reprise(*replay, "--times", "5")
        self.assertEqual(again.returncode, status, again.stderr)
        shrink = re.search(r"(?m)^shrink:  reprise (shrink \S+ -o \S+)$", done.stdout)[1].split()
        self.assertEqual(self.reprise(*shrink).returncode, 0)
        small = self.reprise("replay", shrink[-1])
        self.assertEqual(small.returncode, status, small.stderr)
        return done.stdout, small.stdout + small.stderr, shrink[-1]

    def test_of_a_failed_expectation(self):
        _, small, _ = self.assert_leaves_a_trace("Fails.by_an_expectation", r"(?m)^failed expectation: ", 1)
        self.assertIn("the second was first", small)

    def test_of_a_panic(self):
        _, small, _ = self.assert_leaves_a_trace("Fails.by_a_panic", r"(?m)^panic: overtaken", 2)
        self.assertIn("panic: overtaken", small)

    def test_of_a_deadlock(self):
        _, _, trace = self.assert_leaves_a_trace("Fails.by_a_deadlock", r"(?m)^deadlock: all goroutines are asleep", 2)
        explained = self.reprise("explain", trace).stdout
        self.assertRegex(explained, r"(?m)^Cycle: G\d+ -> G\d+ -> G\d+$")

    def test_of_a_ring_of_locks_while_others_go_on(self):
        _, small, trace = self.assert_leaves_a_trace("Fails.by_a_ring_of_locks_while_others_go_on",
                                                     r"(?m)^deadlock: goroutines wait for each other's locks", 2)
        self.assertEqual(small.count("[pthread lock]:"), 2)
        self.assertRegex(self.reprise("explain", trace).stdout, r"(?m)^Cycle: G\d+ -> G\d+ -> G\d+$")

    def test_of_a_leak(self):
        _, small, _ = self.assert_leaves_a_trace("Fails.by_a_leak", r"(?m)^leak: 1 goroutines wait", 2)
        self.assertIn("[chan send]", small)

    def test_of_a_crash(self):
        self.assert_leaves_a_trace("Fails.by_a_crash", r"(?m)^crash: ", -signal.SIGSEGV)

    def test_of_a_signal_that_the_test_sends_itself(self):
        self.assert_leaves_a_trace("Fails.by_a_signal_that_it_sends", r"(?m)^crash: ", -signal.SIGSEGV)

    def test_of_an_exit(self):
        self.assert_leaves_a_trace("Fails.by_an_exit", r"(?m)^exit: the body ended the process with status 3", 3)

    def test_of_a_livelock(self):
        self.assert_leaves_a_trace("Fails.by_a_livelock", r"(?m)^livelock: ", 2)

    # kvd and its clients on a network of their own. The test knows no more than what three increments make.
    def test_of_the_lost_update_of_kvd_on_a_simulated_network(self):
        _, _, trace = self.assert_leaves_a_trace("Kvd.counts_its_clients", r"(?m)^failed expectation: ", 1)
        explained = self.reprise("explain", trace).stdout
        self.assertRegex(explained, r"Shown is the \S+ run[^:]*: 1 preemption, 0 other choices")
        self.assertIn("The critical pair, on ", explained)

    def test_is_not_made_where_the_stage_is_not_wanted(self):
        done = self.run_test("Fails.by_a_panic", REPRISE_STAGE="0")
        self.assertNotIn("trace", done.stdout)
        self.assertEqual(self.files(), ["Fails.by_a_panic.schedule"])

    def test_that_cannot_be_made_is_said_to_be_missing(self):
        done = self.run_test("Fails.by_a_panic", REPRISE_COMMAND="/nowhere/reprise")
        self.assertRegex(done.stdout, r"(?m)^no trace: the reprise command is neither at REPRISE_COMMAND nor in PATH$")

    def test_under_googletests_own_main_says_what_to_link(self):
        done = subprocess.run([os.path.join(BUILD, "under_gtest_main")], capture_output=True, text=True, timeout=LIMIT_S, cwd=self.folder)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("link reprise_gtest_main in place of GTest::gtest_main", done.stderr)

    def test_that_fails_names_its_own_line_and_that_of_the_expectation(self):
        done = subprocess.run([os.path.join(BUILD, "under_reprise_gtest_main")], capture_output=True, text=True, timeout=LIMIT_S,
                              cwd=self.folder)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"(?m)^\S*tests/support/one_test\.cc:6: Failure\nfailed expectation: \S*one_test\.cc:9: ")
        self.assertNotIn("gtest.h", done.stdout)

    def test_is_not_made_of_a_test_that_passes(self):
        done = self.run_test("Passes.always")
        self.assertEqual((done.returncode, self.files()), (0, []), done.stdout)


if __name__ == "__main__":
    unittest.main()
