"""Programs of ours under the stage, each made of what is hard to repeat (tests/replay/programs)."""

import unittest

from harness import ReplayTest, Tape


class Programs(ReplayTest):
    def test_threads_that_race_replay_in_the_recorded_order(self):
        self.assert_replays([self.program("threads")])

    # Each round looks at the memory of sixteen calls some eighty times; without copies three of
    # three recordings of five rounds did not replay.
    def test_memory_of_calls_changes_only_at_their_records(self):
        self.assert_replays([self.program("beside"), "5"])

    def test_a_file_that_is_mapped_shared_is_one_file(self):
        recorded = self.assert_replays([self.program("shared_files")])
        self.assertIn(b"by the first mapping\nby a call by a call\n", recorded.output)
        self.assertIn(b"the file says: by the first mapping\n", recorded.output)
        self.assertIn(b"still one file: 1\na child that executes something: 0\n", recorded.output)
        self.assertTrue(recorded.output.endswith(b"\nat the end\n"), recorded.output)

    def test_lines_that_threads_write_are_repeated_in_their_order(self):
        recorded = self.assert_replays([self.program("lines"), "4", "100"])
        self.assertEqual(len(recorded.output.splitlines()), 400)

    def test_signals_land_at_the_recorded_places(self):
        self.assert_replays([self.program("signals")])

    def test_flags_of_sigchld_are_the_kernels(self):
        recorded = self.assert_replays([self.program("child_flags")])
        self.assertEqual(recorded.output, b"stopped: 1, told: 0\nnone left: 1, told: 1\n")

    def test_a_handler_has_run_when_its_call_returns_interrupted(self):
        self.assert_replays([self.program("interrupts")])

    def test_exceptions_unwind_as_recorded(self):
        self.assert_replays([self.program("exceptions")])

    def test_children_run_for_real_and_only_once(self):
        recorded = self.assert_replays([self.program("processes")])
        self.assertIn(b"threads 7", recorded.output)

    def test_children_in_their_parents_memory_are_part_of_the_recording(self):
        recorded = self.assert_replays([self.program("spawn")])
        self.assertEqual(recorded.output,
                         b"shared 1 killed 9 second 6 true 0 missing 2 beside 10\n")

    def test_bad_pointers_give_efault(self):
        self.assert_replays([self.program("efault")])

    def test_clocks_come_from_the_tape(self):
        recorded = self.assert_replays([self.program("clocks")])
        self.assertIn(b"child agrees 1", recorded.output)

    def test_a_program_that_reads_the_counter_replays(self):
        self.assert_replays([self.program("counter"), "early"])
        self.assert_replays([self.program("counter"), "early", "late"])
        with Tape() as tape:
            tape.options = ["-c"]  # strict from the start
            recorded = tape.record([self.program("counter"), "late"])
            self.assert_recorded(recorded)
            self.assert_same(recorded, tape.replay())

    def test_a_counter_read_only_after_many_clock_readings_is_named(self):
        with Tape() as tape:
            self.assert_recorded(tape.record([self.program("counter"), "late"]))
            replayed = tape.replay()
            self.assertEqual(replayed.verdict, 1)
            self.assertIn("time stamp counter", replayed.message)
            self.assertIn("/counter+0x", replayed.message)

    def test_rewritten_calls_keep_every_register(self):
        recorded = self.assert_replays([self.program("registers")])
        self.assertEqual(recorded.output,
                         b"mov shape: 0 differences, cmp shape: 0 differences, "
                         b"rewritten: 1 1\n")

    def test_cancelled_threads_clean_up(self):
        self.assert_replays([self.program("cancel")])

    def test_entries_of_the_table_impose_what_was_recorded_and_clear_registers(self):
        recorded = self.assert_replays([self.program("entries")])
        self.assertRegex(recorded.output, rb"^noted the same clock ordered 1 link \d+ mapped 1 "
                                          rb"bad -9 pid 1 calls some not cleared 0\n$")

    def test_another_note_in_a_replay_is_a_divergence(self):
        with Tape() as tape:
            self.assert_recorded(tape.record([self.program("entries"), "diverge"]))
            replayed = tape.replay()
            self.assertEqual(replayed.verdict, 1)
            self.assertIn("(mark)", replayed.message)

    def test_a_program_can_end_its_run_by_the_table(self):
        with Tape() as tape:
            recorded = tape.record([self.program("entries"), "fail"])
            self.assertEqual((recorded.verdict, recorded.message), (4, "the program said so"))

    def test_two_recordings_differ_where_the_world_does(self):
        with Tape() as first, Tape() as second:
            self.assertNotEqual(first.record([self.program("clocks")]).output,
                                second.record([self.program("clocks")]).output)


if __name__ == "__main__":
    unittest.main()
