// Priorities are 64 bits: those drawn at a goroutine's first sight have the top bit set, those given at
// the i-th change point are depth - i, so every fallen one is below every one that has not fallen, and
// the later it fell the lower it is.
#include "scheduler-policies/pct.h"

#include <algorithm>

namespace reprise::seam {

bool PctPolicy::begin_run(const RunInfo& info) {
  SeededPolicy::begin_run(info);
  priorities_.clear();
  // With a run a process the seed must sweep the depth as well.
  const size_t depth = fixed_depth_ != 0 ? fixed_depth_ : 1 + (seed_ + info.run) % kMaxDepth;
  const uint64_t k = info.steps != 0 ? info.steps : uint64_t{1} << (5 + rng_.below(12));
  changes_ = depth - 1;
  changes_done_ = 0;
  for (size_t i = 0; i < changes_; ++i) change_steps_[i] = rng_.below(k);
  std::sort(change_steps_.begin(), change_steps_.begin() + static_cast<std::ptrdiff_t>(changes_));
  return true;
}

uint64_t PctPolicy::priority_of(GoId goroutine) {
  uint64_t& priority = priorities_.at(goroutine);
  if (priority == 0) priority = rng_.next() | uint64_t{1} << 63;
  return priority;
}

size_t PctPolicy::leader(const Decision& decision) {
  size_t best = 0;
  uint64_t highest = 0;
  for (size_t i = 0; i < decision.candidates.size(); ++i) {
    const uint64_t priority = priority_of(decision.candidates[i].goroutine);
    if (priority <= highest) continue;
    highest = priority;
    best = i;
  }
  return best;
}

size_t PctPolicy::choose(const Decision& decision) {
  if (decision.kind != DecisionKind::run) return rng_.below(decision.candidates.size());
  while (changes_done_ < changes_ && change_steps_[changes_done_] <= decision.step) {
    const GoId falls = decision.candidates[leader(decision)].goroutine;
    priorities_.at(falls) = changes_ - changes_done_++;
  }
  return leader(decision);
}

}  // namespace reprise::seam
