// The policies' random numbers: xoshiro256** seeded by splitmix64 (Blackman and Vigna, "Scrambled
// linear pseudorandom number generators", 2021; algorithm in the public domain).
//
// A value type: the same seed gives the same numbers on every machine and in every version, because
// a schedule is named by its policy and seed. Not thread-safe; a policy owns its own.
#pragma once

#include <cstdint>

namespace reprise::seam {

class Rng {
 public:
  // Each (seed, stream) is a sequence of its own; stream is the index of a run.
  explicit Rng(uint64_t seed, uint64_t stream = 0);

  uint64_t next();

  // Uniform in [0, bound), without bias (Lemire, "Fast random integer generation in an interval",
  // 2019). REQUIRES: bound > 0.
  uint64_t below(uint64_t bound);

 private:
  uint64_t state_[4];
};

}  // namespace reprise::seam
