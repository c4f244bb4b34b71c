"""reprise shrink, explain and verify: on bugs of the corpus whose answers are known, and on what they refuse."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

BUILD = os.environ["REPRISE_BUILD"]
REPRISE = os.path.join(BUILD, "tools", "reprise")
CORPUS = os.path.join(BUILD, "corpus")
TIMEOUT_S = 300
REPLAYS = int(os.environ.get("REPRISE_REPLAYS", "5"))  # tools/soak asks for more


def reprise(*words, cwd=None):
    return subprocess.run([REPRISE, *words], capture_output=True, text=True, timeout=TIMEOUT_S, cwd=cwd,
                          stdin=subprocess.DEVNULL)


class Traces(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="reprise-explain-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def failing(self, *program, policy="random"):
        """A trace of the first run that fails. A run fails with probability 1/100 at least: none of 2,000
        does with probability below e^-20."""
        path = self.path("bug.rpz")
        run = reprise("record", "--policy", policy, "--seed", "1", "--until-failure", "2000", "-o", path,
                      "--", os.path.join(CORPUS, program[0]), *program[1:])
        self.assertTrue(os.path.exists(path), run.stderr)
        return path


def sleepers():
    """Process id and argument of every `sleep` that lives."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue  # no process, or gone meanwhile
        if entry.isdigit() and words[0] == "sleep":
            found.append((int(entry), words[1]))
    return found


def source_of(place):
    """The text of the line that a place names."""
    found = re.match(r"(.*?):(\d+) ", place + " ")
    file = found.group(1)
    if not os.path.isabs(file):
        file = os.path.join(BUILD, file)  # where the compiler ran
    with open(file, encoding="utf-8") as text:
        return text.read().splitlines()[int(found.group(2)) - 1].strip()


# What is known of each bug: how it fails, and the lines of the two operations whose order decides.
KNOWN = {
    "account": ("panic: account: balance", {"hold(a.lock)"}),
    "deadlock01": ("deadlock", {"outer(first)", "inner(second)"}),
    "lazy01": ("panic: lazy01: both additions came first", {"hold(s.lock)"}),
    "twostage": ("panic: twostage: between the stages", {"hold(s.first_lock)", "hold(s.second_lock)"}),
    "wronglock": ("panic: wronglock: somebody else wrote", {"s.value"}),
    "go_bugs lock_order": ("deadlock", {"outer(first.lock)", "inner(second.lock)"}),
    "go_bugs double_lock": ("deadlock", {"hold(lock)", "hold(cache.lock)"}),
    "go_bugs check_then_act": ("panic: check_then_act: booked twice", {"hold(lock)", "hold.lock()"}),
    "go_bugs lost_update": ("panic: lost_update: an increment was lost", {"count.write(count.read() + 1)"}),
    "go_bugs double_checked": ("panic: double_checked: not initialised", {"value.write(42)", "value.read() == 42"}),
    "go_bugs double_close": ("panic: close of closed channel", {"closed.read()", "closed.write(true)"}),
    "go_bugs lost_signal": ("deadlock", {"hold(lock)", "ready.wait()"}),
    "go_bugs missed_notification": ("deadlock", {"wake.recv()", "wake.try_send(1)", "lock.lock()"}),
}


