// Logging of decisions.
//
// Invariant: what reaches the tape is exactly what the runtime acted on; a policy whose index is out
// of range is stopped here, before its answer is logged.
#include "replay/recorder.h"

#include <cstdio>

#include "replay/decision_check.h"
#include "runtime/seam/default_choice.h"
#include "runtime/seam/policy_memory.h"

namespace reprise::replay {

RecordingPolicy::RecordingPolicy(const stage::Table& table, std::unique_ptr<seam::Policy> inner)
    : table_(table), inner_(std::move(inner)) {}

bool RecordingPolicy::begin_run(const seam::RunInfo& info) {
  const seam::PolicyMemory memory;
  return inner_->begin_run(info);
}

size_t RecordingPolicy::choose(const seam::Decision& decision) {
  size_t index;
  {
    const seam::PolicyMemory memory;
    index = inner_->choose(decision);
  }
  if (index == kDefault) {
    table_.note(record_kind(decision.kind), decision_check(decision), 0);
    return kDefault;
  }
  if (index >= decision.candidates.size()) {
    char text[160];
    snprintf(text, sizeof text, "the policy chose %zu of %zu candidates of a %s decision at step %llu",
             index, decision.candidates.size(), name_of(decision.kind),
             static_cast<unsigned long long>(decision.step));
    table_.fail(tape::Verdict::broken, text);
  }
  const int64_t code = seam::encode_choice(decision, index);
  table_.note(record_kind(decision.kind), decision_check(decision), code);
  return code == 0 ? kDefault : index;  // as a replay will have it
}

uint64_t RecordingPolicy::draw(const seam::Decision& decision) {
  uint64_t value;
  {
    const seam::PolicyMemory memory;
    value = inner_->draw(decision);
  }
  // Where a computation is preempted is recorded when it happens.
  if (decision.kind == seam::DecisionKind::interrupt) return value;
  table_.note(record_kind(decision.kind), decision_check(decision), static_cast<int64_t>(value));
  return value;
}

void RecordingPolicy::executed(const seam::Event& event) {
  const seam::PolicyMemory memory;
  inner_->executed(event);
}

void RecordingPolicy::end_run(const seam::Outcome& outcome) {
  const seam::PolicyMemory memory;
  inner_->end_run(outcome);
}

}  // namespace reprise::replay
