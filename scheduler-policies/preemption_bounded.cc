// Free switches where the running goroutine waits or ends, and a few drawn preemptions.
#include "scheduler-policies/preemption_bounded.h"

#include <algorithm>

namespace reprise::seam {

bool PreemptionBoundedPolicy::begin_run(const RunInfo& info) {
  SeededPolicy::begin_run(info);
  preemptions_ = (seed_ + info.run) % (kMaxPreemptions + 1);
  done_ = 0;
  last_goid_ = 0;
  const uint64_t steps = info.steps != 0 ? info.steps : uint64_t{1} << (5 + rng_.below(8));
  for (size_t i = 0; i < preemptions_; ++i) preempt_steps_[i] = rng_.below(steps);
  std::sort(preempt_steps_.begin(), preempt_steps_.begin() + static_cast<std::ptrdiff_t>(preemptions_));
  return true;
}

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
  const bool due = done_ < preemptions_ && preempt_steps_[done_] <= decision.step;
  if (index == count) {
    index = rng_.below(count);
  } else if (due) {
    ++done_;
    index = (index + 1 + rng_.below(count - 1)) % count;
  }
  last_goid_ = decision.candidates[index].goid;
  return index;
}

uint64_t PreemptionBoundedPolicy::draw(const Decision& decision) {
  return decision.kind == DecisionKind::preempt ? 1 : rng_.next();
}

}  // namespace reprise::seam
