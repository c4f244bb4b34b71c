"""What the tree may hold: its top level, its file sizes, and no trace of anybody's machine."""

import re
import unittest

import tree

TOP_LEVEL = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "asm", "corpus",
             "replay", "runtime", "scheduler-policies", "tests", "tools"}
LINES_CEILING = 800
FUNCTION_CEILING = 60
# Spelled in halves so that this file passes its own check.
MACHINE_PATHS = re.compile("|".join(
    r"(?<![\w./])/" + name + "/" for name in ("wo" "rk", "ho" "me", "ro" "ot")))


def long_functions(path):
    """Functions longer than the ceiling: they end with a brace in the first column."""
    found, start, name = [], None, ""
    for number, line in enumerate(tree.read(path).splitlines(), 1):
        if re.match(r"[A-Za-z_].*\(", line) or (start is None and re.match(r"[A-Za-z_]", line)):
            start, name = number, line.strip()
        if line.startswith("}") and start is not None:
            if not line.startswith("};") and not re.match(r"namespace|extern|enum", name) and \
                    number - start >= FUNCTION_CEILING:
                found.append(f"{path}:{start} {number - start + 1} lines: {name[:60]}")
            start = None
    return found


class Tidy(unittest.TestCase):

    def test_top_level_has_only_the_agreed_entries(self):
        tops = {path.split("/")[0] for path in tree.tracked_files()}
        self.assertEqual({t for t in tops if not t.startswith(".")} - TOP_LEVEL, set())

    def test_no_source_file_exceeds_the_ceiling(self):
        long_files = []
        for path in tree.tracked_files():
            if path.endswith(tree.CODE + (".py", ".txt", ".capnp")):
                lines = tree.read(path).count("\n")
                if lines > LINES_CEILING and path != "CMakeLists.txt":
                    long_files.append(f"{path}: {lines} lines")
        self.assertEqual(long_files, [])

    def test_no_path_of_a_developers_machine_is_left_behind(self):
        leaks = []
        for path in tree.tracked_files():
            text = tree.read(path)
            if "\0" in text:
                continue
            leaks += [f"{path}:{number}: {line.strip()[:80]}"
                      for number, line in enumerate(text.splitlines(), 1)
                      if MACHINE_PATHS.search(line)]
        self.assertEqual(leaks, [])

    def test_long_functions_are_reported(self):
        """A report, since a long function may have its reason; it fails if it finds no code."""
        paths = [p for p in tree.code_files() if p.endswith(".cc")]
        self.assertTrue(paths or tree.code_files())
        for finding in (f for p in paths for f in long_functions(p)):
            print("over 60 lines:", finding)


if __name__ == "__main__":
    unittest.main()
