"""The simulated world from the command line: run, record and replay of a server and libc's clients in one
process. A replay needs no input but decisions, and comes to the same end every time."""

import os
import pathlib
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["REPRISE_BUILD"])
REPRISE = BUILD / "tools" / "reprise"
CORPUS = BUILD / "corpus"


def reprise(*words):
    return subprocess.run([str(REPRISE), *map(str, words)], capture_output=True, text=True, timeout=300)


class Simulated(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.trace = pathlib.Path(folder.name) / "run.rpz"

    def record(self, *words):
        return reprise("record", "-o", self.trace, "--world", "simulated", *words)

    def test_libcs_clients_and_the_server_share_a_process(self):
        done = reprise("run", "--world", "simulated", "--seed", 1, "--", CORPUS / "kvd_libc_fixed")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("n = 2", done.stdout)

    def test_a_recording_replays_a_hundred_times(self):
        recorded = self.record("--policy", "random", "--seed", 7, "--faults", "net", "--", CORPUS / "kvd_libc")
        self.assertIn("n = ", recorded.stdout, recorded.stderr)
        replayed = reprise("replay", self.trace, "--times", 100)
        self.assertEqual(replayed.returncode, recorded.returncode, replayed.stderr)
        self.assertTrue(replayed.stdout.startswith(recorded.stdout))

    def test_the_sockets_leave_no_records(self):
        self.record("--seed", 1, "--", CORPUS / "kvd_libc_fixed")
        shown = reprise("show", self.trace)
        self.assertRegex(shown.stdout, r"(?m)^\s*openat\s")  # what the table looks like
        # The runtime's own poller registers its eventfd at boot: the only epoll_ctl.
        self.assertRegex(shown.stdout, r"(?m)^\s*epoll_ctl\s+1$")
        for call in ("socket", "connect", "sendto", "recvfrom", "accept4", "epoll_wait", "ppoll"):
            self.assertNotRegex(shown.stdout, rf"(?m)^\s*{call}\s")

    def test_a_seed_shows_the_lost_increment(self):
        ends = {reprise("run", "--world", "simulated", "--policy", "random", "--seed", seed, "--",
                        CORPUS / "kvd_libc").returncode for seed in range(60)}
        self.assertEqual(ends, {0, 1})

    def test_files_are_the_programs_own(self):
        done = self.record("--seed", 1, "--", CORPUS / "sim_bugs", "lost_settings_fixed")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(pathlib.Path("/settings-of-a-simulation").exists())
        replayed = reprise("replay", self.trace, "--times", 20)
        self.assertEqual(replayed.returncode, 0, replayed.stderr)

    def test_bad_options_are_refused_before_the_start(self):
        for words in (["--world", "flat"], ["--faults", "net"], ["--world", "simulated", "--faults", "rain"]):
            done = reprise("run", *words, "--", CORPUS / "kvd_libc")
            self.assertEqual(done.returncode, 64, words)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1)
        done = reprise("run", "--world", "simulated", "--", "/bin/true")
        self.assertEqual(done.returncode, 64)
        self.assertIn("does not link Reprise", done.stderr)


if __name__ == "__main__":
    unittest.main()
