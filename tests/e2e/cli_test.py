"""The reprise command: every row of the table of bad input and failure that concerns it."""

import json
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import tempfile
import unittest

BUILD = os.environ.get("REPRISE_BUILD", "build")
REPRISE = os.path.join(BUILD, "tools", "reprise")
STAGE = os.path.join(BUILD, "tools", "reprise-stage")
CASES = os.path.join(BUILD, "cli_cases")
RANDOM_PROGRAM = os.path.join(BUILD, "random_program")
LIMIT_S = 120


class Cli(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.trace = self.at("t.rpz")

    def at(self, name):
        return os.path.join(self.folder, name)

    def reprise(self, *arguments, **options):
        options.setdefault("cwd", self.folder)
        return subprocess.run([REPRISE, *arguments], capture_output=True, text=True,
                              timeout=LIMIT_S, stdin=subprocess.DEVNULL, **options)

    def record(self, *program, options=(), **more):
        return self.reprise("record", "-o", self.trace, *options, "--", *program, **more)

    def assert_one_line(self, text, pattern):
        self.assertEqual(text.count("\n"), 1, text)
        self.assertRegex(text, pattern)


class RecordAndReplay(Cli):

    def test_replay_prints_the_recorded_output_and_ends_alike(self):
        recorded = self.record(CASES, "time")
        self.assertEqual(recorded.returncode, 0, recorded.stderr)
        replayed = self.reprise("replay", self.trace)
        self.assertEqual((replayed.returncode, replayed.stdout), (0, recorded.stdout), replayed.stderr)

    def test_record_says_in_one_line_where_the_trace_is_and_how_to_replay(self):
        recorded = self.record(CASES, "time")
        self.assertRegex(recorded.stderr.splitlines()[-1],
                         r"exited with 0; .* Replay: reprise replay " + re.escape(self.trace) + "$")

    def test_a_program_without_reprise_is_named_as_recorded_by_the_stage_alone(self):
        self.assertIn("recorded by the stage alone", self.record(CASES, "time").stderr)

    def test_exit_codes_are_the_programs(self):
        for code in (1, 64, 70, 255):
            self.assertEqual(self.record(CASES, "exit", str(code)).returncode, code)
            self.assertEqual(self.reprise("replay", self.trace).returncode, code)
            self.assertEqual(self.reprise("run", "--", CASES, "exit", str(code)).returncode, code)

    def test_a_fatal_signal_is_raised_again_by_record_and_replay(self):
        for case, number in (("crash", signal.SIGSEGV), ("abort", signal.SIGABRT)):
            recorded = self.record(CASES, case)
            self.assertEqual(recorded.returncode, -number, recorded.stderr)
            replayed = self.reprise("replay", self.trace)
            self.assertEqual((replayed.returncode, replayed.stdout), (-number, recorded.stdout),
                             replayed.stderr)

    def test_times_prints_the_output_once_and_each_fingerprint(self):
        output = self.record(CASES, "time").stdout
        replayed = self.reprise("replay", self.trace, "--times", "4")
        self.assertEqual(replayed.returncode, 0, replayed.stderr)
        lines = replayed.stdout[len(output):].splitlines()
        self.assertTrue(replayed.stdout.startswith(output))
        prints = [re.fullmatch(r"run (\d) of 4: fingerprint ([0-9a-f]{16}) events \d+ same", line)
                  for line in lines]
        self.assertEqual([p and p[1] for p in prints], ["1", "2", "3", "4"], replayed.stdout)
        self.assertEqual(len({p[2] for p in prints}), 1)

    def test_interrupted_replays_end(self):
        self.record(CASES, "time")
        replays = subprocess.Popen([REPRISE, "replay", self.trace, "--times", "1000000"], cwd=self.folder,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.addCleanup(replays.kill)
        while not replays.stdout.readline().startswith("run 1 of 1000000: "):
            self.assertIsNone(replays.poll())
        replays.send_signal(signal.SIGINT)  # not to the run under way
        output, errors = replays.communicate(timeout=LIMIT_S)
        self.assertEqual(replays.returncode, 130, errors)
        self.assert_one_line(errors, r"interrupted after \d+ of 1000000 replays")
        self.assertNotIn("DIFFERS", output)

    def test_memory_hashes_agree(self):
        self.record(CASES, "time", options=["--hash-memory"])
        replayed = self.reprise("replay", self.trace, "--hash-memory", "--times", "2")
        self.assertEqual(replayed.returncode, 0, replayed.stderr)
        shown = re.search(r"^memory hash +([0-9a-f]{16})$", self.reprise("show", self.trace).stdout, re.M)
        self.assertEqual(set(re.findall(r" memory ([0-9a-f]{16}) ", replayed.stdout)), {shown[1]})

    def test_forty_mebibytes_of_input_come_back(self):
        self.assertEqual(self.record(CASES, "big").returncode, 5)
        replayed = self.reprise("replay", self.trace)
        self.assertEqual((replayed.returncode, replayed.stdout), (5, "read 40 MiB\n"), replayed.stderr)

    def test_trace_is_the_owners_alone_and_nothing_else_is_left(self):
        self.record(CASES, "time")
        self.assertEqual(stat.S_IMODE(os.stat(self.trace).st_mode), 0o600)
        self.assertEqual(os.listdir(self.folder), ["t.rpz"])

    def test_a_trace_nobody_named_gets_the_programs_name_and_replaces_none(self):
        for _ in range(3):
            self.reprise("record", "--", CASES, "time")
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ["cli_cases-1.rpz", "cli_cases-2.rpz", "cli_cases.rpz"])

    def test_until_failure_keeps_the_failing_trace_only(self):
        done = self.record(CASES, "flaky", options=["--until-failure", "200"])
        self.assertEqual(done.returncode, 7, done.stderr)  # misses with probability 0.75 ** 200
        replayed = self.reprise("replay", self.trace)
        self.assertEqual(replayed.returncode, 7, replayed.stderr)
        self.assertTrue(done.stdout.endswith(replayed.stdout))
        done = self.record(CASES, "time", options=["--until-failure", "3", "--seed", "5"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no failure in 3 runs, seeds 5 to 7; no trace kept", done.stderr)
        self.assertFalse(os.path.exists(self.trace))

    def test_an_interrupted_until_failure_ends_and_keeps_no_trace(self):
        recorder = subprocess.Popen(
            [REPRISE, "record", "-o", self.trace, "--until-failure", "1000000", "--", CASES, "time"], cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.addCleanup(recorder.kill)
        self.assertNotEqual(recorder.stdout.readline(), "")
        recorder.send_signal(signal.SIGINT)  # to the recorder alone: every run passes
        _, errors = recorder.communicate(timeout=LIMIT_S)
        self.assertEqual(recorder.returncode, 130, errors)
        self.assertRegex(errors, r"interrupted: no failure in \d+ runs, seeds \d+ to \d+; no trace kept\n$")
        self.assertNotIn("Replay:", errors)
        self.assertEqual(os.listdir(self.folder), [])

    def test_status_file_tells_the_programs_end_from_a_verdict(self):
        self.record(CASES, "exit", "74", options=["--status-file", self.at("status")])
        with open(self.at("status"), encoding="utf-8") as f:
            self.assertEqual(f.read(), "exited with 74\n")

    def test_a_script_is_recorded_with_its_interpreter(self):
        with open(self.at("script"), "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\necho from the script $1\nexit 3\n")
        os.chmod(self.at("script"), 0o755)
        recorded = self.record("./script", "argument")
        self.assertEqual((recorded.returncode, recorded.stdout), (3, "from the script argument\n"),
                         recorded.stderr)
        self.assertEqual(self.reprise("replay", self.trace).stdout, "from the script argument\n")

    def test_until_stops_and_says_where_the_program_is(self):
        self.record(CASES, "time")
        stopped = self.reprise("replay", self.trace, "--until", "30")
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        self.assertEqual(stopped.stdout, "")
        self.assertRegex(stopped.stderr, r"event 30")


class Goroutines(Cli):
    """What a stopped run says of its goroutines."""

    def record_script(self, script):
        recorded = self.record(RANDOM_PROGRAM, script)
        self.events = json.loads(self.reprise("show", self.trace, "--json").stdout)["events"]
        return recorded

    def test_until_says_that_the_run_has_no_such_event(self):
        output = self.record(CASES, "time").stdout
        done = self.reprise("replay", self.trace, "--until", "1000000000")
        self.assertEqual((done.returncode, done.stdout), (0, output), done.stderr)
        self.assert_one_line(done.stderr, r"event 1000000000 was not reached: the run has [\d,]+")

    def test_until_prints_every_goroutine_as_the_runtime_itself_does(self):
        recorded = self.record_script("g1g2t9t9,b0,b1")
        self.assertEqual(recorded.returncode, 2, recorded.stderr)
        own = recorded.stderr.split("deadlock!\n")[1].split("reprise: ")[0]
        self.assertEqual(len(re.findall(r"^goroutine \d+ \[(?:chan receive|sync\.WaitGroup\.Wait)\]:$",
                                        own, re.M)), 3, own)
        stopped = self.reprise("replay", self.trace, "--until", str(self.events - 1))
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        said = stopped.stderr.split("reprise: stopped before event")[1]
        self.assertEqual(said[said.index("\ngoroutine "):], own)

    def test_until_shows_where_the_running_goroutine_is_in_the_programs_source(self):
        self.record_script("y1Z2y1")
        for event in range(self.events - 1, 0, -1):
            said = self.reprise("replay", self.trace, "--until", str(event)).stderr
            if " at getrandom(" in said:
                break
        self.assertRegex(said, r"\ngoroutine 1 \[running\]:\n(?:.*\n)*"
                               r"\(anonymous namespace\)::randomness\(int\)\n\t.*/random_program\.cc:\d+ ")
        self.assertNotIn("reprise::stage::", said[said.index("\ngoroutine "):])


class Environment(Cli):

    def test_a_redacted_value_is_nowhere_in_the_trace(self):
        value = "hunter2-and-a-long-tail"
        done = self.record(CASES, "env", options=["--redact-env", "SECRET"],
                           env={**os.environ, "SECRET": value})
        self.assertEqual((done.returncode, done.stdout), (0, "set\n"), done.stderr)
        shown = json.loads(self.reprise("show", self.trace, "--json").stdout)
        self.assertIn("SECRET=", shown["environment"])
        self.assertEqual(shown["redacted"], ["SECRET"])
        replayed = self.reprise("replay", self.trace)
        self.assertEqual((replayed.returncode, replayed.stdout), (0, "set\n"), replayed.stderr)
        # What the trace holds, uncompressed, is what a replay may see: no byte of the value.
        dump = subprocess.run(["zstd", "--version"], capture_output=True, check=False)
        self.assertEqual(dump.returncode, 0)
        self.assertNotIn(value.encode(), frames(self.trace))

    def test_the_value_is_there_when_it_is_not_redacted(self):
        value = "hunter2-and-a-long-tail"
        self.record(CASES, "env", env={**os.environ, "SECRET": value})
        self.assertIn(value.encode(), frames(self.trace))


def frames(path):
    """The uncompressed payloads of all frames of a trace."""
    with open(path, "rb") as f:
        data = f.read()
    at, out = 0, b""
    while at < len(data):
        stored = int.from_bytes(data[at + 12:at + 16], "little")
        payload = data[at + 32:at + 32 + stored]
        out += subprocess.run(["zstd", "-dc"], input=payload, capture_output=True, check=True).stdout
        at += 32 + stored
    return out


class Refusals(Cli):

    def assert_refused(self, done, pattern):
        self.assertEqual(done.returncode, 64, done.stdout + done.stderr)
        self.assert_one_line(done.stderr, pattern)

    def test_usage_errors(self):
        for arguments in ([], ["nosuch"], ["replay"], ["show", "--nosuch", "x"], ["replay", "--times", "0", "x"],
                          ["record", "--seed", "x", "--", CASES]):
            self.assert_refused(self.reprise(*arguments), r"^reprise: .*--help")

    def test_an_option_that_run_record_and_fuzz_do_not_know_starts_nothing(self):
        for subcommand in ("run", "record", "fuzz"):
            self.assert_refused(self.reprise(subcommand, "--nosuch", "--", CASES, "time"),
                                rf"unknown option --nosuch \(try reprise {subcommand} --help\)")
        self.assert_refused(self.reprise("run", CASES, "--", CASES, "time"), "before --: the program comes after it")
        self.assert_refused(self.reprise("--nosuch"), "unknown option '--nosuch'")
        self.assertEqual(os.listdir(self.folder), [])

    def test_numbers_that_are_none(self):
        for number in ("-1", "", "nan", "99999999999999999999"):
            for arguments in (["record", "--seed", number, "--", CASES, "time"],
                              ["record", "--until-failure", number, "--", CASES, "time"],
                              ["run", "--watchdog", number, "--", CASES, "time"],
                              ["fuzz", "--time", number, "--", CASES],
                              ["fuzz", "--stop-after", number, "--", CASES],
                              ["replay", "--until", number, self.trace],
                              ["explain", "--rows", number, self.trace],
                              ["shrink", "--time", number, self.trace],
                              ["verify", "--limit", number, self.trace]):
                self.assert_refused(self.reprise(*arguments), r"^reprise: .*--help")
        self.assertEqual(os.listdir(self.folder), [])

    def test_programs_that_cannot_be_recorded(self):
        with open(self.at("text"), "w", encoding="utf-8") as f:
            f.write("not a program\n")
        os.chmod(self.at("text"), 0o755)
        with open(self.at("plain"), "w", encoding="utf-8") as f:
            f.write("not executable\n")
        for program, why in ((["nosuchprogram"], "no such program in PATH"),
                             ([], "expected a program"),
                             (["/nonexistent/x"], "No such file or directory"),
                             ([self.folder], "is a directory"),
                             (["./plain"], "is not executable"),
                             (["./text"], "is not an ELF executable")):
            for how in ("record", "run"):
                self.assert_refused(self.reprise(how, "--", *program), why)
        self.assertEqual(sorted(os.listdir(self.folder)), ["plain", "text"])

    def test_set_user_id_programs(self):
        if os.geteuid() != 0:
            self.skipTest("making a file of another user's takes root")
        program = self.at("cases")
        shutil.copy(CASES, program)
        os.chown(program, 1, -1)
        os.chmod(program, 0o4755)
        self.assert_refused(self.record(program), "set-user-id")

    def test_unknown_policies(self):
        self.assert_refused(self.record(CASES, options=["--policy", "nosuch"]), "unknown policy 'nosuch'; there are")
        self.assert_refused(self.record(CASES, options=["--policy", "./nosuch.so"]), r"nosuch\.so")
        self.assertEqual(os.listdir(self.folder), [])

    def test_unwritable_output(self):
        self.trace = "/nonexistent/t.rpz"
        self.assert_refused(self.record(CASES), "/nonexistent/t.rpz.part: No such file or directory")

    def test_an_output_that_is_there_and_no_file_stays_what_it_is(self):
        os.mkfifo(self.trace)
        self.assert_refused(self.record(CASES, "time"), "is there already, and is not a file")
        self.assertTrue(stat.S_ISFIFO(os.lstat(self.trace).st_mode))
        os.unlink(self.trace)
        os.mkdir(self.trace)
        self.assert_refused(self.record(CASES, "time"), "is a directory")
        self.assertEqual(os.listdir(self.folder), ["t.rpz"])

    def test_hash_memory_with_a_redacted_environment(self):
        self.assert_refused(self.record(CASES, options=["--hash-memory", "--redact-env", "A"]), "exclude each other")

    def test_a_recording_inside_a_recording(self):
        inner = self.record(REPRISE, "record", "-o", self.at("inner.rpz"), "--", CASES)
        self.assertEqual(inner.returncode, 64, inner.stderr)
        self.assertIn("already inside a recorded program", inner.stderr)
        nested = self.record("/bin/sh", "-c", f"{REPRISE} record -o inner.rpz -- {CASES}; exit $?")
        self.assertEqual(nested.returncode, 64, nested.stderr)
        self.assertIn("already inside a recorded program", nested.stderr)

    def test_a_second_recorder_on_the_same_path(self):
        first = subprocess.Popen([REPRISE, "record", "-o", self.trace, "--", CASES, "chatter"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(first.stdout.close)
        first.stdout.readline()
        self.assert_refused(self.record(CASES), "another recorder writes it")
        kill_children_of(first.pid, signal.SIGKILL)
        first.wait(LIMIT_S)


class BadTraces(Cli):

    def setUp(self):
        super().setUp()
        self.record(CASES, "time")
        with open(self.trace, "rb") as f:
            self.good = f.read()

    def assert_bad(self, pattern, *, status=65):
        for how in (["replay"], ["show"], ["pack"]):
            done = self.reprise(*how, self.trace)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            self.assert_one_line(done.stderr, pattern)

    def write(self, data):
        with open(self.trace, "wb") as f:
            f.write(data)

    def test_truncated(self):
        self.write(self.good[:len(self.good) // 2])
        self.assert_bad(r"t\.rpz: byte \d+: expected .* the file ends after \d+")

    def test_bit_flipped(self):
        for at in (0, 40, len(self.good) // 2, len(self.good) - 5):
            flipped = bytearray(self.good)
            flipped[at] ^= 16
            self.write(flipped)
            done = self.reprise("replay", self.trace)
            self.assertEqual(done.returncode, 65, f"{at}: {done.stdout}{done.stderr}")
            self.assertRegex(done.stderr, r"t\.rpz: byte \d+: expected ")

    def test_of_another_version(self):
        self.write(self.good[:6] + b"\x63\x00" + self.good[8:])
        self.assert_bad("byte 6: expected format version 1 to 4, found 99")

    def test_empty(self):
        self.write(b"")
        self.assert_bad("byte 0: expected a trace, found an empty file")

    def test_a_directory(self):
        os.unlink(self.trace)
        os.mkdir(self.trace)
        self.assert_bad("byte 0: expected a trace, found a directory")

    def test_missing(self):
        os.unlink(self.trace)
        self.assert_bad("byte 0: expected a trace, cannot open it: No such file or directory")

    def test_a_pipe(self):
        os.unlink(self.trace)
        os.mkfifo(self.trace)
        self.assert_bad("byte 0: expected a trace, found something that is not a file")

    def test_unreadable(self):
        if os.geteuid() == 0:
            self.skipTest("root reads everything")
        os.chmod(self.trace, 0)
        self.assert_bad("Permission denied")

    def test_without_its_footer_replays_what_is_there_and_says_cut_off(self):
        at = last_frame(self.good)
        self.write(self.good[:at])
        done = self.reprise("replay", self.trace)
        # The end is on the tape, so the run is whole though nothing says how it should have ended.
        self.assertIn(done.returncode, (0, 70, 74), done.stderr)
        self.assertIn("cut off", self.reprise("show", self.trace).stdout)

    def test_of_another_binary_names_the_build_ids_and_force_goes_on(self):
        program = self.at("program")
        shutil.copy("/bin/echo", program)
        self.record(program, "hello")
        shutil.copy("/bin/true", program)
        done = self.reprise("replay", self.trace)
        self.assertEqual(done.returncode, 65)
        self.assert_one_line(done.stderr, r"expected the recorded file \(build id [0-9a-f]+\), "
                                          r"found build id [0-9a-f]+ \(--force")
        forced = self.reprise("replay", self.trace, "--force")
        self.assertEqual(forced.returncode, 70, forced.stderr)
        self.assertRegex(forced.stderr, r"divergence at event \d+, thread 0\n +expected: .*\n +actual: ")
        os.unlink(program)
        self.assertIn("it is not there", self.reprise("replay", self.trace).stderr)

    def test_a_packed_trace_replays_without_the_binaries(self):
        program = self.at("program")
        shutil.copy("/bin/echo", program)
        self.record(program, "hello")
        self.assertEqual(self.reprise("pack", self.trace).returncode, 0)
        os.unlink(program)
        done = self.reprise("replay", self.trace)
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)


def last_frame(data):
    at = 0
    while True:
        end = at + 32 + int.from_bytes(data[at + 12:at + 16], "little")
        if end >= len(data):
            return at
        at = end


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(child) for child in f.read().split()]


def kill_children_of(pid, number):
    for child in children_of(pid):
        os.kill(child, number)


class Killed(Cli):

    def start(self, **options):
        """A recording of a program that runs until it is killed, once it is under way."""
        recorder = subprocess.Popen([REPRISE, "record", "-o", self.trace, "--", CASES, "chatter"],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        self.addCleanup(recorder.stdout.close)
        self.addCleanup(recorder.stderr.close)
        self.lines = [recorder.stdout.readline() for _ in range(20)]
        return recorder

    def finish(self, recorder):
        # Not communicate(): it would pass over what readline() has buffered.
        output, errors = recorder.stdout.read(), recorder.stderr.read()
        recorder.wait(LIMIT_S)
        return "".join(self.lines) + output, errors

    def assert_same_but_for_the_last_write(self, recorded, replayed):
        """A kill may fall between a write and its record, whichever is first: one has that line."""
        recorded, replayed = recorded.splitlines(), replayed.splitlines()
        both = min(len(recorded), len(replayed))
        self.assertLessEqual(max(len(recorded), len(replayed)) - both, 1)
        self.assertEqual(recorded[:both], replayed[:both])

    def assert_cut_off_replay(self, output):
        done = self.reprise("replay", self.trace)
        self.assertEqual(done.returncode, 74, done.stderr)
        self.assertIn("cut off", done.stderr)
        self.assert_same_but_for_the_last_write(output, done.stdout)

    def test_a_program_killed_by_sigkill_replays_to_its_last_record(self):
        recorder = self.start()
        kill_children_of(recorder.pid, signal.SIGKILL)
        output, errors = self.finish(recorder)
        self.assertEqual(recorder.returncode, -signal.SIGKILL, errors)
        self.assert_cut_off_replay(output)

    def test_a_program_killed_by_sigterm_ends_alike_in_replay(self):
        recorder = self.start()
        kill_children_of(recorder.pid, signal.SIGTERM)
        output, errors = self.finish(recorder)
        self.assertEqual(recorder.returncode, -signal.SIGTERM, errors)
        done = self.reprise("replay", self.trace)
        self.assertEqual(done.returncode, -signal.SIGTERM, done.stderr)
        self.assert_same_but_for_the_last_write(output, done.stdout)

    def test_a_sigterm_to_the_recorder_reaches_the_program(self):
        recorder = self.start()
        recorder.terminate()
        output, errors = self.finish(recorder)
        self.assertEqual(recorder.returncode, -signal.SIGTERM, errors)
        self.assertIn("Replay: reprise replay", errors)
        done = self.reprise("replay", self.trace)
        self.assertEqual(done.returncode, -signal.SIGTERM, done.stderr)
        self.assert_same_but_for_the_last_write(output, done.stdout)

    def test_a_killed_process_group_loses_nothing_that_was_on_the_tape(self):
        recorder = self.start(start_new_session=True)
        os.killpg(recorder.pid, signal.SIGKILL)
        output, _ = self.finish(recorder)
        self.assertFalse(os.path.exists(self.trace))
        self.assert_cut_off_replay(output)
        self.assertEqual(os.listdir(self.folder), ["t.rpz"])

    def test_interrupt_from_the_terminal_ends_the_program_and_not_the_trace(self):
        recorder = self.start(start_new_session=True)
        os.killpg(recorder.pid, signal.SIGINT)
        output, errors = self.finish(recorder)
        self.assertEqual(recorder.returncode, -signal.SIGINT, errors)
        done = self.reprise("replay", self.trace)
        self.assertEqual(done.returncode, -signal.SIGINT, done.stderr)
        self.assert_same_but_for_the_last_write(output, done.stdout)

    def test_a_closed_pipe_ends_the_program_and_not_the_trace(self):
        recorder = self.start()
        recorder.stdout.close()
        errors = recorder.stderr.read()
        recorder.wait(LIMIT_S)
        self.assertEqual(recorder.returncode, -signal.SIGPIPE, errors)
        self.assertIn("Replay: reprise replay", errors)
        self.assertEqual(self.reprise("replay", self.trace).returncode, -signal.SIGPIPE)

    def test_a_killed_scribe_does_not_end_the_program(self):
        recorder = self.start()
        (program,) = children_of(recorder.pid)
        os.kill(recorder.pid, signal.SIGKILL)
        recorder.wait(LIMIT_S)
        more = [recorder.stdout.readline() for _ in range(200)]
        self.assertTrue(all(line.startswith("line ") for line in more), more[-1])
        os.kill(program, signal.SIGKILL)
        written = "".join(self.lines + more) + recorder.stdout.read()
        done = self.reprise("replay", self.trace)
        self.assertEqual(done.returncode, 74, done.stderr)
        self.assertIn("cut off", done.stderr)
        self.assertTrue(written.startswith(done.stdout))


class FullDisk(Cli):

    def test_the_program_ends_as_it_would_and_the_trace_is_cut_off(self):
        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, resource.RLIM_INFINITY))
        done = self.record(CASES, "big", preexec_fn=small_files)
        self.assertEqual(done.returncode, 74, done.stderr)
        self.assertEqual(done.stdout, "read 40 MiB\n")
        self.assertIn("the trace is cut off", done.stderr)
        replayed = self.reprise("replay", self.trace)
        self.assertEqual(replayed.returncode, 74, replayed.stderr)
        self.assertIn("cut off", replayed.stderr)

    def test_a_trace_removed_while_recording_is_reported(self):
        recorder = subprocess.Popen([REPRISE, "record", "-o", self.trace, "--", CASES, "chatter"],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(recorder.stdout.close)
        self.addCleanup(recorder.stderr.close)
        recorder.stdout.readline()
        os.unlink(self.trace + ".part")
        kill_children_of(recorder.pid, signal.SIGTERM)
        recorder.stdout.read()
        errors = recorder.stderr.read()
        recorder.wait(LIMIT_S)
        self.assertEqual(recorder.returncode, 74, errors)
        self.assertIn("warning", errors)


class Pack(Cli):

    def test_a_pack_replays_where_there_is_nothing_else(self):
        """A chroot without libc, loader, /proc or Reprise; a user namespace where this is not root."""
        self.record("/bin/sh", "-c", "echo from the shell; exec /bin/echo from its exec")
        self.assertEqual(self.reprise("pack", "t.rpz").returncode, 0)
        own = "t.rpz.pack/reprise"
        command = ["chroot", self.folder, own + "/ld-linux-x86-64.so.2", "--library-path", own,
                   own + "/reprise", "replay", "t.rpz", "--times", "2"]
        if os.geteuid() != 0:
            become_root = ["unshare", "--user", "--map-root-user"]
            if subprocess.run([*become_root, "true"], check=False, capture_output=True).returncode != 0:
                self.skipTest("chroot takes root or a user namespace")
            command = [*become_root, *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue(done.stdout.startswith("from the shell\nfrom its exec\nrun 1 of 2"), done.stdout)


    def test_a_pack_replaces_nothing_but_a_pack(self):
        self.assertEqual(self.record(CASES, "time").returncode, 0)
        with open(self.trace, "rb") as f:
            trace = f.read()
        os.mkdir(self.at("precious"))
        with open(self.at("precious/only_copy"), "w", encoding="utf-8") as f:
            f.write("x")
        for there in (self.at("precious"), self.at("precious") + "/", self.trace):
            done = self.reprise("pack", self.trace, "-o", there)
            self.assertEqual(done.returncode, 64, done.stdout)
            self.assert_one_line(done.stderr, "is there already, and is not a pack; it is left alone")
        self.assertEqual(os.listdir(self.at("precious")), ["only_copy"])
        with open(self.trace, "rb") as f:
            self.assertEqual(f.read(), trace)
        for _ in range(2):
            self.assertEqual(self.reprise("pack", self.trace).returncode, 0)
        self.assertEqual(sorted(os.listdir(self.folder)), ["precious", "t.rpz", "t.rpz.pack"])

    def test_a_pack_of_an_earlier_trace_of_that_name_is_passed_over(self):
        self.record("/bin/echo", "one")
        self.assertEqual(self.reprise("pack", self.trace).returncode, 0)
        self.record(CASES, "exit", "9")
        self.assertEqual(self.reprise("replay", self.trace).returncode, 9)


class Gdb(Cli):

    def test_breakpoint_backtrace_next_and_continue_end_with_the_recorded_fingerprint(self):
        self.record(CASES, "time")
        commands = "break print_time\ncontinue\nbacktrace\nnext\nnext\ncontinue\nquit\n"
        done = subprocess.run([REPRISE, "replay", self.trace, "--gdb"], input=commands, text=True,
                              capture_output=True, timeout=LIMIT_S, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"Breakpoint \d+, .*print_time \(")
        self.assertRegex(done.stdout, r"#1 .*main \(argc=.*\n? *at .*cli_cases\.cc:\d+")
        self.assertRegex(done.stderr, r"fingerprint [0-9a-f]{16}, as recorded")


    def test_goroutines_are_listed_and_unwound_and_the_run_ends_as_recorded(self):
        self.record(RANDOM_PROGRAM, "g1g2t9t9y1Z2,b0,b1")
        commands = "\n".join(["break randomness", "continue", "list", "info goroutines", "goroutine 2 bt",
                              "goroutine 1 bt", "goroutine 77 bt", "delete", "continue", "quit", ""])
        done = subprocess.run([REPRISE, "replay", self.trace, "--gdb"], input=commands, text=True,
                              capture_output=True, timeout=LIMIT_S, cwd=self.folder)
        self.assertRegex(done.stdout, r"(?m)^\d+\s+void randomness\(int k\) \{$")  # list
        self.assertRegex(done.stdout, r"\* 1 \[running\] \(anonymous namespace\)::randomness at .*random_program\.cc:\d+")
        for goroutine in (2, 3):
            self.assertRegex(done.stdout, rf"  {goroutine} \[chan receive\] "
                                          r"\(anonymous namespace\)::receive at .*random_program\.cc:\d+")
        parked = done.stdout.split("goroutine 2 [chan receive]:")[1].split("goroutine 1 [running]:")[0]
        self.assertRegex(parked, r"#1 .*reprise_mcall(?:.*\n)*#\d+ .*chanrecv(?:.*\n)*"
                                 r"#\d+ .*receive(?:.*\n)*#\d+ .*run_task(?:.*\n)*#\d+ .*reprise_gostart")
        self.assertNotIn("randomness", parked)
        running = done.stdout.split("goroutine 1 [running]:")[1]
        self.assertRegex(running, r"#0 .*randomness(?:.*\n)*#\d+ .*main")
        self.assertIn("no goroutine 77", done.stderr)
        self.assertRegex(done.stderr, r"fingerprint [0-9a-f]{16}, as recorded")


class Show(Cli):

    def test_json_and_text_agree(self):
        self.record(CASES, "time", options=["--seed", "42"])
        text = self.reprise("show", self.trace).stdout
        shown = json.loads(self.reprise("show", self.trace, "--json").stdout)
        self.assertEqual(shown["seed"], 42)
        self.assertEqual(shown["policy"], "fair")
        self.assertEqual(shown["arguments"], [CASES, "time"])
        self.assertEqual(shown["outcome"], "exited with 0")
        self.assertEqual(shown["file_bytes"], os.path.getsize(self.trace))
        self.assertRegex(text, r"(?m)^seed +42$")
        self.assertRegex(text, r"(?m)^fingerprint +" + shown["fingerprint"] + "$")
        self.assertRegex(text, r"(?m)^bytes/decision: ")
        self.assertIn("write", shown["other_events"])
        self.assertTrue(all(o["build_id"] for o in shown["objects"]))


    def test_goroutines_are_counted_by_the_line_of_the_program_that_created_them(self):
        self.record(RANDOM_PROGRAM, "g1g1g1,k3")
        places = json.loads(self.reprise("show", self.trace, "--json").stdout)["goroutines_created_at"]
        by_function = {re.sub(r"^.*/random_program\.cc:\d+ (?:\(anonymous namespace\)::)?(\w+).*$", r"\1", place): count
                       for place, count in places.items()}
        self.assertEqual({name: by_function.get(name) for name in ("spawn", "pipe")}, {"spawn": 3, "pipe": 3},
                         places)
        self.assertRegex(self.reprise("show", self.trace).stdout,
                         r"(?m)^ +3 \S*/random_program\.cc:\d+ .*pipe")


class Doctor(Cli):

    def test_every_line_says_ok_or_missing(self):
        done = self.reprise("doctor")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertTrue(all(re.match(r"(ok|missing) +\S", line) for line in done.stdout.splitlines()))
        self.assertRegex(done.stdout, r"ok +syscall user dispatch")


class StandardDescriptors(Cli):

    def test_closed_ones_are_not_taken_for_the_tape_or_the_trace(self):
        for closed in "2>&-", ">&-", "<&- >&- 2>&-":
            command = f'exec "$0" record -o "$1" -- /bin/echo hi {closed}'
            recorded = subprocess.run(["sh", "-c", command, REPRISE, self.trace], capture_output=True, timeout=LIMIT_S,
                                      check=False)
            replayed = self.reprise("replay", self.trace, "--times", "2")
            self.assertEqual(recorded.returncode, replayed.returncode, closed + replayed.stderr)
            self.assertEqual(len(re.findall(r"^run \d of 2: .* same$", replayed.stdout, re.M)), 2, closed)

    def test_output_that_cannot_be_written_is_no_success(self):
        self.record(CASES, "time")
        with open("/dev/full", "w", encoding="utf-8") as full:
            shown = subprocess.run([REPRISE, "show", self.trace], stdout=full, stderr=subprocess.PIPE, text=True,
                                   timeout=LIMIT_S, check=False)
        self.assertEqual(shown.returncode, 74)
        self.assert_one_line(shown.stderr, r"^reprise: standard output: No space left on device$")


class Help(Cli):

    def test_each_subcommand_teaches_by_example(self):
        for name in ("run", "record", "replay", "show", "pack", "doctor"):
            done = self.reprise(name, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertRegex(done.stdout, rf"Examples:\n  reprise {name}")


if __name__ == "__main__":
    unittest.main()
