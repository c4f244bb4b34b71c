// Round robin without preemption, with drawn delays. Ids ascend, so the next in order is the first with a
// greater id, and the first of all after the last.
#include "scheduler-policies/delay_bounded.h"

namespace reprise::seam {

size_t DelayBoundedPolicy::undisturbed(const Decision& decision) const {
  if (decision.kind != DecisionKind::run) return 0;
  const auto& all = decision.candidates;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].goid >= last_goid_) return i;
  }
  return 0;
}

size_t DelayBoundedPolicy::choose(const Decision& decision) {
  size_t index = undisturbed(decision);
  for (; due(decision); take()) index = (index + 1) % decision.candidates.size();
  if (decision.kind == DecisionKind::run) last_goid_ = decision.candidates[index].goid;
  return index;
}

}  // namespace reprise::seam
