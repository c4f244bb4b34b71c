// The stage's hash: a multiply and a shift a word. Not cryptographic; it finds divergences, not
// adversaries. Stable: recordings store its values, so a change is a change of tape::kVersion.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reprise::stage {

constexpr uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e37'79b9'7f4a'7c15;
  return hash ^ hash >> 29;
}

inline uint64_t load64(const void* at) {
  uint64_t value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

// The last `size` < 8 bytes at `p`, the first highest. Of `whole` bytes that end there all are readable:
// where those are eight or more one load has it, and a mask drops what belongs to the word before.
inline uint64_t tail_of(const uint8_t* p, size_t size, size_t whole) {
  if (size == 0) return 0;
  if (whole >= 8) return __builtin_bswap64(load64(p + size - 8)) & ~0ull >> (64 - 8 * size);
  uint64_t tail = 0;
  for (; size; --size) tail = tail << 8 | *p++;
  return tail;
}

// Four lanes over 32-byte blocks, because one chain of multiplies is latency-bound.
inline uint64_t mix_bytes(uint64_t hash, const void* bytes, size_t size) {
  auto* p = static_cast<const uint8_t*>(bytes);
  const size_t whole = size;
  hash = mix(hash, size);
  if (size >= 32) {
    uint64_t lane[4] = {hash, 3, 5, 7};
    for (; size >= 32; size -= 32, p += 32) {
      for (int i = 0; i < 4; ++i) lane[i] = mix(lane[i], load64(p + 8 * i));
    }
    hash = mix(mix(mix(lane[0], lane[1]), lane[2]), lane[3]);
  }
  for (; size >= 8; size -= 8, p += 8) hash = mix(hash, load64(p));
  return mix(hash, tail_of(p, size, whole));
}

}  // namespace reprise::stage
