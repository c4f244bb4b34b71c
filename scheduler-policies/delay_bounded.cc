// Round robin without preemption, with drawn delays. Ids ascend, so the next in order is the first with a
// greater id, and the first of all after the last.
#include "scheduler-policies/delay_bounded.h"

#include <algorithm>

namespace reprise::seam {

bool DelayBoundedPolicy::begin_run(const RunInfo& info) {
  SeededPolicy::begin_run(info);
  delays_ = (seed_ + info.run) % (kMaxDelays + 1);
  delays_done_ = 0;
  last_goid_ = 0;
  const uint64_t steps = info.steps != 0 ? info.steps : uint64_t{1} << (5 + rng_.below(8));
  for (size_t i = 0; i < delays_; ++i) delay_steps_[i] = rng_.below(steps);
  std::sort(delay_steps_.begin(), delay_steps_.begin() + static_cast<std::ptrdiff_t>(delays_));
  return true;
}

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
  for (; delays_done_ < delays_ && delay_steps_[delays_done_] <= decision.step; ++delays_done_) {
    index = (index + 1) % decision.candidates.size();
  }
  if (decision.kind == DecisionKind::run) last_goid_ = decision.candidates[index].goid;
  return index;
}

uint64_t DelayBoundedPolicy::draw(const Decision& decision) {
  return decision.kind == DecisionKind::preempt ? 1 : rng_.next();
}

}  // namespace reprise::seam
