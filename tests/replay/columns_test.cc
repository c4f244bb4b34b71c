#include "replay/columns.h"

#include <algorithm>
#include <gtest/gtest.h>

#include <limits>

#include "tests/support/random_tape.h"

namespace reprise::trace {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

std::vector<int64_t> there_and_back(const std::vector<int64_t>& values, Encoding expected) {
  EncodedColumn column;
  encode_column(values, column);
  EXPECT_EQ(column.encoding, expected);
  std::vector<int64_t> out;
  EXPECT_TRUE(decode_column(column.encoding, column.base, column.bytes, values.size(), {}, out));
  return out;
}

TEST(Columns, equal_values_take_no_bytes) {
  std::vector<int64_t> values(1000, kMin);
  EXPECT_EQ(there_and_back(values, Encoding::constant), values);
}

TEST(Columns, a_range_below_256_takes_a_byte_each) {
  std::vector<int64_t> values{kMin, kMin + 255, kMin + 7};
  EXPECT_EQ(there_and_back(values, Encoding::byte), values);
}

TEST(Columns, rising_values_are_kept_as_differences) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < 300; ++i) values.push_back(1'700'000'000'000'000'000 + i * 1000);
  EXPECT_EQ(there_and_back(values, Encoding::delta), values);
}

TEST(Columns, small_values_with_a_rare_large_one_are_varints) {
  std::vector<int64_t> values(100, 3);
  values[50] = 1 << 20;
  EXPECT_EQ(there_and_back(values, Encoding::varint), values);
}

TEST(Columns, random_bits_are_kept_raw) {
  test::Random random(1);
  std::vector<int64_t> values;
  for (int i = 0; i < 100; ++i) values.push_back(static_cast<int64_t>(random.next()));
  EXPECT_EQ(there_and_back(values, Encoding::raw), values);
}

TEST(Columns, extremes_survive) {
  std::vector<int64_t> values{kMin, kMax, 0, -1, 1, kMax, kMin};  // neighbours, modulo 2^64
  EXPECT_EQ(there_and_back(values, Encoding::delta), values);
  values.insert(values.end(), 500, 0);
  EncodedColumn column;
  encode_column(values, column);
  std::vector<int64_t> out;
  ASSERT_TRUE(decode_column(column.encoding, column.base, column.bytes, values.size(), {}, out));
  EXPECT_EQ(out, values);
}

TEST(Columns, lengths_that_follow_the_value_take_no_bytes) {
  std::vector<int64_t> values{1, 5, 2, 0}, out;
  const std::vector<uint32_t> lengths{12, 60, 24, 0};
  EncodedColumn column;
  encode_lengths(lengths, values, column);
  EXPECT_EQ(column.encoding, Encoding::scaled);
  EXPECT_TRUE(column.bytes.empty());
  ASSERT_TRUE(decode_column(column.encoding, column.base, column.bytes, 4, values, out));
  EXPECT_TRUE(std::ranges::equal(out, lengths));
}

TEST(Columns, a_column_with_too_few_or_too_many_bytes_is_refused) {
  std::vector<int64_t> values{1, 1000, 100'000, 5}, out;
  EncodedColumn column;
  encode_column(values, column);
  for (size_t cut = 0; cut < column.bytes.size(); ++cut) {
    out.clear();
    EXPECT_FALSE(decode_column(column.encoding, column.base, {column.bytes.data(), cut}, 4, {}, out));
  }
  column.bytes.push_back(std::byte{1});
  out.clear();
  EXPECT_FALSE(decode_column(column.encoding, column.base, column.bytes, 4, {}, out));
}

TEST(Columns, a_varint_beyond_64_bits_is_refused) {
  std::vector<std::byte> bytes(10, std::byte{0xff});
  bytes.back() = std::byte{2};
  std::vector<int64_t> out;
  EXPECT_FALSE(decode_column(Encoding::varint, 0, bytes, 1, {}, out));
}

TEST(Columns, an_unknown_encoding_is_refused) {
  std::vector<int64_t> out;
  EXPECT_FALSE(decode_column(static_cast<Encoding>(77), 0, {}, 0, {}, out));
}

}  // namespace
}  // namespace reprise::trace
