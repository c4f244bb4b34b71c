"""The core recorded and replayed: a program that does everything at once, and every way to die.
Replays must leave the same memory too: a difference in its hash is a divergence.

REPRISE_CORE_SEEDS sets how many medleys are recorded; tools/soak gives more.
"""
import os
import subprocess
import tempfile
import unittest

BUILD = os.environ["REPRISE_BUILD"]
REPRISE = os.path.join(BUILD, "tools", "reprise")
SEEDS = int(os.environ.get("REPRISE_CORE_SEEDS", "6"))
LIMIT_S = 120  # ends a test that hangs; nothing is measured against it


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)


def own_words(text):
    """What the program said, without the command's own lines."""
    return [line for line in text.splitlines() if not line.startswith("reprise: ")]


class RecordedCore(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.trace = os.path.join(self.folder.name, "core.rpz")

    def assert_replays(self, policy, seed, *command):
        recorded = run(REPRISE, "record", "--hash-memory", "--policy", policy, "--seed", str(seed), "-o", self.trace,
                       "--", *command)
        replayed = run(REPRISE, "replay", "--hash-memory", self.trace)
        self.assertEqual(replayed.returncode, recorded.returncode, replayed.stderr)
        self.assertEqual(replayed.stdout, recorded.stdout)
        self.assertEqual(own_words(replayed.stderr), own_words(recorded.stderr))
        return recorded

    def test_a_medley_of_the_whole_core_replays_under_every_schedule(self):
        for seed in range(SEEDS):
            with self.subTest(seed=seed):
                recorded = self.assert_replays(
                    "random" if seed % 3 else "fair", seed, os.path.join(BUILD, "core_medley"),
                    str(seed), "12")
                self.assertEqual(recorded.returncode, seed % 7, recorded.stderr)
                self.assertIn("\nend ", recorded.stdout)

    def test_every_way_to_die_replays_with_its_report(self):
        for name, status in (("deadlock", 2), ("panic_on_goroutine", 2), ("exception", 2),
                             ("overflow", 2), ("segv", -11), ("abort", -6), ("main_goexit", 2),
                             ("quit", 2), ("exit_on_thread", 7)):
            with self.subTest(name=name):
                recorded = self.assert_replays("fair", 1, os.path.join(BUILD, "deaths"), name)
                self.assertEqual(recorded.returncode, status, recorded.stderr)


if __name__ == "__main__":
    unittest.main()
