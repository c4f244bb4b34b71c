// Wires policies and replay together for a controlled program: the one place that knows both.
//
// Linked into every program. A user's policy is loaded in replay too, although its answers then come
// from the trace: loading makes system calls and mappings, and those must be the recorded ones.
#include "replay/follower.h"
#include "replay/recorder.h"
#include "runtime/seam/catalog.h"

namespace reprise::seam {

std::unique_ptr<Policy> wire_policy(const stage::Table& table, std::string* error) {
  const tape::Control& control = *table.control;
  std::unique_ptr<Policy> policy = make_policy(control.policy, control.seed, error);
  if (policy == nullptr) return nullptr;
  if (table.mode() == tape::Mode::replay) return std::make_unique<replay::FollowPolicy>(table);
  return std::make_unique<replay::RecordingPolicy>(table, std::move(policy));
}

}  // namespace reprise::seam
