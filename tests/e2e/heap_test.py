"""Mistakes with the heap, which is Reprise's own under the stage: they end as with libc's, and replay."""

import os
import re
import resource
import signal
import subprocess
import tempfile
import unittest

from deaths_test import PANIC_STATUS, PROGRAM, die, no_core

REPRISE = os.path.join(os.environ["REPRISE_BUILD"], "tools", "reprise")


class Heap(unittest.TestCase):
    def die_recorded(self, name, address_space=resource.RLIM_INFINITY):
        def limits():
            no_core()
            resource.setrlimit(resource.RLIMIT_AS, (address_space, resource.RLIM_INFINITY))
        with tempfile.TemporaryDirectory() as room:
            trace = os.path.join(room, "death.rpz")
            recorded = subprocess.run([REPRISE, "record", "-o", trace, "--", PROGRAM, name],
                                      capture_output=True, text=True, timeout=120, check=False,
                                      preexec_fn=limits)
            replayed = subprocess.run([REPRISE, "replay", trace], capture_output=True, text=True,
                                      timeout=120, check=False, preexec_fn=no_core)
        errors = re.sub(r"^reprise: .*; \d.* records,.*\n", "", recorded.stderr, flags=re.M)
        self.assertEqual((replayed.returncode, replayed.stdout, replayed.stderr),
                         (recorded.returncode, recorded.stdout, errors))
        return replayed

    def assert_aborts(self, run, line):
        self.assertEqual(run.returncode, -signal.SIGABRT, run.stderr)
        self.assertRegex(run.stderr, rf"\A{re.escape(line)}.*\nfatal error: unexpected signal\n")

    def test_double_free(self):
        self.assert_aborts(die("double_free"), "free(): double free detected")
        self.assert_aborts(self.die_recorded("double_free"), "free(): double free detected")

    def test_free_of_what_is_no_block(self):
        self.assert_aborts(self.die_recorded("invalid_free"), "free(): invalid pointer")

    def test_no_memory_is_enomem_and_then_bad_alloc(self):
        run = self.die_recorded("exhaustion", address_space=3_000_000 << 10)
        self.assertEqual((run.returncode, run.stdout), (PANIC_STATUS, "no memory: 1\n"), run.stderr)
        self.assertIn("panic: std::bad_alloc: std::bad_alloc\n\ngoroutine 1 [running]:\n", run.stderr)

    def test_no_room_for_the_heap_is_one_line(self):
        run = self.die_recorded("exhaustion", address_space=700_000 << 10)
        self.assertEqual(run.returncode, -signal.SIGABRT)
        self.assertEqual(run.stderr, "reprise: cannot reserve address space for the heap\n")


if __name__ == "__main__":
    unittest.main()
