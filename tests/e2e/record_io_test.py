"""A program that uses every kind of input and output at once, recorded under several schedules.

REPRISE_IO_SEEDS sets how many seeds a policy gets.
"""
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

from kvd_server import BUILD, LIMIT_S, REPRISE

MEDLEY = os.path.join(BUILD, "io_medley")
SEEDS = int(os.environ.get("REPRISE_IO_SEEDS", "4"))


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)


class RecordedIo(unittest.TestCase):
    def setUp(self):
        try:
            socket.getaddrinfo("localhost", None)
        except socket.gaierror:
            self.skipTest("this machine does not know localhost (no /etc/hosts)")
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.work = os.path.join(self.folder.name, "work")
        os.mkdir(self.work)
        direct = run(MEDLEY, self.work)
        self.assertEqual(direct.returncode, 0, direct.stderr)
        self.expected = direct.stdout
        self.assertEqual(len(self.expected.splitlines()), 9)

    def record_and_replay(self, policy, seed, *options):
        os.makedirs(self.work, exist_ok=True)
        trace = os.path.join(self.folder.name, f"{policy}-{seed}.rpz")
        recorded = run(REPRISE, "record", "--policy", policy, "--seed", str(seed), "-o", trace, "--",
                       MEDLEY, self.work, *options)
        self.assertEqual(recorded.returncode, 0, recorded.stdout + recorded.stderr)
        self.assertEqual(recorded.stdout, self.expected)
        shutil.rmtree(self.work)  # nothing of it is there when the trace is replayed
        replayed = run(REPRISE, "replay", trace, "--times", "3")
        self.assertEqual(replayed.returncode, 0, replayed.stdout + replayed.stderr)
        self.assertTrue(replayed.stdout.startswith(self.expected), replayed.stdout)
        self.assertEqual(replayed.stdout.count(" same\n"), 3, replayed.stdout)

    def test_controlled_run_gives_the_same_output(self):
        done = run(REPRISE, "run", "--", MEDLEY, self.work)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, self.expected)

    def test_every_schedule_replays(self):
        for policy in ("fair", "random"):
            for seed in range(1, SEEDS + 1):
                with self.subTest(policy=policy, seed=seed):
                    self.record_and_replay(policy, seed)

    def test_interrupted_by_signals_all_the_while_it_replays(self):
        for seed in range(1, SEEDS + 1):
            with self.subTest(seed=seed):
                self.record_and_replay("fair", seed, "storm")


if __name__ == "__main__":
    unittest.main()
