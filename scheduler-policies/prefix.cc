// Following. Preemptions inside computations are not decisions of the seam and are the inner policy's throughout.
#include "scheduler-policies/prefix.h"

#include <algorithm>

#include "runtime/seam/default_choice.h"

namespace reprise::seam {

bool PrefixPolicy::begin_run(const RunInfo& info) {
  left_ = given_;
  if (control_ != nullptr) {
    left_ = {tape::prefix_of(*control_), std::min(control_->forks.prefix, tape::kMostPrefix)};
  }
  return inner_->begin_run(info);
}

const tape::Record* PrefixPolicy::next(DecisionKind kind) {
  if (left_.empty()) return nullptr;
  const tape::Record* record = &left_.front();
  const bool fits = record->kind == tape::kFirstDecision + static_cast<uint16_t>(kind);
  left_ = fits ? left_.subspan(1) : std::span<const tape::Record>();
  return fits ? record : nullptr;
}

size_t PrefixPolicy::choose(const Decision& decision) {
  if (const tape::Record* record = next(decision.kind)) {
    const size_t index = decode_choice(decision, record->value);
    if (index == kDefault || index < decision.candidates.size()) return index;
    left_ = {};
  }
  return inner_->choose(decision);
}

uint64_t PrefixPolicy::draw(const Decision& decision) {
  if (decision.kind != DecisionKind::interrupt) {
    const tape::Record* record = next(decision.kind);
    if (record != nullptr && record->value != 0) return static_cast<uint64_t>(record->value);
  }
  return inner_->draw(decision);
}

}  // namespace reprise::seam
