// The column encodings. Arithmetic is modulo 2^64 throughout, so that every int64 survives.
//
// Choice of encoding: constant if it is; else the fewest bytes among byte, varint above the minimum,
// and zigzag deltas, measured exactly in one pass; raw where none of them beats 8 bytes a value.
// Fewest bytes before zstd is not always fewest after, but byte-wide columns are also what zstd's
// entropy stage likes best, so the two rarely disagree.
#include "replay/columns.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace reprise::trace {
namespace {

constexpr uint64_t zigzag(uint64_t v) {
  return v << 1 ^ static_cast<uint64_t>(static_cast<int64_t>(v) >> 63);
}
constexpr uint64_t unzigzag(uint64_t v) { return v >> 1 ^ (0 - (v & 1)); }

constexpr size_t varint_size(uint64_t v) {
  return (static_cast<size_t>(std::bit_width(v | 1)) + 6) / 7;
}

std::byte* put_varint(std::byte* to, uint64_t v) {
  for (; v >= 0x80; v >>= 7) *to++ = static_cast<std::byte>(v | 0x80);
  *to++ = static_cast<std::byte>(v);
  return to;
}

// One LEB128 of at most 64 bits. False at the end of the bytes or beyond 64 bits.
bool get_varint(std::span<const std::byte>& in, uint64_t& v) {
  v = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (in.empty()) return false;
    auto b = static_cast<uint64_t>(in.front());
    in = in.subspan(1);
    if (shift == 63 && b > 1) return false;
    v |= (b & 0x7f) << shift;
    if (b < 0x80) return true;
  }
  return false;
}

uint64_t bits(int64_t v) { return static_cast<uint64_t>(v); }

template <typename T>
void encode_above(std::span<const T> values, int64_t least, size_t size, EncodedColumn& out) {
  out.base = least;
  out.bytes.resize(size);
  std::byte* to = out.bytes.data();
  for (T v : values) to = put_varint(to, bits(v) - bits(least));
}

template <typename T>
void encode_bytes(std::span<const T> values, int64_t least, EncodedColumn& out) {
  out.base = least;
  out.bytes.resize(values.size());
  std::ranges::transform(values, out.bytes.begin(), [least](T v) {
    return static_cast<std::byte>(bits(v) - bits(least));
  });
}

template <typename T>
void encode_delta(std::span<const T> values, size_t size, EncodedColumn& out) {
  out.base = values.front();
  out.bytes.resize(size);
  std::byte* to = out.bytes.data();
  uint64_t before = bits(out.base);
  for (T v : values) {
    to = put_varint(to, zigzag(bits(v) - before));
    before = bits(v);
  }
}

template <typename T>
void encode_raw(std::span<const T> values, EncodedColumn& out) {
  out.bytes.resize(values.size() * sizeof(int64_t));
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t v = values[i];
    std::memcpy(out.bytes.data() + i * sizeof v, &v, sizeof v);
  }
}

template <typename T>
void encode(std::span<const T> values, EncodedColumn& out) {
  out.bytes.clear();
  out.encoding = Encoding::constant;
  out.base = values.empty() ? 0 : values.front();
  if (values.empty()) return;
  auto [least, most] = std::ranges::minmax(values);
  if (least == most) return;
  if (bits(most) - bits(least) < 256) {
    out.encoding = Encoding::byte;
    return encode_bytes(values, least, out);
  }
  size_t above = 0, delta = 0;
  uint64_t before = bits(values.front());
  for (T v : values) {
    above += varint_size(bits(v) - bits(least));
    delta += varint_size(zigzag(bits(v) - before));
    before = bits(v);
  }
  if (std::min(above, delta) >= values.size() * sizeof(int64_t)) {
    out.encoding = Encoding::raw;
    return encode_raw(values, out);
  }
  out.encoding = delta < above ? Encoding::delta : Encoding::varint;
  if (delta < above) return encode_delta(values, delta, out);
  encode_above(values, least, above, out);
}

}  // namespace

void encode_column(std::span<const int64_t> values, EncodedColumn& out) { encode(values, out); }
void encode_column(std::span<const uint32_t> values, EncodedColumn& out) { encode(values, out); }
void encode_column(std::span<const uint8_t> values, EncodedColumn& out) { encode(values, out); }

void encode_lengths(std::span<const uint32_t> lengths, std::span<const int64_t> values,
                    EncodedColumn& out) {
  if (!lengths.empty() && values.front() != 0) {
    int64_t factor = lengths.front() / values.front();
    bool scaled = factor > 0;
    for (size_t i = 0; scaled && i < lengths.size(); ++i) {
      scaled = lengths[i] == bits(values[i]) * bits(factor);
    }
    if (scaled) {
      out.bytes.clear();
      out.encoding = Encoding::scaled;
      out.base = factor;
      return;
    }
  }
  encode(lengths, out);
}

namespace {

bool decode_varints(Encoding encoding, int64_t base, std::span<const std::byte> bytes, size_t count,
                    std::vector<int64_t>& out) {
  uint64_t before = bits(base);
  for (size_t i = 0; i < count; ++i) {
    uint64_t v = 0;
    if (!get_varint(bytes, v)) return false;
    if (encoding == Encoding::varint) {
      out.push_back(static_cast<int64_t>(bits(base) + v));
    } else {
      before += unzigzag(v);
      out.push_back(static_cast<int64_t>(before));
    }
  }
  return bytes.empty();
}

}  // namespace

bool decode_column(Encoding encoding, int64_t base, std::span<const std::byte> bytes, size_t count,
                   std::span<const int64_t> values, std::vector<int64_t>& out) {
  switch (encoding) {
    case Encoding::constant:
      out.insert(out.end(), count, base);
      return bytes.empty();
    case Encoding::byte:
      if (bytes.size() != count) return false;
      out.reserve(out.size() + count);
      for (std::byte b : bytes) {
        out.push_back(static_cast<int64_t>(bits(base) + static_cast<uint64_t>(b)));
      }
      return true;
    case Encoding::varint:
    case Encoding::delta:
      if (bytes.size() < count) return false;
      out.reserve(out.size() + count);
      return decode_varints(encoding, base, bytes, count, out);
    case Encoding::raw: {
      if (bytes.size() != count * sizeof(int64_t)) return false;
      size_t start = out.size();
      out.resize(start + count);
      if (count > 0) std::memcpy(out.data() + start, bytes.data(), bytes.size());
      return true;
    }
    case Encoding::scaled:
      if (values.size() != count || !bytes.empty()) return false;
      out.reserve(out.size() + count);
      for (int64_t v : values) out.push_back(static_cast<int64_t>(bits(v) * bits(base)));
      return true;
  }
  return false;
}

}  // namespace reprise::trace
