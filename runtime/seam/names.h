// Names that survive other schedules: how they are made.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>

#include "runtime/seam/decision.h"

namespace reprise::seam {

// Two rounds of the finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of the input
// reaches every bit of the result.
constexpr uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// The name of a goroutine's `index`-th child.
constexpr GoId child_name(GoId parent, uint64_t index) {
  const uint64_t a = mix(parent.hi + 0x9e3779b97f4a7c15 * (index + 1));
  const uint64_t b = mix(parent.lo ^ a);
  return {mix(a ^ (b + 0x3c6ef372fe94f82a)), b};
}

// The name of a goroutine's `index`-th object.
constexpr ObjectId object_name(GoId maker, uint64_t index) {
  return {mix(maker.hi ^ mix(maker.lo + 0x9e3779b97f4a7c15 * (index + 1))), 0};
}

}  // namespace reprise::seam
