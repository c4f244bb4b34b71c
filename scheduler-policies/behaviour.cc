// The sum over accesses. Invariant: it does not depend on the order of accesses to different objects by
// different goroutines, nor on the order of reads between two writes.
#include "scheduler-policies/behaviour.h"

#include <bit>

#include "runtime/seam/default_choice.h"

namespace reprise::seam {
namespace {

constexpr uint64_t kFault = 0x6661756c74;  // apart from accesses

constexpr uint64_t mix(uint64_t a, uint64_t b) {
  a = (a ^ b) * 0x9e3779b97f4a7c15;
  return (std::rotl(a, 29) ^ b) * 0xbf58476d1ce4e5b9;
}

}  // namespace

bool BehaviourPolicy::begin_run(const RunInfo& info) {
  footprint_.clear();
  versions_.clear();
  counts_.clear();
  *to_ = 0;
  return inner_->begin_run(info);
}

size_t BehaviourPolicy::choose(const Decision& decision) {
  const size_t answer = inner_->choose(decision);
  if (decision.kind == DecisionKind::run) {
    const size_t index = resolved(decision, answer);
    if (index < decision.candidates.size()) note(footprint_.chosen(decision.candidates[index]));
  } else if (decision.kind == DecisionKind::fault) {
    // What befell whom after how many of its own accesses: as much a part of the order as they are.
    if (const size_t index = resolved(decision, answer); index != 0) {
      *to_ += mix(mix(decision.chooser.lo, counts_[decision.chooser]), mix(kFault, index));
    }
  }
  return answer;
}

void BehaviourPolicy::executed(const Event& event) {
  if (const auto began = footprint_.executed(event)) note(*began);
  if (inner_->wants_events()) inner_->executed(event);
}

void BehaviourPolicy::note(const Transition& transition) {
  const GoId who = transition.goroutine;
  for (const Access& access : transition.operation.list()) {
    const uint64_t what = mix(access.object.name, access.object.offset);
    uint64_t& version = versions_[access.object];
    const uint64_t seen = mix(mix(mix(who.lo, ++counts_[who]), what), version);
    *to_ += seen;
    if (access.write) version = seen;
  }
}

}  // namespace reprise::seam
