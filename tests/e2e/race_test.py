"""The checked flavour from outside: what a race looks like, its exit status, settings, recordings."""

import os
import re
import subprocess
import tempfile
import unittest

BUILD = os.environ["REPRISE_BUILD"]
REPRISE = os.path.join(BUILD, "tools", "reprise")
CASES = os.path.join(BUILD, "race_cases")
BINARIES = [path for path in (CASES, CASES + "_clang") if os.path.exists(path)]


def run(*command, settings=None):
    env = {k: v for k, v in os.environ.items() if k != "REPRISE_RACE"}
    if settings is not None:
        env["REPRISE_RACE"] = settings
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr


def controlled(case, settings=None, binary=CASES):
    return run(REPRISE, "run", "--policy", "random", "--seed", "1", "--", binary, case, settings=settings)


class Race(unittest.TestCase):

    def test_nothing_of_threadsanitizers_library_is_linked(self):
        for binary in BINARIES:
            dynamic = subprocess.run(["readelf", "-d", binary], capture_output=True, text=True, check=True).stdout
            self.assertNotIn("libtsan", dynamic)
            symbols = subprocess.run(["nm", binary], capture_output=True, text=True, check=True).stdout
            self.assertIn("__tsan_write4", symbols)
            self.assertNotRegex(symbols, r" U __tsan_|__sanitizer_|_ZN6__tsan")

    def test_report_names_both_accesses_and_both_goroutines(self):
        for binary in BINARIES:
            status, text = controlled("two_writes", binary=binary)
            self.assertEqual(status, 66, text)
            self.assertEqual(text.count("WARNING: DATA RACE"), 1, text)
            self.assertRegex(text, r"Write at 0x[0-9a-f]+ by goroutine \d+:\n")
            self.assertRegex(text, r"\nPrevious write at 0x[0-9a-f]+ by goroutine \d+:\n")
            creations = re.findall(r"\nGoroutine (\d+) created by goroutine 1 at:\n", text)
            self.assertEqual(len(set(creations)), 2, text)
            self.assertIn("two_writes", text)
            self.assertIn("tests/race/memory.cc:", text)
            self.assertIn("Found 1 data race(s)", text)

    def test_programs_without_races_end_as_ever(self):
        for case in ("one_mutex", "pipeline", "release_and_acquire", "memory_used_again"):
            self.assertEqual(controlled(case), (0, ""))

    def test_started_directly_nothing_is_looked_for(self):
        self.assertEqual(run(CASES, "two_writes"), (0, ""))

    def test_reports_can_be_off_and_the_status_be_chosen(self):
        self.assertEqual(controlled("two_writes", "report=0"), (0, ""))
        self.assertEqual(controlled("two_writes", "exitcode=3")[0], 3)
        status, text = controlled("two_writes", "exitcode=0")
        self.assertEqual(status, 0)
        self.assertIn("DATA RACE", text)

    def test_first_race_may_end_the_program(self):
        status, text = controlled("two_after_many", "halt=1,exitcode=7")
        self.assertEqual(status, 7)
        self.assertNotIn("Found", text)

    def test_unknown_settings_are_refused(self):
        for settings in ("reports=0", "report=2", "exitcode=900", "suppressions=/nowhere/at/all"):
            status, text = controlled("two_writes", settings)
            self.assertEqual(status, 64, settings)
            self.assertIn("reprise: REPRISE_RACE:", text)

    def test_suppressions_go_by_function_or_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "known.txt")
            for pattern, status in (("race:two_writes", 0), ("race:race/mem*.cc", 0), ("race:nobody", 66)):
                with open(path, "w") as file:
                    file.write("# known\n\n" + pattern + "\n")
                self.assertEqual(controlled("two_writes", "suppressions=" + path)[0], status, pattern)
            with open(path, "w") as file:
                file.write("thread:x\n")
            self.assertEqual(controlled("two_writes", "suppressions=" + path)[0], 64)

    def test_replay_reports_the_same_race(self):
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "race.rpz")
            for case in ("two_after_many", "use_and_free", "buffer_of_two_as_a_lock", "thread_and_goroutine"):
                for seed in ("1", "2"):
                    recorded = run(REPRISE, "record", "--policy", "random", "--seed", seed, "-o", trace, "--", CASES, case)
                    said = recorded[1].split("reprise: exited")[0]
                    for _ in range(3):
                        self.assertEqual(run(REPRISE, "replay", trace), (recorded[0], said))


class Threads(unittest.TestCase):
    """Threads of the program's own."""

    def test_what_races_is_reported_and_nothing_else(self):
        wrong = []
        for binary in BINARIES:
            listed = subprocess.run([binary, "--threads"], capture_output=True, text=True, check=True).stdout
            cases = [line.split() for line in listed.splitlines()]
            self.assertGreater(len(cases), 40)
            for case, races in cases:
                status, text = controlled(case, binary=binary)
                if status != (66 if races == "1" else 0) or ("DATA RACE" in text) != (races == "1"):
                    wrong.append(f"{os.path.basename(binary)} {case}: {status}\n{text}")
        self.assertEqual(wrong, [])

    def test_report_names_threads_and_who_created_them(self):
        for binary in BINARIES:
            _, text = controlled("two_threads_write", binary=binary)
            self.assertRegex(text, r"Write at 0x[0-9a-f]+ by thread [12]:\n")
            self.assertRegex(text, r"\nPrevious write at 0x[0-9a-f]+ by thread [12]:\n")
            self.assertEqual(sorted(re.findall(r"\nThread (\d+) created by goroutine 1 at:\n", text)), ["1", "2"], text)
            self.assertGreaterEqual(text.count("two_threads_write"), 4, text)
            _, text = controlled("thread_and_its_thread", binary=binary)
            self.assertIn("\nThread 2 created by thread 1 at:\n", text)


KERNELS = ("account", "bluetooth_driver", "carter01", "circular_buffer", "deadlock01", "lazy01", "queue", "reorder_3",
           "reorder_4", "reorder_5", "stack", "token_ring", "twostage", "wronglock")


class Kernels(unittest.TestCase):
    """The classic kernels with plain shared variables."""

    def outcomes(self, name, seeds):
        program = os.path.join(BUILD, "corpus", name)
        return [run(REPRISE, "run", "--policy", "random", "--seed", str(seed), "--", program) for seed in seeds]

    def test_twins_neither_fail_nor_race(self):
        for kind in ("checked", "checked_clang"):
            for kernel in KERNELS:
                name = f"{kernel}_{kind}_fixed"
                if os.path.exists(os.path.join(BUILD, "corpus", name)):
                    self.assertEqual(set(self.outcomes(name, range(1, 4))), {(0, "")}, name)

    def test_bugs_between_plain_accesses_are_found(self):
        # The random walk finds the first in one of 18 schedules, the others sooner.
        for kernel, claim in (("account", "account: balance"), ("circular_buffer", "circular_buffer: out of order"),
                              ("lazy01", "lazy01: both additions came first")):
            found = any(claim in text for _, text in self.outcomes(kernel + "_checked", range(1, 120)))
            self.assertTrue(found, kernel)


if __name__ == "__main__":
    unittest.main()
