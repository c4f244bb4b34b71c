"""A program that crashes in one run of a hundred: recorded until it does, replayed to the same instruction."""

import os
import re
import resource
import signal
import subprocess
import tempfile
import unittest

BUILD = os.environ["REPRISE_BUILD"]
REPRISE = os.path.join(BUILD, "tools", "reprise")
# Counted code is preempted on its way to the crash, and stopped at each preemption by bytes in its text.
PROGRAMS = [path for path in (os.path.join(BUILD, "corpus", name) for name in ("rare_crash", "rare_crash_counted"))
            if os.path.exists(path)]
REPLAYS = int(os.environ.get("REPRISE_REPLAYS", "5"))  # tools/soak asks for more
# With one in a hundred the chance that none of so many crashes is below one in ten thousand.
RUNS = 1000


def run(argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))


def fault(text):
    return re.findall(r"\[signal SIGSEGV: .* addr=(0x\w+) pc=(0x\w+)\]", text)


class RareCrash(unittest.TestCase):
    def test_it_is_recorded_until_it_crashes_and_replays_to_the_same_instruction(self):
        for program in PROGRAMS:
            with self.subTest(program):
                self.crashes_again(program)

    def crashes_again(self, program):
        with tempfile.TemporaryDirectory() as directory:
            trace = os.path.join(directory, "crash.rpz")
            recorded = run([REPRISE, "record", "--policy", "random", "--seed", "1", "--until-failure", str(RUNS),
                            "-o", trace, "--", program])
            self.assertEqual(recorded.returncode, -signal.SIGSEGV, recorded.stderr[-2000:])
            where = fault(recorded.stderr)
            self.assertEqual([address for address, _ in where], ["0x5aa500001230"], recorded.stderr[-2000:])
            self.assertRegex(recorded.stderr, r"look_at\(int const\*\)\n")
            for _ in range(REPLAYS):
                replayed = run([REPRISE, "replay", trace])
                self.assertEqual((replayed.returncode, fault(replayed.stderr)), (-signal.SIGSEGV, where),
                                 replayed.stderr[-2000:])

    def test_the_debugger_stops_at_the_instruction(self):
        if not os.access("/usr/bin/gdb", os.X_OK):
            self.skipTest("no gdb")
        for program in PROGRAMS:
            with self.subTest(program):
                self.is_debugged(program)

    def is_debugged(self, program):
        with tempfile.TemporaryDirectory() as directory:
            trace = os.path.join(directory, "crash.rpz")
            recorded = run([REPRISE, "record", "--policy", "random", "--seed", "1", "--until-failure", str(RUNS),
                            "-o", trace, "--", program])
            (_, pc), = fault(recorded.stderr)
            script = os.path.join(directory, "commands")
            with open(script, "w", encoding="utf-8") as file:
                file.write("continue\nprint/x (long)$pc\nbacktrace 3\ninfo goroutines\nkill\nquit\n")
            with open(script, encoding="utf-8") as commands:
                debugged = subprocess.run([REPRISE, "replay", "--gdb", trace], stdin=commands, capture_output=True,
                                          text=True, timeout=300, check=False)
            self.assertIn(f"= {pc}\n", debugged.stdout, debugged.stderr[-1000:])
            self.assertRegex(debugged.stdout, r"look_at")


if __name__ == "__main__":
    unittest.main()
