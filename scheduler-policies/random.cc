// Uniform choices, geometric slices.
#include "scheduler-policies/random.h"

#include <bit>

namespace reprise::seam {

size_t RandomPolicy::choose(const Decision& decision) {
  return rng_.below(decision.candidates.size());
}

uint64_t RandomPolicy::draw(const Decision& decision) {
  const uint64_t bits = rng_.next();
  if (decision.kind != DecisionKind::preempt) return bits;
  return 1 + static_cast<uint64_t>(std::countr_zero(bits | uint64_t{1} << 63));
}

}  // namespace reprise::seam
