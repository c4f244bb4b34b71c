// StealOrder: each of n Ps once, in an order that a random number decides: from a random start in
// steps that are coprime to n.
//
// Random, so that thieves do not all press on the same victim; without memory, so that any number of
// Ps costs nothing. Thread safety: that of a plain value.
#pragma once

#include <cstdint>
#include <numeric>

namespace reprise::rt {

class StealOrder {
 public:
  // REQUIRES: n > 0.
  StealOrder(uint64_t random, uint32_t n)
      : n_(n),
        at_(static_cast<uint32_t>(random) % n),
        step_(static_cast<uint32_t>(random >> 32) % n + 1) {
    while (std::gcd(step_, n) != 1) step_ = step_ % n + 1;
  }

  // The first n calls give the n indices.
  uint32_t next() {
    const uint32_t at = at_;
    at_ = (at + step_) % n_;
    return at;
  }

 private:
  uint32_t n_;
  uint32_t at_;
  uint32_t step_;
};

}  // namespace reprise::rt
