"""The runtime's text calls nothing that is in the program's: neither its functions nor its linkage table.

There a goroutine may be switched out: one that is on its way from the middle of mallocgc to memset, or to a lock, would be.
"""

import os
import re
import shutil
import subprocess
import unittest

BUILD = os.environ["REPRISE_BUILD"]
PROGRAM = os.path.join(BUILD, "corpus", "gc_graph")
CHECKED = os.path.join(BUILD, "gc_soak")  # with the lock that tests put in the place of the library's
BOOT = {"_start", "atexit", "__pthread_atfork"}  # where they are called there is no goroutine yet


def disassembly(section, program=PROGRAM):
    return subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-j", section, program], check=True,
                          capture_output=True, text=True).stdout


def functions(section, program):
    return set(re.findall(r"^[0-9a-f]+ <(.*)>:$", disassembly(section, program), re.M))


def called(section, program):
    return set(re.findall(r"(?:call|j\w+)\s+[0-9a-f]+ <([^>+]*)>", disassembly(section, program)))


@unittest.skipUnless(shutil.which("objdump") and os.path.exists(PROGRAM), "needs objdump and the corpus")
class RuntimeCallsTest(unittest.TestCase):
    def test_the_runtimes_text_never_goes_through_the_linkage_table(self):
        text = disassembly("reprise_runtime_text")
        self.assertIn("mallocgc", text)
        through = re.findall(r"(?:call|jmp|j\w+)\s+\S*\s*<(\w+)@plt>", text)
        self.assertEqual([], sorted(set(through)))

    def test_the_runtimes_text_calls_none_of_the_programs_functions(self):
        for program in PROGRAM, CHECKED:
            theirs = called("reprise_runtime_text", program) & functions(".text", program)
            self.assertEqual(BOOT, theirs | BOOT, program)

    def test_the_check_sees_such_calls(self):
        self.assertRegex(disassembly(".text"), r"(?:call|jmp)\s+\S*\s*<\w+@plt>")
        self.assertIn("main", functions(".text", PROGRAM))
        self.assertTrue(called(".text", PROGRAM) & functions(".text", PROGRAM))


if __name__ == "__main__":
    unittest.main()
