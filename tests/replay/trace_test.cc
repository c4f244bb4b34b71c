// The trace file: what goes in comes out, and what is damaged is named.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "replay/frame.h"
#include "replay/trace_reader.h"
#include "replay/trace_writer.h"
#include "replay/wire.h"
#include "tests/support/random_tape.h"

namespace reprise::trace {
namespace {

using test::random_records;
using test::read_trace;
using test::write_trace;

RC_GTEST_PROP(Trace, gives_back_every_record, ()) {
  auto seed = *rc::gen::arbitrary<uint64_t>();
  auto count = *rc::gen::inRange<size_t>(0, 2000);
  auto flush_every = *rc::gen::element<size_t>(0, 1, 7, 500);
  test::TemporaryFolder folder;
  auto records = random_records(seed, count, 100'000);
  write_trace(folder / "t.rpz", records, flush_every);
  std::string error;
  bool same = read_trace(folder / "t.rpz", &error) == test::as_kept(records);
  RC_ASSERT(same);  // of the vectors, RapidCheck would print every byte
  RC_ASSERT(error.empty());
}

// Shapes of 255 segments have some 1,000 columns each; the reader's bound on work is for hostile messages.
TEST(Trace, shapes_of_many_segments_are_within_the_readers_bound) {
  const std::vector<std::byte> bytes(20, std::byte{'a'});
  const std::vector<Bytes> segments(255, bytes);
  std::vector<std::byte> records;
  for (uint8_t thread = 0; thread < 100; ++thread) {
    tape::Record head{};
    head.kind = 232;
    head.thread = thread;
    head.segments = 255;
    for (int i = 0; i < 2; ++i) append_record(records, head, segments);
  }
  test::TemporaryFolder folder;
  write_trace(folder / "t.rpz", records, 0);
  std::string error;
  EXPECT_TRUE(read_trace(folder / "t.rpz", &error) == test::as_kept(records));
  EXPECT_EQ(error, "");
}

// As the scribe has it: stretches of tape that end anywhere.
RC_GTEST_PROP(Trace, takes_whole_records_from_any_stretch_of_tape, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const auto records = random_records(seed, *rc::gen::inRange<size_t>(0, 2000), 100'000);
  test::Random random(seed);
  test::TemporaryFolder folder;
  TraceWriter writer;
  RC_ASSERT(!writer.open(folder / "t.rpz"));
  RC_ASSERT(!writer.begin(test::sample_header()));
  writer.limit_chunks(200'000);
  for (size_t at = 0, seen = 0; at < records.size();) {
    if (writer.due()) RC_ASSERT(!writer.flush());
    seen = std::min(records.size(), std::max(seen, at) + random.below(50'000));
    at += writer.take(Bytes(records).subspan(at, seen - at), at);
    RC_ASSERT(at <= seen);
  }
  RC_ASSERT(!writer.finish({}));
  std::string error;
  RC_ASSERT(read_trace(folder / "t.rpz", &error) == test::as_kept(records));
}

// Segments that are the one before but for some bytes, or its start, or longer than is compared.
std::vector<std::byte> similar_records(test::Random& random, size_t count) {
  std::vector<std::byte> records, segment(40, std::byte{'a'});
  for (size_t i = 0; i < count; ++i) {
    if (random.below(3) == 0) segment.resize(random.below(random.below(10) == 0 ? 600 : 80), std::byte{'b'});
    for (uint64_t n = random.below(4); n > 0 && !segment.empty(); --n) {
      segment[random.below(segment.size())] = static_cast<std::byte>(random.below(3));
    }
    const Bytes segments[] = {segment, Bytes(segment).first(random.below(segment.size() + 1))};
    const auto several = static_cast<uint8_t>(1 + random.below(2));
    append_record(records, {0, several, 0, 0, static_cast<int64_t>(segment.size())}, {segments, several});
  }
  return records;
}

RC_GTEST_PROP(Trace, gives_back_segments_that_have_bytes_in_common, ()) {
  test::Random random(*rc::gen::arbitrary<uint64_t>());
  const auto flush_every = *rc::gen::element<size_t>(0, 1, 7, 500);
  test::TemporaryFolder folder;
  const auto records = similar_records(random, 1000);
  write_trace(folder / "t.rpz", records, flush_every);
  std::string error;
  RC_ASSERT(read_trace(folder / "t.rpz", &error) == records);
  RC_ASSERT(error.empty());
}

TEST(Trace, leaves_out_what_requests_have_in_common) {
  test::TemporaryFolder folder;
  std::vector<std::byte> records;
  for (int i = 0; i < 30'000; ++i) {
    const std::string request = "*2\r\n$4\r\nINCR\r\n$8\r\nkey:" + std::to_string(1000 + i * 7919 % 9000) + "\r\n";
    const Bytes segment = std::as_bytes(std::span(request));
    append_record(records, {0, 1, 0, 0, static_cast<int64_t>(request.size())}, {&segment, 1});
  }
  write_trace(folder / "t.rpz", records, 0);
  std::string error;
  EXPECT_TRUE(read_trace(folder / "t.rpz", &error) == records);
  EXPECT_LT(std::filesystem::file_size(folder / "t.rpz"), 30'000u * 3);  // four digits are 13.3 bits
}

// A library's mapping may come with the decisions before it.
TEST(Trace, names_a_mapped_file_whose_record_carries_decisions) {
  test::TemporaryFolder folder;
  std::vector<std::byte> segments(sizeof(tape::MappedFile));
  const tape::MappedFile file{1, 1, 0, 0};
  std::memcpy(segments.data(), &file, sizeof file);
  const std::string name = std::filesystem::canonical("/proc/self/exe").string();
  segments.insert(segments.end(), reinterpret_cast<const std::byte*>(name.data()),
                  reinterpret_cast<const std::byte*>(name.data() + name.size() + 1));
  std::vector<std::byte> records;
  const Bytes segment = segments;
  append_record(records, {9 | tape::kWithDecisions, 1, 0, 0xffff'ff00 | tape::packed(tape::kFirstDecision, 3), 4096},
                {&segment, 1});
  TraceWriter writer;
  ASSERT_FALSE(writer.open(folder / "t.rpz"));
  ASSERT_FALSE(writer.begin(test::sample_header()));
  EXPECT_EQ(writer.take(records, 0), records.size());
  ASSERT_FALSE(writer.finish({}));
  ASSERT_EQ(writer.totals().objects.size(), 2u);
  EXPECT_EQ(writer.totals().objects[1].path, name);
  EXPECT_EQ(writer.totals().counts.at(9), 1u);
  EXPECT_EQ(writer.totals().counts.at(tape::kFirstDecision), 1u);
}

TEST(Trace, frames_a_blob_as_capnproto_does) {
  for (size_t size : {0, 1, 7, 8, 9, 4096}) {
    ::capnp::MallocMessageBuilder message;
    auto blob = message.initRoot<schema::Inputs>().initBytes(static_cast<unsigned>(size));
    std::memset(blob.begin(), 'x', size);
    std::vector<std::byte> expected, framed(blob_message_bytes(size));
    flatten(message, expected);
    std::memset(framed.data() + begin_blob_message(size, framed.data()), 'x', size);
    EXPECT_EQ(framed, expected) << size;
  }
}

// Kind, thread and segments all 0: once taken for whatever shape came first.
TEST(Trace, keeps_a_read_of_nothing_apart) {
  test::TemporaryFolder folder;
  std::vector<std::byte> records;
  append_record(records, {1, 0, 3, 0, 42}, {});
  append_record(records, {0, 0, 0, 0, -11}, {});
  write_trace(folder / "t.rpz", records, 0);
  std::string error;
  EXPECT_EQ(read_trace(folder / "t.rpz", &error), records);
}

TEST(Trace, holds_packed_decisions_one_by_one) {
  test::TemporaryFolder folder;
  std::vector<std::byte> packed, apart;
  for (int first = 0; first < 300; ++first) {
    tape::Record pack{tape::kDecisions, 0, static_cast<uint8_t>(first % 3), 0, 0};
    for (int i = 0; i <= first % 8; ++i) {
      const auto kind = static_cast<uint16_t>(tape::kFirstDecision + (first + i) % 10);
      const int64_t value = (first * 7 + i) % 16;
      pack.value |= static_cast<int64_t>(uint64_t{tape::packed(kind, value)} << 8 * pack.check++);
      append_record(apart, {kind, 0, pack.thread, 0, value}, {});
    }
    append_record(packed, pack, {});
  }
  write_trace(folder / "t.rpz", packed, 50);
  std::string error;
  EXPECT_EQ(read_trace(folder / "t.rpz", &error), apart);
  EXPECT_EQ(error, "");
}

TEST(Trace, holds_decisions_that_a_call_carried_before_it) {
  test::TemporaryFolder folder;
  std::vector<std::byte> carried, apart;
  const std::string text = "GET a";
  const Bytes segment = std::as_bytes(std::span(text));
  for (uint32_t i = 0; i < 1000; ++i) {
    const auto thread = static_cast<uint8_t>(i / 3 % 2);
    const std::span<const Bytes> segments{&segment, i % 2};
    tape::Record call{static_cast<uint16_t>(i % 7), static_cast<uint8_t>(i % 2), thread, ~0u, i};
    for (uint32_t n = 0; n < i % 5; ++n) {
      const auto kind = static_cast<uint16_t>(tape::kFirstDecision + (i + n) % 12);
      const int64_t value = (i * 5 + n) % 16;
      call.kind |= tape::kWithDecisions;
      call.check = (call.check & ~(0xffu << 8 * n)) | uint32_t{tape::packed(kind, value)} << 8 * n;
      append_record(apart, {kind, 0, thread, 0, value}, {});
    }
    append_record(carried, call, segments);
    append_record(apart, {static_cast<uint16_t>(i % 7), call.segments, thread, 0, i}, segments);
  }
  write_trace(folder / "t.rpz", carried, 130);
  std::string error;
  EXPECT_EQ(read_trace(folder / "t.rpz", &error), apart);
  EXPECT_EQ(error, "");
}

TEST(Trace, survives_segments_of_many_mebibytes) {
  test::TemporaryFolder folder;
  std::vector<std::byte> big(9u << 20, std::byte{42}), records;
  Bytes segments[] = {big, {}, Bytes(big).first(3)};
  append_record(records, {9, 3, 0, 7, 1}, segments);
  append_record(records, {tape::kEnd, 0, 0, 0, 0}, {});
  write_trace(folder / "t.rpz", records, 0);
  std::string error;
  EXPECT_EQ(read_trace(folder / "t.rpz", &error), records);
  EXPECT_EQ(error, "");
}

TEST(Trace, keeps_header_and_footer) {
  test::TemporaryFolder folder;
  auto records = random_records(5, 300, 50);
  write_trace(folder / "t.rpz", records, 100);
  TraceReader reader;
  ASSERT_FALSE(reader.open(folder / "t.rpz"));
  EXPECT_EQ(reader.header(), test::sample_header());
  ASSERT_TRUE(reader.footer());
  EXPECT_EQ(reader.footer()->records, 300u);
  EXPECT_EQ(reader.footer()->chunks.size(), 3u);
  EXPECT_EQ(reader.footer()->wait_status, 3 << 8);
  EXPECT_EQ(reader.footer()->fingerprint, 0xfeedu);
  EXPECT_EQ(reader.cut_off(), "");
  uint64_t sum = 0;
  for (auto [kind, count] : reader.footer()->counts) sum += count;
  EXPECT_EQ(sum, 300u);
}

TEST(Trace, is_readable_by_its_owner_only) {
  test::TemporaryFolder folder;
  write_trace(folder / "t.rpz", random_records(1, 1, 1), 0);
  struct stat st {};
  ASSERT_EQ(stat((folder / "t.rpz").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
}

TEST(Trace, appears_under_its_name_only_when_finished) {
  test::TemporaryFolder folder;
  TraceWriter writer;
  ASSERT_FALSE(writer.open(folder / "t.rpz"));
  ASSERT_FALSE(writer.begin(test::sample_header()));
  EXPECT_NE(access((folder / "t.rpz").c_str(), F_OK), 0);
  ASSERT_FALSE(writer.finish({}));
  EXPECT_EQ(access((folder / "t.rpz").c_str(), F_OK), 0);
  EXPECT_NE(access((folder / "t.rpz.part").c_str(), F_OK), 0);
}

TEST(Trace, has_one_writer_at_a_time) {
  test::TemporaryFolder folder;
  TraceWriter first, second;
  ASSERT_FALSE(first.open(folder / "t.rpz"));
  EXPECT_EQ(second.open(folder / "t.rpz").kind, Error::Kind::busy);
}

TEST(Trace, an_unwritable_folder_is_named) {
  TraceWriter writer;
  Error error = writer.open("/nonexistent/t.rpz");
  EXPECT_EQ(error.kind, Error::Kind::io);
  EXPECT_EQ(error.text(), "/nonexistent/t.rpz.part: No such file or directory");
}

// Whether what a damaged file still gives is a beginning of what the whole one gave.
bool is_beginning(const std::vector<std::byte>& part, const std::vector<std::byte>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

class DamagedTrace : public testing::Test {
 protected:
  DamagedTrace() {
    auto records = random_records(11, 12, 50);
    whole_ = test::as_kept(records);
    write_trace(path(), records, 4);
    bytes_ = test::read_file(path());
  }
  std::string path() const { return folder_ / "t.rpz"; }

  test::TemporaryFolder folder_;
  std::vector<std::byte> whole_;
  std::string bytes_;
};

TEST_F(DamagedTrace, cut_at_any_byte_is_refused_with_its_place_or_is_a_cut_off_recording) {
  size_t cut_offs = 0;
  for (size_t size = 0; size < bytes_.size(); ++size) {
    test::write_file(path(), bytes_.substr(0, size));
    TraceReader reader;
    Error failed = reader.open(path());
    if (failed) {
      EXPECT_EQ(failed.kind, Error::Kind::bad_trace) << size;
      EXPECT_NE(failed.text().find("byte "), std::string::npos) << failed.text();
      EXPECT_NE(failed.text().find("expected"), std::string::npos) << failed.text();
      continue;
    }
    ++cut_offs;
    EXPECT_NE(reader.cut_off(), "") << size;
    std::string error;
    EXPECT_TRUE(is_beginning(read_trace(path(), &error), whole_)) << size;
    EXPECT_EQ(error, "");
  }
  EXPECT_EQ(cut_offs, 7u);  // after the header, and after each of three chunks' two frames
}

TEST_F(DamagedTrace, with_a_bit_of_any_byte_flipped_is_refused_and_nothing_wrong_is_given) {
  for (size_t bit = 0; bit < bytes_.size() * 8; bit += 8 + (bit % 8 == 7 ? -7 : 1)) {
    std::string damaged = bytes_;
    damaged[bit / 8] ^= static_cast<char>(1 << bit % 8);
    test::write_file(path(), damaged);
    std::string error;
    auto got = read_trace(path(), &error);
    EXPECT_NE(error, "") << "bit " << bit;
    EXPECT_TRUE(is_beginning(got, whole_)) << "bit " << bit;
  }
}

TEST_F(DamagedTrace, with_bytes_after_the_footer_is_refused) {
  test::write_file(path(), bytes_ + "x");
  std::string error;
  read_trace(path(), &error);
  EXPECT_NE(error, "");
}

TEST_F(DamagedTrace, of_another_version_says_so) {
  bytes_[6] = 9;
  test::write_file(path(), bytes_);
  std::string error;
  read_trace(path(), &error);
  EXPECT_EQ(error, path() + ": byte 6: expected format version 1 to 4, found 9");
}

TEST_F(DamagedTrace, empty_missing_or_a_folder_says_so) {
  std::string error;
  test::write_file(path(), "");
  read_trace(path(), &error);
  EXPECT_EQ(error, path() + ": byte 0: expected a trace, found an empty file");
  read_trace(folder_ / "none", &error);
  EXPECT_EQ(error, folder_ / "none" + ": byte 0: expected a trace, cannot open it: No such file or directory");
  read_trace("/", &error);
  EXPECT_EQ(error, "/: byte 0: expected a trace, found a directory");
}

// A frame whose checksum fits but whose message is someone else's invention.
TEST_F(DamagedTrace, with_a_forged_chunk_is_refused) {
  test::Random random(3);
  for (int i = 0; i < 2000; ++i) {
    std::string forged(random.below(40) * 8, '\0');
    for (char& c : forged) c = static_cast<char>(random.below(3) == 0 ? random.next() : random.below(4));
    std::vector<uint64_t> words(forged.size() / 8);
    if (!words.empty()) std::memcpy(words.data(), forged.data(), forged.size());
    DecodedChunk chunk;
    std::string why;
    EXPECT_TRUE(!decode_chunk(words, words, chunk, &why) || chunk.count == 0);
  }
}

// A chunk of three reads, of 4, 6 and 6 bytes, that have in common what its caller says.
std::string refusal_of_common(std::vector<int> starts, std::vector<int> ends, size_t input_bytes) {
  ::capnp::MallocMessageBuilder inputs, chunk;
  inputs.initRoot<schema::Inputs>().initBytes(static_cast<unsigned>(input_bytes));
  auto to = chunk.initRoot<schema::Chunk>();
  to.setRecords(3);
  auto shape = to.initShapes(1)[0];
  shape.setSegments(1);
  shape.setCount(3);
  const auto column = [](schema::Column::Builder of, std::vector<int> values) {
    of.setEncoding(schema::Column::Encoding::BYTE);
    auto bytes = of.initBytes(static_cast<unsigned>(values.size()));
    for (unsigned i = 0; i < values.size(); ++i) bytes[i] = static_cast<kj::byte>(values[i]);
  };
  column(shape.initLengths(1)[0], {4, 6, 6});
  column(shape.initStarts(1)[0], starts);
  column(shape.initEnds(1)[0], ends);
  const uint8_t tokens[] = {0xc0, 0xc0, 0xc0};
  to.setTokens({tokens, 3});
  const auto words = [](::capnp::MessageBuilder& message) {
    auto flat = ::capnp::messageToFlatArray(message);
    return std::vector<uint64_t>(reinterpret_cast<uint64_t*>(flat.begin()), reinterpret_cast<uint64_t*>(flat.end()));
  };
  DecodedChunk out;
  std::string why;
  return decode_chunk(words(inputs), words(chunk), out, &why) ? "" : why;
}

TEST_F(DamagedTrace, with_more_bytes_in_common_than_there_are_is_refused) {
  const std::string too_many = "expected no more bytes in common than both segments have";
  EXPECT_EQ(refusal_of_common({0, 4, 3}, {0, 2, 3}, 4), "");
  EXPECT_EQ(refusal_of_common({1, 0, 0}, {0, 0, 0}, 15), too_many);  // nothing is before the first
  EXPECT_EQ(refusal_of_common({0, 5, 0}, {0, 0, 0}, 11), too_many);  // four were before
  EXPECT_EQ(refusal_of_common({0, 0, 0}, {0, 5, 0}, 11), too_many);
  EXPECT_EQ(refusal_of_common({0, 0, 4}, {0, 0, 3}, 9), too_many);   // seven of six
  EXPECT_EQ(refusal_of_common({0, 4}, {0, 0, 0}, 12), "expected a whole column of bytes in common");
  EXPECT_EQ(refusal_of_common({0, 4, 0}, {0, 0, 0}, 11), "expected the segments' lengths to stay within the input bytes");
  EXPECT_EQ(refusal_of_common({0, 4, 0}, {0, 0, 0}, 13), "expected the segments to use all input bytes");
}

}  // namespace
}  // namespace reprise::trace
