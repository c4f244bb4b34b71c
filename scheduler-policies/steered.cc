// Deviations from a default continuation.
//
// Invariant: how a question is answered is a function of the deviations and of the events before it. The
// run decision after a preemption is the first one at that own step, so one deviation holds both.
#include "scheduler-policies/steered.h"

#include <algorithm>

#include "runtime/seam/default_choice.h"
#include "runtime/seam/not_here.h"

namespace reprise::seam {

using tape::Deviation;

const Deviation* SteeredPolicy::find(const OwnSteps::Key& key, DecisionKind kind) const {
  Deviation wanted;
  wanted.goroutine = key.goroutine;
  wanted.own_step = key.own_step;
  wanted.kind = kind;
  wanted.nth = key.nth;
  const auto at = std::lower_bound(deviations_.begin(), deviations_.end(), wanted, tape::before);
  return at != deviations_.end() && !tape::before(wanted, *at) ? &*at : nullptr;
}

bool SteeredPolicy::begin_run(const RunInfo&) {
  steps_ = {};
  if (area_ != nullptr) deviations_ = {area_->deviation(), area_->deviations};
  const auto at = std::find_if(deviations_.begin(), deviations_.end(), [](const Deviation& d) { return d.holds; });
  hold_ = at != deviations_.end() ? &*at : nullptr;
  return true;
}

// A goroutine has done its own step when it comes to another point, waits, spawns or ends.
void SteeredPolicy::executed(const Event& event) {
  const uint64_t own_step = steps_.executed(event);
  if (hold_ == nullptr || event.kind == Event::Kind::wake || event.goroutine != hold_->chosen) return;
  const bool at_point = event.kind == Event::Kind::step;
  if (at_point ? own_step > hold_->value : own_step >= hold_->value) hold_ = nullptr;
}

bool SteeredPolicy::is_held(GoId goroutine) {
  return hold_ != nullptr && goroutine == hold_->goroutine && steps_.steps_of(goroutine) == hold_->own_step;
}

size_t SteeredPolicy::choose(const Decision& decision) {
  const size_t answer = wanted(decision);
  if (hold_ == nullptr || decision.kind != DecisionKind::run) return answer;
  if (!is_held(decision.candidates[resolved(decision, answer)].goroutine)) return answer;
  size_t best = answer;
  uint64_t best_step = UINT64_MAX;
  for (size_t i = 0; i < decision.candidates.size(); ++i) {
    const Candidate& candidate = decision.candidates[i];
    if (is_held(candidate.goroutine) || candidate.ready_step >= best_step) continue;
    best = i;
    best_step = candidate.ready_step;
  }
  return best;
}

size_t SteeredPolicy::wanted(const Decision& decision) {
  const Deviation* const found = find(steps_.key_of(decision), decision.kind);
  if (found == nullptr) return kDefault;
  if (decision.kind != DecisionKind::run && decision.kind != DecisionKind::wake) {
    return found->value < decision.candidates.size() ? found->value : kDefault;
  }
  for (size_t i = 0; i < decision.candidates.size(); ++i)
    if (decision.candidates[i].goroutine == found->chosen) return i;
  return kDefault;
}

// Until its next preemption is due, a goroutine is asked at every point; if none is, not again.
uint64_t SteeredPolicy::slice_of(GoId goroutine) {
  if (is_held(goroutine)) return 1;
  Deviation here;
  here.goroutine = goroutine;
  here.own_step = steps_.steps_of(goroutine);
  auto at = std::lower_bound(deviations_.begin(), deviations_.end(), here, tape::before);
  for (; at != deviations_.end() && at->goroutine == goroutine; ++at) {
    if (at->kind != DecisionKind::run || !(at->preempts || at->holds)) continue;
    if (at->holds && (hold_ != &*at || at->own_step == here.own_step)) continue;
    return at->own_step == here.own_step ? 1 : kNotHere;
  }
  return kUnbounded;
}

uint64_t SteeredPolicy::draw(const Decision& decision) {
  if (decision.kind == DecisionKind::interrupt) return kUnbounded;
  if (decision.kind == DecisionKind::preempt) return slice_of(decision.chooser);
  const OwnSteps::Key key = steps_.key_of(decision);
  if (const Deviation* const found = find(key, decision.kind)) return found->value;
  return OwnSteps::default_draw(key);
}

}  // namespace reprise::seam
