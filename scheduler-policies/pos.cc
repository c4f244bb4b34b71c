// A goroutine's entry is dropped when its operation runs or a conflicting one does, and drawn again
// when it is next offered.
#include "scheduler-policies/pos.h"

namespace reprise::seam {
namespace {

bool conflict(const Candidate& a, const Candidate& b) {
  for (const Access& x : a.accesses) {
    for (const Access& y : b.accesses) {
      if (x.object == y.object && (x.write || y.write)) return true;
    }
  }
  return false;
}

}  // namespace

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
    const auto [place, is_new] = priorities_.try_emplace(candidates[i].goroutine, 0);
    if (is_new) place->second = rng_.next();
    if (i != 0 && place->second <= highest) continue;
    highest = place->second;
    best = i;
  }
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (i == best || conflict(candidates[i], candidates[best])) {
      priorities_.erase(candidates[i].goroutine);
    }
  }
  return best;
}

uint64_t PosPolicy::draw(const Decision& decision) {
  return decision.kind == DecisionKind::preempt ? 1 : rng_.next();
}

}  // namespace reprise::seam
