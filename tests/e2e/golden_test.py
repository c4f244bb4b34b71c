"""Traces of every format version are still read, and still replay.

The golden program lies in the pack beside its trace, so nothing of this machine is needed. A golden
trace that the stage refuses because its own start record changed must at least say so.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.environ.get("REPRISE_SOURCE", ".")
REPRISE = os.path.join(os.environ.get("REPRISE_BUILD", "build"), "tools", "reprise")
GOLDEN = os.path.join(SOURCE, "corpus", "golden")


def reprise(*arguments):
    return subprocess.run([REPRISE, *arguments], capture_output=True, text=True, timeout=120,
                          check=False)


class Golden(unittest.TestCase):

    def setUp(self):
        self.versions = sorted(v for v in os.listdir(GOLDEN) if os.path.isdir(os.path.join(GOLDEN, v)))
        self.assertEqual(self.versions, ["1", "2", "3", "4"])

    def check_replays(self, version, trace, output, status):
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(os.path.join(GOLDEN, version), copy, dirs_exist_ok=True)
            done = reprise("replay", os.path.join(copy, trace), "--times", "2")
        if "of another version of the stage" in done.stderr:
            self.assertEqual(done.returncode, 65)
            return
        with open(os.path.join(GOLDEN, version, output), encoding="utf-8") as f:
            output = f.read()
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertTrue(done.stdout.startswith(output), done.stdout)
        self.assertEqual(len(re.findall(r"^run \d of 2: .* same$", done.stdout, re.M)), 2)

    def check_read(self, version, trace, expected):
        folder = os.path.join(GOLDEN, version)
        shown = reprise("show", os.path.join(folder, trace), "--json")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        with open(os.path.join(folder, expected), encoding="utf-8") as f:
            expected = json.load(f)
        actual = json.loads(shown.stdout)
        self.assertEqual({key: actual[key] for key in expected}, expected)

    def test_every_version_is_read(self):
        for version in self.versions:
            self.check_read(version, "hello.rpz", "expected.json")

    def test_every_version_replays(self):
        for version in self.versions:
            self.check_replays(version, "hello.rpz", "output.txt", 7)

    def test_preemptions_and_signals_are_read(self):
        self.check_read("4", "preempted.rpz", "preempted.json")

    def test_preemptions_and_signals_replay(self):
        self.check_replays("4", "preempted.rpz", "preempted.txt", 9)


if __name__ == "__main__":
    unittest.main()
