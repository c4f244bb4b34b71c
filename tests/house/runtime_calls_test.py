"""The runtime's text calls shared libraries directly, never through the linkage table.

Entries of that table are in the program's text, where a goroutine may be switched out: one that is on its way from the
middle of mallocgc to memset would be.
"""

import os
import re
import shutil
import subprocess
import unittest

PROGRAM = os.path.join(os.environ["REPRISE_BUILD"], "corpus", "gc_graph")


def disassembly(section):
    return subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-j", section, PROGRAM], check=True,
                          capture_output=True, text=True).stdout


@unittest.skipUnless(shutil.which("objdump") and os.path.exists(PROGRAM), "needs objdump and the corpus")
class RuntimeCallsTest(unittest.TestCase):
    def test_the_runtimes_text_never_goes_through_the_linkage_table(self):
        text = disassembly("reprise_runtime_text")
        self.assertIn("mallocgc", text)
        through = re.findall(r"(?:call|jmp|j\w+)\s+\S*\s*<(\w+)@plt>", text)
        self.assertEqual([], sorted(set(through)))

    def test_the_check_sees_such_calls(self):
        self.assertRegex(disassembly(".text"), r"(?:call|jmp)\s+\S*\s*<\w+@plt>")


if __name__ == "__main__":
    unittest.main()
