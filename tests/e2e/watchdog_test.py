"""The watchdog: a loop that never gives way is named; a long computation is left alone."""
import os
import subprocess
import tempfile
import unittest

BUILD = os.environ["REPRISE_BUILD"]
REPRISE = os.path.join(BUILD, "tools/reprise")


def reprise(*words):
    return subprocess.run([REPRISE, *words], capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL)


class Watchdog(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.trace = os.path.join(folder.name, "t.rpz")

    def record(self, program, *args, watchdog="0.3"):
        return reprise("record", "--watchdog", watchdog, "-o", self.trace, "--",
                       os.path.join(BUILD, program), *args)

    def test_a_goroutine_that_spins_is_named_and_what_it_holds_up(self):
        done = self.record("spinner")
        self.assertEqual(done.returncode, 70, done.stderr)
        self.assertRegex(done.stderr, r"thread 0 computes, [1-9]\d* goroutines? could run")
        self.assertIn("spin_until_told", done.stderr)

    def test_its_trace_replays_to_the_loop_and_says_that_it_was_cut_off(self):
        self.record("spinner")
        done = reprise("replay", "--watchdog", "0.3", self.trace)
        self.assertEqual(done.returncode, 74, done.stderr)
        self.assertIn("spin_until_told", done.stderr)

    def test_a_thread_of_a_program_without_reprise_that_spins_is_named(self):
        done = self.record("thread_spinner")
        self.assertEqual(done.returncode, 70, done.stderr)
        self.assertRegex(done.stderr, r"thread 1 computes, [1-9]\d* threads? could run")
        self.assertIn("spin_until_told", done.stderr)

    def test_run_is_watched_too(self):
        done = reprise("run", "--watchdog", "0.3", "--", os.path.join(BUILD, "spinner"))
        self.assertEqual(done.returncode, 70, done.stderr)
        self.assertIn("spin_until_told", done.stderr)

    def test_a_long_computation_that_keeps_nobody_waiting_goes_on(self):
        done = self.record("spinner", "compute", watchdog="0.1")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = reprise("replay", "--watchdog", "0.1", self.trace)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
