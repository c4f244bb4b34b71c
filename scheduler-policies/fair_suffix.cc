// The suffix: who waited longest goes next, and gives way at every point. Draws other than slices stay the
// inner policy's, which may be asked for them at any time.
#include "scheduler-policies/fair_suffix.h"

namespace reprise::seam {

size_t FairSuffixPolicy::choose(const Decision& decision) {
  return decision.step >= after_ ? kDefault : inner_->choose(decision);
}

uint64_t FairSuffixPolicy::draw(const Decision& decision) {
  const bool fair = decision.step >= after_;
  if (fair && decision.kind == DecisionKind::preempt) return 1;
  if (fair && decision.kind == DecisionKind::interrupt) return kUnbounded;
  return inner_->draw(decision);
}

}  // namespace reprise::seam
