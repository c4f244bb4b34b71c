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

    def test_every_version_is_read(self):
        for version in self.versions:
            folder = os.path.join(GOLDEN, version)
            shown = reprise("show", os.path.join(folder, "hello.rpz"), "--json")
            self.assertEqual(shown.returncode, 0, shown.stderr)
            with open(os.path.join(folder, "expected.json"), encoding="utf-8") as f:
                expected = json.load(f)
            actual = json.loads(shown.stdout)
            self.assertEqual({key: actual[key] for key in expected}, expected)

    def test_every_version_replays(self):
        for version in self.versions:
            with tempfile.TemporaryDirectory() as copy:
                shutil.copytree(os.path.join(GOLDEN, version), copy, dirs_exist_ok=True)
                done = reprise("replay", os.path.join(copy, "hello.rpz"), "--times", "2")
            if "of another version of the stage" in done.stderr:
                self.assertEqual(done.returncode, 65)
                continue
            with open(os.path.join(GOLDEN, version, "output.txt"), encoding="utf-8") as f:
                output = f.read()
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertTrue(done.stdout.startswith(output), done.stdout)
            self.assertEqual(len(re.findall(r"^run \d of 2: .* same$", done.stdout, re.M)), 2)


if __name__ == "__main__":
    unittest.main()