class Corpus(Traces):
    def test_explain_names_the_pair_of_operations_that_is_known_to_decide(self):
        for program, (failure, lines) in KNOWN.items():
            with self.subTest(program=program):
                path = self.failing(*program.split())
                run = reprise("explain", "--json", path)
                self.assertEqual(run.returncode, 0, run.stderr)
                found = json.loads(run.stdout)
                self.assertTrue(found["failure"].startswith(failure), found["failure"])
                pair = found["critical_pair"]
                self.assertIsNotNone(pair, run.stdout)
                self.assertTrue(pair["passes_swapped"], pair)
                self.assertNotEqual(pair["first"]["goroutine"], pair["second"]["goroutine"])
                for side in ("first", "second"):
                    text = source_of(pair[side]["place"])
                    self.assertTrue(any(line in text for line in lines), (text, pair))

    def test_a_shrunk_trace_fails_the_same_way_with_no_more_preemptions_and_replays(self):
        for program in ("account", "twostage", "go_bugs double_close"):
            with self.subTest(program=program):
                path, small = self.failing(*program.split()), self.path("small.rpz")
                run = reprise("shrink", path, "-o", small)
                self.assertEqual(run.returncode, 0, run.stderr)
                before, after = (json.loads(reprise("explain", "--json", p).stdout) for p in (path, small))
                self.assertEqual(before["failure"], after["failure"])
                self.assertLessEqual(after["recorded"]["preemptions"], before["recorded"]["preemptions"])
                self.assertLessEqual(after["shown"]["deviations"], after["recorded"]["deviations"])
                verified = reprise("verify", small, "--times", str(REPLAYS))
                self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
                self.assertIn(f"{REPLAYS} of {REPLAYS} replays are the same; it still fails", verified.stdout)

    def test_the_same_trace_is_shrunk_alike_whatever_the_number_of_jobs(self):
        path = self.failing("go_bugs", "double_checked")
        counts = []
        for jobs in ("1", "3"):
            small = self.path(f"small{jobs}.rpz")
            self.assertEqual(reprise("shrink", path, "-o", small, "--jobs", jobs).returncode, 0)
            shown = json.loads(reprise("show", "--json", small).stdout)
            counts.append(shown["decision_kinds"])
        self.assertEqual(counts[0], counts[1])

    def shrunk(self, path, *options):
        """What shrinking says in the end, and what decisions are left. On the way it tells how far it is, by the clock."""
        small = self.path("small.rpz")
        run = reprise("shrink", path, "-o", small, "--time", str(TIMEOUT_S), *options)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertNotIn("time was up", run.stderr)
        found = re.search(r"^reprise: from .*, in \d+ runs\.", run.stderr, re.M)
        self.assertIsNotNone(found, run.stderr)
        return found.group(), json.loads(reprise("show", "--json", small).stdout)["decision_kinds"]

    def test_runs_of_a_fork_server_shrink_to_what_runs_that_are_started_anew_do(self):
        for program in ("account", "go_bugs lock_order"):
            with self.subTest(program=program):
                path = self.failing(*program.split())
                self.assertEqual(self.shrunk(path, "--jobs", "2"), self.shrunk(path, "--anew"))

    def test_a_program_with_child_processes_is_shrunk_and_leaves_none_of_them(self):
        marked = f"{100_000 + os.getpid()}.5"  # seconds of its sleeping children
        path = self.failing(os.path.join(BUILD, "child_and_bug"), marked)

        def left():
            return [p for p in sleepers() if p[1] == marked]

        for pid, _ in left():  # of the recordings
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.shrunk(path), self.shrunk(path, "--anew"))
        until = time.monotonic() + TIMEOUT_S
        while left() and time.monotonic() < until:
            time.sleep(0.05)  # a process that was killed is there for a moment
        self.assertEqual(left(), [])

    def test_a_deadlock_says_who_waits_for_whom_and_names_the_cycle(self):
        run = reprise("explain", self.failing("deadlock01"))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(run.stdout, r"G\d+ waits in lock mutex \d at .*deadlock01\.cc:\d+ .*; held by G\d+\n")
        cycle = re.search(r"^Cycle: (G\d+) -> (G\d+) -> (G\d+)$", run.stdout, re.M)
        self.assertIsNotNone(cycle, run.stdout)
        self.assertEqual(cycle.group(1), cycle.group(3))
        self.assertNotEqual(cycle.group(1), cycle.group(2))


class Refusals(Traces):
    def passing(self):
        path = self.path("good.rpz")
        reprise("record", "-o", path, "--policy", "steered", "--seed", "1", "--", os.path.join(CORPUS, "account_fixed"))
        return path

    def test_a_trace_that_does_not_fail_is_named_in_one_line(self):
        path = self.passing()
        for command, why in (("shrink", "nothing to shrink"), ("explain", "nothing to explain")):
            run = reprise(command, path)
            self.assertEqual(run.returncode, 1)
            self.assertEqual(run.stdout, "")
            self.assertRegex(run.stderr, rf"^reprise: {command}: .*good\.rpz does not fail \(exited with 0\): {why}\n$")
        self.assertFalse(os.path.exists(self.path("good.min.rpz")))
        run = reprise("verify", path)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertRegex(run.stdout, r"3 of 3 replays are the same; it does not fail: exited with 0\n$")

    def test_what_is_no_trace_is_a_bad_trace(self):
        path = self.path("not.rpz")
        with open(path, "w", encoding="utf-8") as file:
            file.write("hello")
        for command in ("shrink", "explain", "verify"):
            run = reprise(command, path)
            self.assertEqual(run.returncode, 65, command)
            self.assertEqual(run.stderr.count("\n"), 1, run.stderr)

    def test_verify_of_a_directory_fails_if_one_trace_does(self):
        self.passing()
        self.assertEqual(reprise("verify", self.directory).returncode, 0)
        with open(self.path("torn.rpz"), "wb") as file:
            file.write(b"RPZ")
        run = reprise("verify", self.directory)
        self.assertEqual(run.returncode, 1)
        self.assertIn("2 traces, 1 wrong\n", run.stdout)

    def test_a_program_without_reprise_is_told_so(self):
        path = self.path("false.rpz")
        reprise("record", "-o", path, "--", "/bin/false")
        run = reprise("shrink", path)
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr, r"^reprise: shrink: .*does not link Reprise.*\n$")
        run = reprise("explain", path)
        self.assertEqual(run.returncode, 0)
        self.assertIn("does not link Reprise", run.stdout)


if __name__ == "__main__":
    unittest.main()
