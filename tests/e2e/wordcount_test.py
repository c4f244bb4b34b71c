"""wordcount: the same output whatever the number of workers, and errors for what cannot be read."""
import collections
import os
import random
import re
import subprocess
import tempfile
import unittest

from kvd_server import LIMIT_S, program


def count(*arguments):
    return subprocess.run([program("wordcount"), *arguments], capture_output=True, text=True,
                          timeout=LIMIT_S)


class WordCount(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        rng = random.Random(7)
        words = [f"word{i}" for i in range(200)]
        self.all = collections.Counter()
        self.lines = 0
        for i in range(30):
            lines = [" ".join(rng.choices(words, k=8)) for _ in range(rng.randrange(400))]
            self.lines += len(lines)
            text = "".join(line + "\n" for line in lines)
            self.all.update(re.findall(r"\w+", text))
            with open(os.path.join(self.folder.name, f"{i}.txt"), "w") as f:
                f.write(text)

    def test_counts_are_right(self):
        done = count("--top", "5", self.folder.name)
        self.assertEqual(done.returncode, 0, done.stderr)
        first, *top = done.stdout.splitlines()
        self.assertTrue(first.startswith(f"30 files, {self.lines} lines, {sum(self.all.values())} words"))
        expected = sorted(self.all.items(), key=lambda item: (-item[1], item[0]))[:5]
        self.assertEqual([line.split() for line in top], [[str(n), word] for word, n in expected])

    def test_output_does_not_depend_on_the_workers(self):
        one = count("--workers", "1", self.folder.name).stdout
        for workers in ("2", "7", "50"):
            self.assertEqual(count("--workers", workers, self.folder.name).stdout, one)

    def test_missing_file_is_an_error_and_the_rest_is_counted(self):
        path = os.path.join(self.folder.name, "none")
        done = count(self.folder.name, path)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, f"wordcount: open {path}: no such file or directory\n")
        self.assertTrue(done.stdout.startswith("30 files"))

    def test_wrong_options_are_refused(self):
        for arguments in ([], ["--workers", "0", "x"], ["--nonsense"]):
            self.assertEqual(count(*arguments).returncode, 64)


if __name__ == "__main__":
    unittest.main()
