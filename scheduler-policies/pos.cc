// A goroutine's entry is dropped when its operation runs or a conflicting one does, and drawn again
// when it is next offered.
#include "scheduler-policies/pos.h"

#include "scheduler-policies/footprint.h"

namespace reprise::seam {

bool PosPolicy::begin_run(const RunInfo& info) {
  SeededPolicy::begin_run(info);
  priorities_.clear();
  return true;
}

size_t PosPolicy::choose(const Decision& decision) {
  const auto candidates = decision.candidates;
  if (decision.kind != DecisionKind::run) return rng_.below(candidates.size());
  size_t best = 0;
  uint64_t highest = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const uint64_t priority = priorities_.at(candidates[i].goroutine).of(rng_);
    if (i != 0 && priority <= highest) continue;
    highest = priority;
    best = i;
  }
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (i == best || conflict(candidates[i].accesses, candidates[best].accesses)) {
      priorities_.at(candidates[i].goroutine).drop();
    }
  }
  return best;
}

}  // namespace reprise::seam
