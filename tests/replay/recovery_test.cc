// What a killed recorder leaves is finished into a trace.
#include "replay/recovery.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "replay/tape_file.h"
#include "replay/trace_reader.h"
#include "replay/trace_writer.h"
#include "tests/support/random_tape.h"

namespace reprise::trace {
namespace {

class Recovery : public testing::Test {
 protected:
  std::string path() const { return folder_ / "t.rpz"; }

  // A recorder that dies after `written` of the records reached the file, all of them on the tape.
  void leave(const std::vector<std::byte>& records, size_t written) {
    TapeFile tape;
    ASSERT_FALSE(tape.create(tape_path(path()), tape::kMinRingBytes));
    TraceWriter writer;
    ASSERT_FALSE(writer.open(path()));
    ASSERT_FALSE(writer.begin(test::sample_header()));
    RecordView record;
    uint64_t position = 0;
    size_t n = 0;
    for (Bytes rest = records; record.parse(rest); rest = rest.subspan(record.size()), ++n) {
      std::memcpy(tape.at(position), record.whole().data(), record.size());
      position += record.size();
      if (n < written) {
        ASSERT_FALSE(writer.add(record, position));
      } else if (n == written) {
        ASSERT_FALSE(writer.flush());
      }
    }
    tape.control().read = writer.safe();
    tape.control().written = position;
    tape.control().fingerprint = 0xabc;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Recovery, joins_file_and_tape_without_a_gap) {
  auto records = test::random_records(21, 500, 300);
  leave(records, 200);
  uint64_t count = 0;
  ASSERT_FALSE(recover(path(), &count));
  EXPECT_EQ(count, 500u);
  std::string error;
  EXPECT_EQ(test::read_trace(path(), &error), test::as_kept(records));
  EXPECT_EQ(error, "");
  TraceReader reader;
  ASSERT_FALSE(reader.open(path()));
  EXPECT_EQ(reader.cut_off(), "the recorder was killed");
  EXPECT_EQ(reader.footer()->fingerprint, 0xabcu);
  EXPECT_NE(access(part_path(path()).c_str(), F_OK), 0);
  EXPECT_NE(access(tape_path(path()).c_str(), F_OK), 0);
}

TEST_F(Recovery, cuts_a_torn_frame_at_any_byte) {
  auto records = test::random_records(22, 60, 100);
  leave(records, 30);
  std::string part = test::read_file(part_path(path())), tape = test::read_file(tape_path(path()));
  for (size_t size = part.size(); size > 600; size -= 7) {
    test::write_file(part_path(path()), part.substr(0, size));
    test::write_file(tape_path(path()), tape);
    uint64_t count = 0;
    Error failed = recover(path(), &count);
    if (failed) {  // nothing but a torn header
      EXPECT_LT(size, 1200u) << failed.text();
      break;
    }
    std::string error;
    auto got = test::read_trace(path(), &error);
    EXPECT_EQ(error, "");
    // A cut below what `read` released does not join the tape: then the file's records alone.
    EXPECT_TRUE(got == test::as_kept(records) || count == 0) << size << " " << count;
  }
}

TEST_F(Recovery, without_a_tape_keeps_the_files_records) {
  auto records = test::random_records(23, 100, 100);
  leave(records, 40);
  unlink(tape_path(path()).c_str());
  uint64_t count = 0;
  ASSERT_FALSE(recover(path(), &count));
  EXPECT_EQ(count, 40u);
}

TEST_F(Recovery, keeps_decisions_that_are_not_on_the_ring_yet) {
  const auto records = test::random_records(25, 100, 100);
  leave(records, 40);
  TapeFile tape;
  ASSERT_FALSE(tape.open(tape_path(path())));
  tape.control().packed = {tape::kDecisions, 0, 0, 2, tape::packed(0x402, 7) << 8 | tape::packed(0x400, 3)};
  tape.control().packed_at = tape.control().written;
  uint64_t count = 0;
  ASSERT_FALSE(recover(path(), &count));
  EXPECT_EQ(count, 102u);
  auto expected = test::as_kept(records);
  append_record(expected, {0x400, 0, 0, 0, 3}, {});
  append_record(expected, {0x402, 0, 0, 0, 7}, {});
  std::string error;
  EXPECT_EQ(test::read_trace(path(), &error), expected);
}

TEST_F(Recovery, counts_decisions_once_that_a_kill_left_on_the_ring_and_beside_it) {
  leave(test::random_records(26, 100, 100), 40);
  TapeFile tape;
  ASSERT_FALSE(tape.open(tape_path(path())));
  tape.control().packed = {tape::kDecisions, 0, 0, 1, tape::packed(0x400, 3)};
  tape.control().packed_at = tape.control().written - 16;
  uint64_t count = 0;
  ASSERT_FALSE(recover(path(), &count));
  EXPECT_EQ(count, 100u);
}

TEST_F(Recovery, waits_for_no_living_recorder) {
  TraceWriter writer;
  ASSERT_FALSE(writer.open(path()));
  ASSERT_FALSE(writer.begin(test::sample_header()));
  uint64_t count = 0;
  EXPECT_EQ(recover(path(), &count).kind, Error::Kind::busy);
}

TEST_F(Recovery, a_damaged_tape_costs_its_records_only) {
  leave(test::random_records(24, 100, 100), 40);
  test::write_file(tape_path(path()), "not a tape");
  uint64_t count = 0;
  ASSERT_FALSE(recover(path(), &count));
  EXPECT_EQ(count, 40u);
}

}  // namespace
}  // namespace reprise::trace
