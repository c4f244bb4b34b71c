// alginit and memhash. The AES hash absorbs 16 bytes a round; long input goes through four lanes, so that
// rounds of different lanes overlap. Three rounds at the end let every bit of input reach every bit.
//
// Not a cryptographic hash: what it gives is that whoever does not know the keys cannot choose collisions.
#include "runtime/map/hash.h"

#include <immintrin.h>

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/boot/boot.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/sched.h"
#include "runtime/seam/names.h"

namespace reprise::rt {

uint64_t hashkey[4];

namespace {

bool use_aeshash = false;
alignas(16) uint8_t aeskeysched[128];

uint64_t load64(const uint8_t* p) {
  uint64_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}
uint64_t load32(const uint8_t* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

[[gnu::target("aes,sse4.1")]] __m128i key(size_t i) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(aeskeysched) + i);
}
[[gnu::target("aes,sse4.1")]] __m128i block(const uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

// Up to 16 bytes in a register: every byte at least once. The length is in the state.
[[gnu::target("aes,sse4.1")]] __m128i short_block(const uint8_t* p, size_t n) {
  if (n >= 8) return _mm_set_epi64x(static_cast<long long>(load64(p + n - 8)), static_cast<long long>(load64(p)));
  if (n >= 4) return _mm_set_epi64x(0, static_cast<long long>(load32(p) | load32(p + n - 4) << 32));
  if (n == 0) return _mm_setzero_si128();
  const uint64_t bytes = p[0] | static_cast<uint64_t>(p[n / 2]) << 8 | static_cast<uint64_t>(p[n - 1]) << 16;
  return _mm_set_epi64x(0, static_cast<long long>(bytes));
}

[[gnu::target("aes,sse4.1")]] __m128i long_state(__m128i state, const uint8_t* p, size_t n) {
  __m128i lane[4];
  for (size_t i = 0; i < 4; ++i) lane[i] = _mm_xor_si128(state, key(i + 1));
  const uint8_t* const last = p + n - 64;  // the last 64 bytes, which may overlap those before
  for (; p < last; p += 64) {
    for (size_t i = 0; i < 4; ++i) lane[i] = _mm_aesenc_si128(_mm_xor_si128(lane[i], block(p + 16 * i)), key(i));
  }
  for (size_t i = 0; i < 4; ++i) lane[i] = _mm_aesenc_si128(_mm_xor_si128(lane[i], block(last + 16 * i)), key(i));
  for (__m128i& l : lane) l = _mm_aesenc_si128(l, l);
  return _mm_xor_si128(_mm_aesenc_si128(lane[0], lane[1]), _mm_aesenc_si128(lane[2], lane[3]));
}

[[gnu::target("aes,sse4.1"), gnu::always_inline]] inline __m128i first_state(size_t n, uint64_t seed) {
  const __m128i state = _mm_set_epi64x(static_cast<long long>(n), static_cast<long long>(seed));
  return _mm_aesenc_si128(_mm_xor_si128(state, key(0)), key(5));
}

[[gnu::target("aes,sse4.1"), gnu::always_inline]] inline uint64_t finished(__m128i state) {
  state = _mm_aesenc_si128(state, key(6));
  state = _mm_aesenc_si128(state, key(7));
  state = _mm_aesenc_si128(state, key(5));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(state));
}

[[gnu::target("aes,sse4.1"), gnu::noinline]] uint64_t aeshash_of_more(const uint8_t* p, size_t n, uint64_t seed) {
  __m128i state = first_state(n, seed);
  if (n >= 64) return finished(long_state(state, p, n));
  for (size_t at = 0; at + 16 < n; at += 16) state = _mm_aesenc_si128(_mm_xor_si128(state, block(p + at)), key(6));
  return finished(_mm_aesenc_si128(_mm_xor_si128(state, block(p + n - 16)), key(7)));
}

[[gnu::noinline]] uint64_t xxhash(const void* data, size_t bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(data, bytes, seed ^ hashkey[0]);
}

}  // namespace

void alginit() {
  uint64_t state = boot_random();
  const auto next = [&state] { return seam::mix(state += 0x9e3779b97f4a7c15); };
  for (uint64_t& k : hashkey) k = next() | 1;
  for (size_t i = 0; i < sizeof aeskeysched; i += sizeof(uint64_t)) {
    const uint64_t bytes = next();
    std::memcpy(aeskeysched + i, &bytes, sizeof bytes);
  }
  use_aeshash = cpu().aes && cpu().sse42;
}

uint64_t map_seed() {
  require_booted("map");
  if (hashkey[0] == 0) throw_("map: alginit has not run");
  return seam_draw();
}

// Without a frame for up to 16 bytes, which is what most keys have. Not for processors without AES: the first branch,
// and what it calls was compiled for any.
[[gnu::target("aes,sse4.1")]] uint64_t memhash(const void* data, size_t bytes, uint64_t seed) {
  if (!use_aeshash) [[unlikely]] return xxhash(data, bytes, seed);
  const auto* const p = static_cast<const uint8_t*>(data);
  if (bytes > 16) return aeshash_of_more(p, bytes, seed);
  const __m128i state = _mm_xor_si128(first_state(bytes, seed), short_block(p, bytes));
  return finished(_mm_aesenc_si128(state, key(6)));
}

}  // namespace reprise::rt
