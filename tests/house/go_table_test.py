"""The table of Go's behaviours in tests/README.md: what it names exists, and what exists it names."""

import re
import unittest

import tree

LISTED = [line.split() for line in tree.read("tests/go/go_tests.txt").splitlines()]
README = tree.read("tests/README.md")
SUITE = r"^(?:TEST|TEST_F|TEST_P|TYPED_TEST)\((\w+),\s*(\w+)\)"


def rows(heading):
    """The cells of every table row between this heading and the next of its level."""
    section = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", README, re.M | re.S).group(1)
    file = None
    for line in section.splitlines():
        if line.startswith("### "):
            file = line[4:]
        elif line.startswith("| ") and not re.match(r"\| (Go's|---)", line):
            yield (file, *[cell.strip() for cell in line.strip("|").split(" | ")])


def tests_of(paths):
    return {f"{suite}.{name}" for path in paths
            for suite, name in re.findall(SUITE, tree.read(path), re.M)}


def native_only(path):
    return {f"{suite}.{name}" for suite, name, body in
            re.findall(SUITE + r" \{\n(.*?)^\}", tree.read(path), re.M | re.S)
            if "NATIVE_ONLY()" in body}


class GoTable(unittest.TestCase):
    def setUp(self):
        self.behaviours = list(rows("Go's behaviours"))
        self.left_out = {(file, test) for _, go, _ in rows("Left out") for file, test in [go.split()]}
        self.paths = [p for p in tree.code_files() if p.startswith("tests/")]
        self.ours = tests_of(p for p in self.paths if p.startswith("tests/go/"))
        self.endings = set(re.findall(r"\{ENDING\((\w+)\)", tree.read("tests/go/endings.cc")))

    def test_every_name_of_ours_is_a_test(self):
        known = tests_of(self.paths) | self.endings
        self.assertEqual({ours for _, _, ours, _ in self.behaviours} - known, set())

    def test_every_behaviour_is_in_the_table(self):
        self.assertEqual((self.ours | self.endings) - {ours for _, _, ours, _ in self.behaviours}, set())

    def test_every_test_of_gos_is_in_the_table_or_left_out_and_not_both(self):
        covered = {(file, go) for file, go, _, _ in self.behaviours}
        listed = {tuple(line) for line in LISTED}
        self.assertEqual(covered | self.left_out, listed)
        self.assertEqual(covered & self.left_out, set())

    def test_every_reason_says_something(self):
        for _, go, why in rows("Left out"):
            self.assertGreater(len(why.split()), 4, go)

    def test_where_a_behaviour_runs_is_told_truly(self):
        native = set().union(*(native_only(p) for p in self.paths if p.startswith("tests/go/")))
        for _, _, ours, runs in self.behaviours:
            if ours in self.endings:
                self.assertIn(runs, ("alone", "native alone"), ours)
            elif ours in self.ours:
                self.assertEqual(runs, "native" if ours in native else "both", ours)
            else:
                self.assertEqual(runs, "unit", ours)

    def test_there_are_at_least_as_many_as_promised(self):
        self.assertGreaterEqual(len({ours for _, _, ours, _ in self.behaviours}), 150)


if __name__ == "__main__":
    unittest.main()
