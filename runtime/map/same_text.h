// Whether two texts of one length are the same, in line for short ones: keys of maps mostly are, and the hash has
// seen to it that two which are compared mostly are the same, so nothing is won by stopping at a difference.
//
// Thread safety: as reading both.
#pragma once

#include <emmintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace reprise::rt {

template <class Word>
inline Word load_as(const char* p) {
  Word value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// Two words of each, which overlap unless there are exactly two. REQUIRES: sizeof(Word) <= n <= 2 * sizeof(Word).
template <class Word>
inline bool same_two_words(const char* a, const char* b, size_t n) {
  const size_t last = n - sizeof(Word);
  return ((load_as<Word>(a) ^ load_as<Word>(b)) | (load_as<Word>(a + last) ^ load_as<Word>(b + last))) == 0;
}

inline bool same_two_blocks(const char* a, const char* b, size_t n) {
  const auto equal = [&](size_t at) { return _mm_cmpeq_epi8(load_as<__m128i>(a + at), load_as<__m128i>(b + at)); };
  return _mm_movemask_epi8(_mm_and_si128(equal(0), equal(n - sizeof(__m128i)))) == 0xffff;
}

// False if they are longer than 32 bytes.
inline bool same_short_text(const char* a, const char* b, size_t n) {
  if (n > 32) return false;
  if (n > 16) return same_two_blocks(a, b, n);
  if (n >= 8) return same_two_words<uint64_t>(a, b, n);
  if (n >= 4) return same_two_words<uint32_t>(a, b, n);
  if (n >= 2) return same_two_words<uint16_t>(a, b, n);
  return n == 0 || *a == *b;
}

}  // namespace reprise::rt
