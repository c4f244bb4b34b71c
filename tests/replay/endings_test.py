"""How runs end under the stage, and what it refuses: programs/endings, places; exec."""

import os
import signal
import subprocess
import unittest

from harness import ReplayTest, Tape

DIVERGENCE, UNMODELLED = 1, 2


class Endings(ReplayTest):
    def assert_dies(self, how, number):
        with Tape() as tape:
            recorded = tape.record([self.program("endings"), how])
            self.assertIn(recorded.status, (-number, 128 + number))
            self.assertEqual(recorded.verdict, 0, recorded.message)
            replayed = tape.replay()
            self.assert_same(recorded, replayed)
            self.assertIn(how.encode(), replayed.output)

    def test_a_fault_of_the_program_ends_the_replay_at_the_same_instruction(self):
        self.assert_dies("segv", signal.SIGSEGV)
        self.assert_dies("divide", signal.SIGFPE)
        self.assert_dies("trap", signal.SIGILL)
        self.assert_dies("breakpoint", signal.SIGTRAP)

    def test_a_fault_in_a_thread_ends_the_process(self):
        self.assert_dies("segv_in_thread", signal.SIGSEGV)

    def test_a_fatal_signal_that_a_program_sends_itself_is_sent_again(self):
        self.assert_dies("abort", signal.SIGABRT)
        self.assert_dies("kill_itself", signal.SIGKILL)
        self.assert_dies("sent_segv", signal.SIGSEGV)

    def test_an_exit_status_is_the_recorded_one(self):
        self.assert_replays([self.program("endings"), "exit"], status=7)


class Refusals(ReplayTest):
    def assert_refused(self, how, name):
        with Tape() as tape:
            recorded = tape.record([self.program("endings"), how])
            self.assertEqual(recorded.verdict, UNMODELLED, recorded.message)
            self.assertIn(name, recorded.message)
            self.assertIn("#1 ", recorded.message)
            self.assertIn("endings+0x", recorded.message)

    def test_three_calls_that_the_model_lacks_are_named_with_their_stack(self):
        self.assert_refused("add_key", "add_key (number 248)")
        self.assert_refused("io_uring", "io_uring_setup (number 425)")
        self.assert_refused("ptrace", "ptrace (number 101)")

    def test_memory_shared_with_others_is_refused_by_name(self):
        self.assert_refused("shared_mapping", "mmap (number 9): a shared writable mapping of a file that is open elsewhere")
        self.assert_refused("shared_fork", "memory that the child would share")
        self.assert_refused("shared_file_fork", "memory that the child would share")


class Places(ReplayTest):
    def test_what_the_kernel_writes_anywhere_is_imposed(self):
        recorded = self.assert_replays([self.program("places")])
        for line in (b"sendmmsg 2 0\nreadv 6 0\nxy zxyz 3 3\n", b"read 5242880 ", b"reused 1\ngrown 7 0\nlow 1\n",
                     b"munmap of the stage -1 22\nmprotect of the stage -1 12\nmmap of the tape refused 1\n"
                     b"closed 0\nclose_range 0 0\ndup2 0 0\n"):
            self.assertIn(line, recorded.output)


    def test_no_queued_signal_is_lost(self):
        recorded = self.assert_replays([self.program("queued")])
        self.assertEqual(recorded.output, b"100 signals, sum 5050\n")


class Exec(ReplayTest):
    def test_an_exec_goes_on_with_the_same_tape(self):
        recorded = self.assert_replays(["/bin/sh", "-c", "echo one; exec /bin/sh -c 'echo two; exec echo three'"])
        self.assertEqual(recorded.output, b"one\ntwo\nthree\n")

    def test_a_program_finds_itself_and_not_the_stage(self):
        program = self.program("itself")
        recorded = self.assert_replays([program])
        lines = "".join(f"itself {os.path.realpath(program)} same 1 image {n}\n" for n in (1, 2))
        self.assertEqual(recorded.output.decode(), lines)

    def test_a_script_starts_its_interpreter(self):
        with Tape() as tape:
            script = os.path.join(tape.directory, "script")
            with open(script, "w") as file:
                file.write("#!/bin/sh -e\necho \"$1 of $(basename \"$0\")\"\n")
            os.chmod(script, 0o755)
            self.assertEqual(self.assert_replays([script, "argument"]).output, b"argument of script\n")

    def test_output_follows_its_descriptor_through_an_exec(self):
        command = "exec 3>&1 >/dev/null; exec sh -c 'echo lost; echo seen >&3; exec cat /etc/hostname >&3'"
        recorded = self.assert_replays(["/bin/sh", "-c", command])
        with open("/etc/hostname", "rb") as file:
            self.assertEqual(recorded.output, b"seen\n" + file.read())

    def test_a_refused_exec_returns_as_from_the_kernel(self):
        command = "exec /nonexistent/program"
        native = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False)
        recorded = self.assert_replays(["/bin/sh", "-c", command], status=native.returncode)
        self.assertEqual(recorded.output, native.stderr)


if __name__ == "__main__":
    unittest.main()
