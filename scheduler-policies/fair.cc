// First in, first out with seeded slices.
//
// Why two lengths of slice: the logged value of a preempt decision is its length, so a distribution
// with one likely value costs under two bits in a compressed trace, where a uniform one costs six.
#include "scheduler-policies/fair.h"

#include "runtime/seam/default_choice.h"

namespace reprise::seam {

bool FairPolicy::begin_run(const RunInfo& info) {
  rng_ = Rng(seed_, info.run);
  return true;
}

size_t FairPolicy::choose(const Decision& decision) {
  if (decision.kind == DecisionKind::select) return rng_.below(decision.candidates.size());
  return default_choice(decision);
}

uint64_t FairPolicy::draw(const Decision& decision) {
  if (decision.kind != DecisionKind::preempt) return rng_.next();
  if (rng_.below(kShortSliceOneIn) != 0) return kLongSlice;
  return 1 + rng_.below(kShortSliceMax);
}

}  // namespace reprise::seam
