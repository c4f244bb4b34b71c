// First in, first out with seeded slices.
#include "scheduler-policies/fair.h"


namespace reprise::seam {

size_t FairPolicy::choose(const Decision& decision) {
  if (decision.kind == DecisionKind::select) return rng_.below(decision.candidates.size());
  return kDefault;
}

uint64_t FairPolicy::draw(const Decision& decision) {
  if (decision.kind == DecisionKind::interrupt) return kUnbounded;
  if (decision.kind != DecisionKind::preempt) return rng_.next();
  return 1 + rng_.below(kMaxTicks);
}

}  // namespace reprise::seam
