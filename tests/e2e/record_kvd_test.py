"""The main job: a server under real clients loses updates, and the trace replays that without them.

Every recording takes the kernel's choice of a port. The numbers of requests are small here;
tools/soak runs the same with more.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from kvd_server import LIMIT_S, REPRISE, Kvd, program

KEY = "counter:__rand_int__"
REQUESTS = int(os.environ.get("REPRISE_KVD_REQUESTS", "10000"))
RECORDINGS = int(os.environ.get("REPRISE_KVD_RECORDINGS", "3"))
REPLAYS = int(os.environ.get("REPRISE_KVD_REPLAYS", "5"))


def reprise(*arguments, **options):
    return subprocess.run([REPRISE, *arguments], capture_output=True, text=True, timeout=LIMIT_S,
                          **options)


def fingerprint(trace):
    shown = reprise("show", trace).stdout
    return re.search(r"^fingerprint +([0-9a-f]{16})\b", shown, re.M).group(1)


def of_the_server(output):
    """What the server printed, without what the recorder said."""
    return "".join(line + "\n" for line in output.splitlines() if line.startswith("kvd: "))


class RecordedServer(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.trace = os.path.join(self.folder.name, "incr.rpz")

    def record(self, name="kvd", *record_options):
        """Records a server under a benchmark to its end. Its output and the counter's value."""
        wrapper = (REPRISE, "record", "-o", self.trace, *record_options, "--")
        with Kvd(name, "--exit-after-idle", "50ms", wrapper=wrapper) as kvd:
            kvd.stay()
            kvd.benchmark("-c", "50", "-n", str(REQUESTS), "-t", "incr")
            value = int(kvd.cli("get", KEY))
            self.assertEqual(kvd.wait(), 0, kvd.output())
            return kvd.output(), value

    def assert_replays(self, output, times=REPLAYS, **options):
        done = reprise("replay", self.trace, "--times", str(times), **options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        runs = re.findall(r"^run \d+ of \d+: fingerprint ([0-9a-f]{16}) events \d+ same$", done.stdout,
                          re.M)
        self.assertEqual(runs, [fingerprint(self.trace)] * times, done.stdout)
        self.assertTrue(done.stdout.startswith(of_the_server(output)), done.stdout)

    def test_lost_updates_show_under_every_seed_and_replay(self):
        for seed in range(1, RECORDINGS + 1):
            with self.subTest(seed=seed):
                output, value = self.record("kvd", "--seed", str(seed))
                self.assertLess(value, REQUESTS)
                self.assertIn(f"kvd: {KEY} = {value}\n", output)
                self.assert_replays(output)

    def test_correct_server_loses_none_and_replays(self):
        output, value = self.record("kvd_fixed")
        self.assertEqual(value, REQUESTS)
        self.assert_replays(output)

    def test_replay_needs_neither_directory_nor_environment_nor_stack_limit(self):
        output, _ = self.record()
        self.assert_replays(output, 2, cwd="/")
        self.assert_replays(output, 2, env={"PATH": os.environ["PATH"], "OTHER": "environment" * 100})
        limited = subprocess.run(["bash", "-c", f"ulimit -s 512; exec {REPRISE} replay {self.trace}"],
                                 capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(limited.returncode, 0, limited.stdout + limited.stderr)

    def test_replay_wants_no_privilege_no_personality_no_randomisation_and_no_idle_machine(self):
        output, _ = self.record()
        deny = os.path.join(os.environ["REPRISE_BUILD"], "deny_personality")
        wrappers = [["setarch", "-R"], [deny]]
        if subprocess.run(["unshare", "-U", "true"], capture_output=True).returncode == 0:
            wrappers.append(["unshare", "-U"])
        load = [subprocess.Popen(["nice", "timeout", "-s", "KILL", "120", "sh", "-c",
                                  "while :; do :; done"]) for _ in range(3)]
        try:
            for wrapper in ([], *wrappers):
                with self.subTest(wrapper=wrapper):
                    done = subprocess.run([*wrapper, REPRISE, "replay", self.trace], text=True,
                                          capture_output=True, timeout=LIMIT_S)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    self.assertEqual(done.stdout, of_the_server(output))
        finally:
            for process in load:
                process.terminate()  # timeout passes it on to its loop
                process.wait()

    def test_replay_opens_no_socket(self):
        if not shutil.which("strace"):
            self.fail("strace is not installed: tools/install-packages")
        output, _ = self.record()
        calls = os.path.join(self.folder.name, "calls")
        done = subprocess.run(["strace", "-f", "-qq", "-e", "trace=network,epoll_create1,eventfd2",
                               "-o", calls, REPRISE, "replay", self.trace],
                              capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(calls) as f:
            made = [line for line in f if re.search(r"^\d+ +(socket|bind|listen|accept4|connect|"
                                                    r"epoll_create1|eventfd2)\(", line)]
        self.assertEqual(made, [])

    def test_show_counts_what_happened(self):
        self.record()
        shown = reprise("show", self.trace).stdout
        self.assertRegex(shown, r"(?m)^policy +fair$")
        self.assertRegex(shown, r"(?m)^bytes/decision: \d+\.\d+$")
        self.assertRegex(shown, r"(?m)^outcome +exited with 0$")
        served = int(re.search(r"(?m)^ +sendto +([\d,]+)$", shown).group(1).replace(",", ""))
        self.assertGreaterEqual(served, REQUESTS)

    def kill_in_the_middle(self, recorder_too):
        wrapper = (REPRISE, "record", "-o", self.trace, "--")
        with Kvd(wrapper=wrapper) as kvd:
            kvd.benchmark("-c", "50", "-n", str(REQUESTS), "-t", "incr")
            program_pid = int(subprocess.run(["pgrep", "-P", str(kvd.process.pid)], check=True,
                                             capture_output=True, text=True).stdout)
            if recorder_too:
                kvd.process.kill()
            os.kill(program_pid, signal.SIGKILL)
            kvd.wait()

    def test_killed_in_the_middle_it_replays_to_the_last_whole_record(self):
        for recorder_too in (False, True):
            with self.subTest(recorder_too=recorder_too):
                self.kill_in_the_middle(recorder_too)
                done = reprise("replay", self.trace)
                self.assertEqual(done.returncode, 74, done.stdout + done.stderr)
                self.assertIn("kvd: listening on", done.stdout)
                self.assertIn("cut off after event", done.stderr)
                os.remove(self.trace)

    def test_expiry_by_timers_replays(self):
        wrapper = (REPRISE, "record", "-o", self.trace, "--")
        with Kvd("kvd", "--exit-after-idle", "50ms", wrapper=wrapper) as kvd:
            kvd.stay()
            for i in range(5):
                self.assertEqual(kvd.cli("set", f"k{i}", "v", "PX", str(5 + i)), "OK")
            deadline = time.monotonic() + LIMIT_S
            while kvd.cli("dbsize") != "0":
                self.assertLess(time.monotonic(), deadline)
            self.assertEqual(kvd.wait(), 0)
            self.assert_replays(kvd.output(), 2)


@unittest.skipUnless(os.path.exists(program("kvd_counted")), "no compiler plugin was built")
class CountedServer(unittest.TestCase):
    """Preempted between any two instructions of its own, and ended by a signal from outside."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.trace = os.path.join(self.folder.name, "incr.rpz")

    def assert_some_preemptions(self):
        shown = json.loads(reprise("show", "--json", self.trace).stdout)
        self.assertGreater(shown["other_events"].get("(preemption)", 0), 0)

    def end_by_sigterm(self, *record_options):
        """Under load, which must not wait for answers for ever; the output."""
        wrapper = (REPRISE, "record", "-o", self.trace, *record_options, "--")
        with Kvd("kvd_counted", wrapper=wrapper) as kvd:
            kvd.benchmark("-c", "50", "-n", str(REQUESTS), "-t", "incr")
            served = int(kvd.cli("get", KEY))
            load = subprocess.Popen(["redis-benchmark", "-p", str(kvd.port), "-q", "-c", "50", "-n", "100000000",
                                     "-t", "incr"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                while int(kvd.cli("get", KEY)) <= served:
                    pass
                program_pid = int(subprocess.run(["pgrep", "-P", str(kvd.process.pid)], check=True,
                                                 capture_output=True, text=True).stdout)
                os.kill(program_pid, signal.SIGTERM)
                self.status = kvd.wait()
            finally:
                load.kill()
                load.wait()
            return kvd.output()

    def test_it_replays_up_to_the_signal_however_it_is_preempted(self):
        for how in (("--slice-us", "50"), ("--policy", "random", "--seed", "5")):
            with self.subTest(how=how):
                output = self.end_by_sigterm(*how)
                if "random" in how:  # whether a goroutine takes a whole slice is the machine's doing
                    self.assert_some_preemptions()
                done = reprise("replay", self.trace, "--times", str(REPLAYS))
                same = len(re.findall(r"^run \d+ of \d+: .* same$", done.stdout, re.M))
                self.assertEqual((done.returncode, same), (self.status, REPLAYS), done.stdout + done.stderr)
                self.assertTrue(done.stdout.startswith(of_the_server(output)), done.stdout)
                os.remove(self.trace)


class RecordedWordCount(unittest.TestCase):
    def test_files_come_from_the_trace(self):
        with tempfile.TemporaryDirectory() as folder:
            texts = os.path.join(folder, "texts")
            os.mkdir(texts)
            for i in range(20):
                with open(os.path.join(texts, f"{i}.txt"), "w") as f:
                    f.write(f"some words of file {i} " * (100 * i))
            direct = subprocess.run([program("wordcount"), texts], capture_output=True, text=True,
                                    timeout=LIMIT_S)
            trace = os.path.join(folder, "words.rpz")
            recorded = reprise("record", "-o", trace, "--", program("wordcount"), texts)
            self.assertEqual(recorded.returncode, 0, recorded.stderr)
            self.assertEqual(recorded.stdout, direct.stdout)
            shutil.rmtree(texts)
            done = reprise("replay", trace, "--times", "3")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertTrue(done.stdout.startswith(direct.stdout))
            self.assertEqual(done.stdout.count(" same\n"), 3)


if __name__ == "__main__":
    unittest.main()
