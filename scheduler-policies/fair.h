// fair: first in, first out in slices, like Go's run queue. The default policy.
//
// The goroutine that became ready first runs first. A slice ends after 1 to 128 ticks, at a seeded
// place: one scheduling point in 64 on average, and any of them, so that a run under `fair` meets
// atomicity bugs with a small but real probability at every chance.
// Selects pick among ready cases at random, as Go's do. Thread safety and ownership: Policy's.
#pragma once

#include "scheduler-policies/seeded.h"

namespace reprise::seam {

class FairPolicy final : public SeededPolicy {
 public:
  static constexpr uint64_t kMaxTicks = 128;

  explicit FairPolicy(uint64_t seed) : SeededPolicy(seed) {}

  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override;
};

}  // namespace reprise::seam
