"""A program that allocates, collects and finalises: recorded under many seeds, each replay has the same addresses."""

import os
import subprocess
import tempfile
import unittest

BUILD = os.environ["REPRISE_BUILD"]
REPRISE = os.path.join(BUILD, "tools", "reprise")
PROGRAM = os.path.join(BUILD, "corpus", "gc_graph")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


class Gc(unittest.TestCase):
    def test_started_directly(self):
        for procs in "1", "2", "4":
            result = run(PROGRAM, env=dict(os.environ, REPRISE_MAXPROCS=procs))
            self.assertEqual(result.returncode, 0, result.stdout[-300:] + result.stderr)

    def test_100_pairs_of_record_and_replay(self):
        heaps = set()
        with tempfile.TemporaryDirectory() as room:
            trace = os.path.join(room, "gc.rpz")
            for seed in range(100):
                policy = ("random", "fair", "pct", "pos")[seed % 4]
                recorded = run(REPRISE, "record", "--policy", policy, "--seed", str(seed), "-o", trace, "--", PROGRAM)
                self.assertEqual(recorded.returncode, 0, recorded.stdout[-300:] + recorded.stderr)
                replayed = run(REPRISE, "replay", trace)
                self.assertEqual((replayed.returncode, replayed.stdout), (0, recorded.stdout), f"seed {seed}: {replayed.stderr}")
                heaps.add(recorded.stdout)
        self.assertGreater(len(heaps), 20)  # the seeds are different schedules

    def test_bad_environment_is_one_line(self):
        for name, value in ("GOGC", "ten"), ("GOGC", "-5"), ("GOMEMLIMIT", "5XB"), ("GOMEMLIMIT", "MiB"):
            result = run(PROGRAM, env=dict(os.environ, **{name: value}))
            self.assertEqual(result.returncode, 64)
            self.assertRegex(result.stderr, rf'\Areprise: {name}: expected .*, got "{value}"\n\Z')


if __name__ == "__main__":
    unittest.main()
