// random: every choice uniform among its candidates, from a seed.
//
// A slice ends at each tick with probability 1/2: the goroutine may change at every synchronisation
// point. Finds shallow order bugs quickly and has no bound on its miss
// probability for deep ones. Thread safety and ownership: Policy's.
#pragma once

#include "scheduler-policies/seeded.h"

namespace reprise::seam {

class RandomPolicy final : public SeededPolicy {
 public:
  explicit RandomPolicy(uint64_t seed) : SeededPolicy(seed) {}

  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override;
};

}  // namespace reprise::seam
