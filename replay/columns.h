// Columns: the integers of one field of many records, in the encoding that costs least before zstd.
//
// Pure functions over plain memory. Decoding never trusts a length: it fails rather than read or
// produce more than `count`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace reprise::trace {

enum class Encoding : uint16_t { constant, byte, varint, delta, raw, scaled };

struct EncodedColumn {
  Encoding encoding = Encoding::constant;
  int64_t base = 0;
  std::vector<std::byte> bytes;
};

// Picks an encoding and fills `out`, whose capacity is reused.
void encode_column(std::span<const int64_t> values, EncodedColumn& out);
void encode_column(std::span<const uint32_t> values, EncodedColumn& out);
void encode_column(std::span<const uint8_t> values, EncodedColumn& out);

// Lengths that may be a multiple of the record's value (reads: 1, epoll_wait: 12).
void encode_lengths(std::span<const uint32_t> lengths, std::span<const int64_t> values,
                    EncodedColumn& out);

// Appends exactly `count` values. False if the bytes do not hold exactly that many, or if the
// encoding is unknown. `values` is what `scaled` multiplies; empty where that is not allowed.
bool decode_column(Encoding encoding, int64_t base, std::span<const std::byte> bytes, size_t count,
                   std::span<const int64_t> values, std::vector<int64_t>& out);

}  // namespace reprise::trace
