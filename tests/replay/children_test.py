"""What child processes write is on the trace: a replay prints what the recording printed."""

import os
import pty
import signal
import subprocess
import unittest

from harness import REPRISE, TIMEOUT_S, Trace, TraceTest, terminals


class Children(TraceTest):
    def test_commands_of_a_shell_print_between_its_own_lines(self):
        script = ("for i in 1 2 3; do echo own $i; /bin/echo child $i; /bin/echo aside $i >&2; "
                  "echo own aside $i >&2; done; exit 3")
        self.assert_replays(["/bin/sh", "-c", script], status=3)

    def test_more_than_a_pipe_holds(self):
        with Trace() as trace:
            recorded = trace.record(["/bin/sh", "-c", "seq 1 60000; echo end"])
            self.assertEqual(recorded.output, b"".join(b"%d\n" % i for i in range(1, 60001)) + b"end\n")
            self.assert_same(recorded, trace)

    def test_one_file_for_both_streams_keeps_their_order(self):
        with Trace() as trace:
            script = "for i in 1 2 3 4; do /bin/echo out $i; /bin/echo err $i >&2; done"
            command = trace.record_command(["/bin/sh", "-c", f"sh -c '{script}'"])
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=TIMEOUT_S, check=False)
            recorded = b"".join(b"out %d\nerr %d\n" % (i, i) for i in range(1, 5))
            self.assertTrue(done.stdout.startswith(recorded), done.stdout)
            replayed = subprocess.run([REPRISE, "replay", trace.path], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False)
            self.assertEqual(replayed.stdout, recorded)

    def test_a_pipeline_and_a_program_that_was_executed_over_another(self):
        self.assert_replays(["/bin/bash", "-c", "seq 1 1000 | sort -r | head -3; exec sh -c 'ls /; echo y'"])

    def test_a_child_that_is_still_there_when_the_program_dies(self):
        with Trace() as trace:
            recorded = trace.record(["/bin/sh", "-c", "sh -c 'echo last words; kill -TERM $PPID'; echo no"])
            self.assertEqual((recorded.status, recorded.output), (-signal.SIGTERM, b"last words\n"))
            done = trace.replay(1)
            self.assertEqual((done.returncode, done.stdout), (-signal.SIGTERM, recorded.output))

    def test_a_child_may_outlive_the_program(self):
        """Its output still arrives; the trace ends with the program."""
        with Trace() as trace:
            held, hold = os.pipe()
            script = f"(read line <&{held}; echo late) & echo now"
            recorder = subprocess.Popen(trace.record_command(["/bin/sh", "-c", script]), pass_fds=[held],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.assertEqual(recorder.wait(timeout=TIMEOUT_S), 0)
            os.close(held)
            os.write(hold, b"go\n")
            os.close(hold)
            with recorder.stdout:
                self.assertEqual(recorder.stdout.read(), b"now\nlate\n")
            done = trace.replay(1)
            self.assertEqual((done.returncode, done.stdout), (0, b"now\n"))

    def test_a_reader_that_goes_away_ends_the_child_as_a_pipe_does(self):
        with Trace() as trace:
            script = "seq 1 1000000; echo $? >&2"
            recorder = subprocess.Popen(trace.record_command(["/bin/sh", "-c", script]),
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(recorder.stdout.readline(), b"1\n")
            recorder.stdout.close()
            with recorder.stderr:
                self.assertTrue(recorder.stderr.read().startswith(b"141\n"))
            self.assertEqual(recorder.wait(timeout=TIMEOUT_S), 0)
            self.assertTrue(trace.replay(1).stdout.startswith(b"1\n2\n3\n"))

    def test_quiet_replays_do_not_repeat_it(self):
        with Trace() as trace:
            recorded = trace.record(["/bin/sh", "-c", "/bin/echo once; true"])
            self.assertEqual(recorded.output, b"once\n")
            self.assert_same(recorded, trace, times=3)

    @unittest.skipUnless(terminals(), "no pseudo-terminals")
    def test_a_terminal_stays_a_terminal_for_children(self):
        with Trace() as trace:
            master, slave = pty.openpty()
            recorder = subprocess.Popen(trace.record_command(["/bin/sh", "-c", "sh -c '[ -t 1 ]' && echo tty"]),
                                        stdout=slave, stderr=subprocess.DEVNULL)
            os.close(slave)
            self.assertEqual(recorder.wait(timeout=TIMEOUT_S), 0)
            self.assertEqual(os.read(master, 100), b"tty\r\n")
            os.close(master)


if __name__ == "__main__":
    unittest.main()
