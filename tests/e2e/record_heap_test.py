"""The collected heap recorded and replayed: the same addresses, the same memory, whatever the schedule.

REPRISE_HEAP_SEEDS sets how many medleys are recorded.
"""
import os
import resource
import subprocess
import tempfile
import unittest

BUILD = os.environ["REPRISE_BUILD"]
REPRISE = os.path.join(BUILD, "tools", "reprise")
MEDLEY = os.path.join(BUILD, "heap_medley")
SEEDS = int(os.environ.get("REPRISE_HEAP_SEEDS", "6"))
LIMIT_S = 120  # ends a test that hangs; nothing is measured against it


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)


class RecordedHeap(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.trace = os.path.join(self.folder.name, "heap.rpz")

    def record(self, policy, seed):
        recorded = run(REPRISE, "record", "--hash-memory", "--policy", policy, "--seed", str(seed), "-o", self.trace,
                       "--", MEDLEY, str(seed), "5")
        self.assertEqual(recorded.returncode, 0, recorded.stderr)
        return recorded.stdout

    def test_addresses_and_memory_replay_under_every_schedule(self):
        for seed in range(SEEDS):
            with self.subTest(seed=seed):
                output = self.record("random" if seed % 3 else "fair", seed)
                self.assertEqual(len(output.splitlines()), 5)
                replayed = run(REPRISE, "replay", "--hash-memory", self.trace)
                self.assertEqual(replayed.returncode, 0, replayed.stderr)
                self.assertEqual(replayed.stdout, output)

    def test_a_limit_on_address_space_leaves_room_for_the_rest(self):
        for limit in (700 << 20, 8 << 30):
            with self.subTest(limit=limit):
                ended = subprocess.run([MEDLEY, "1", "2"], capture_output=True, text=True, timeout=LIMIT_S,
                                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
                self.assertEqual(ended.returncode, 0, ended.stderr)
                self.assertEqual(len(ended.stdout.splitlines()), 2)

    def test_the_same_objects_are_sampled_for_a_profile(self):
        profiles = set()
        for seed in (1, 2, 2):
            recorded = run(REPRISE, "record", "--policy", "random", "--seed", str(seed), "-o", self.trace, "--",
                           os.path.join(BUILD, "heap_profiled"))
            self.assertRegex(recorded.stdout, r"\Aheap profile: \d+: \d+ \[[1-9]\d*: \d+\] @ heap/1400\n")
            self.assertIn("chain(int)", recorded.stdout)
            replayed = run(REPRISE, "replay", self.trace)
            self.assertEqual((replayed.returncode, replayed.stdout), (0, recorded.stdout), replayed.stderr)
            profiles.add(recorded.stdout)
        self.assertEqual(len(profiles), 2)

    def test_addresses_depend_on_the_schedule_alone(self):
        self.assertEqual(self.record("random", 1), self.record("random", 1))


if __name__ == "__main__":
    unittest.main()
