"""Programs into which signals come from outside at random times, thousands a run.

REPRISE_SIGNALS says how many a run, REPRISE_REPLAYS how often each recording is replayed.
"""

import os
import re
import signal
import subprocess
import tempfile
import unittest

import harness

SIGNALS = int(os.environ.get("REPRISE_SIGNALS", "1500"))
SEED = int(os.environ.get("REPRISE_SEED", "1"))
SIGNALLER = os.path.join(harness.BUILD, "signaller")
RT = signal.SIGRTMIN


class Storm(unittest.TestCase):
    def record_under_fire(self, trace, argv, signals, options=()):
        """Records argv, whose first line is its process id; returns what it printed."""
        command = [harness.REPRISE, "record", "--seed", str(SEED), *options, "-o", trace, "--", *argv]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as recorded:
            first = recorded.stdout.readline()
            self.assertTrue(first.strip().isdigit(), (first, recorded.stderr.read() if not first else b""))
            fire = [SIGNALLER, first.decode().strip(), str(SIGNALS), str(SEED), *map(str, map(int, signals))]
            fired = subprocess.run(fire, capture_output=True, timeout=harness.TIMEOUT_S, check=False)
            output, errors = recorded.communicate(timeout=harness.TIMEOUT_S)
        self.assertEqual((fired.returncode, recorded.returncode), (0, 0), errors[-2000:])
        return first + output

    def assert_replays(self, argv, signals, options=()):
        with tempfile.TemporaryDirectory(prefix="reprise-storm-") as directory:
            trace = os.path.join(directory, "run.rpz")
            output = self.record_under_fire(trace, argv, signals, options)
            times = max(harness.REPLAYS, 2)
            done = subprocess.run([harness.REPRISE, "replay", trace, "--times", str(times)],
                                  capture_output=True, timeout=harness.TIMEOUT_S * times, check=False)
            same = len(re.findall(rb"^run \d+ of \d+: .* same$", done.stdout, re.M))
            self.assertEqual((done.returncode, same), (0, times), done.stderr[-2000:] + done.stdout[-500:])
            self.assertTrue(done.stdout.startswith(output), (output, done.stdout[:1000]))
        return {k: int(v) for k, v in re.findall(r"(\w+) (\d+)(?= |\n)", output.decode())}

    def test_c_program_with_every_kind_of_handler(self):
        program = os.path.join(harness.PROGRAMS, "storm")
        counts = self.assert_replays(
            [program], [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGWINCH,
                        RT + 1, RT + 2, RT + 3, RT + 5])
        for what in ("plain", "info", "jumps", "resets", "timers", "waited", "fd"):
            self.assertGreater(counts[what], 0, (what, counts))

    def test_goroutines_under_every_policy(self):
        program = os.path.join(harness.BUILD, "corpus", "signals")
        signals = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGWINCH, RT + 1]
        for policy in ("fair", "random", "pct"):
            with self.subTest(policy=policy):
                counts = self.assert_replays([program], signals, ("--policy", policy))
                for what in ("plain", "queued", "alarms", "delivered"):
                    self.assertGreater(counts[what], 0, (what, counts))


if __name__ == "__main__":
    unittest.main()
