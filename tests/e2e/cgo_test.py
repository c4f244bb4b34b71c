"""A C library's threads calling back, natively, recorded and replayed."""
import os
import subprocess
import tempfile
import unittest

BUILD = os.environ["REPRISE_BUILD"]
REPRISE = os.path.join(BUILD, "tools", "reprise")
PROGRAM = os.path.join(BUILD, "corpus", "cgo_workers")
REPLAYS = int(os.environ.get("REPRISE_CGO_REPLAYS", "50"))
LIMIT_S = 120  # ends a test that hangs; nothing is measured against it


def run(*command, **env):
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env={**os.environ, **env})


class Cgo(unittest.TestCase):
    def assert_complete(self, text, numbers, visitors=9):
        lines = text.splitlines()
        self.assertEqual(sorted(int(line.split()[2]) for line in lines if ": number " in line), list(range(numbers)))
        self.assertEqual(sum(line.startswith("visitor ") for line in lines), visitors)
        self.assertEqual(lines[-1], "closed")

    def test_a_librarys_threads_call_back_in_parallel(self):
        for procs in ("1", "4"):
            with self.subTest(procs=procs):
                native = run(PROGRAM, "8", "20", REPRISE_MAXPROCS=procs)
                self.assertEqual(native.returncode, 0, native.stderr)
                self.assert_complete(native.stdout, 160)

    def test_recorded_callbacks_replay_as_they_came(self):
        seen = set()
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "cgo.rpz")
            for seed in range(1, 6):
                with self.subTest(seed=seed):
                    recorded = run(REPRISE, "record", "--hash-memory", "--policy", "random", "--seed", str(seed),
                                   "-o", trace, "--", PROGRAM)
                    self.assertEqual(recorded.returncode, 0, recorded.stderr)
                    self.assert_complete(recorded.stdout, 24)
                    seen.add(recorded.stdout)
                    for _ in range(REPLAYS // 5):
                        replayed = run(REPRISE, "replay", "--hash-memory", trace)
                        self.assertEqual(replayed.returncode, 0, replayed.stderr)
                        self.assertEqual(replayed.stdout, recorded.stdout)
        self.assertGreater(len(seen), 1)


if __name__ == "__main__":
    unittest.main()
