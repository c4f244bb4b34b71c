// Free switches where the running goroutine waits or ends, and a few drawn preemptions.
#include "scheduler-policies/preemption_bounded.h"

namespace reprise::seam {

size_t PreemptionBoundedPolicy::running(const Decision& decision) const {
  const auto& all = decision.candidates;
  size_t i = 0;
  while (i < all.size() && all[i].goid != last_goid_) ++i;
  return i;
}

size_t PreemptionBoundedPolicy::choose(const Decision& decision) {
  const size_t count = decision.candidates.size();
  if (decision.kind != DecisionKind::run) return rng_.below(count);
  size_t index = running(decision);
  if (index == count) {
    index = rng_.below(count);
  } else if (due(decision)) {
    take();
    index = (index + 1 + rng_.below(count - 1)) % count;
  }
  last_goid_ = decision.candidates[index].goid;
  return index;
}

}  // namespace reprise::seam
