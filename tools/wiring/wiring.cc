// Wires policies and replay together for a controlled program: the one place that knows both.
//
// Linked into every program. Record and replay run the same code here: the policy is made (and a
// user's loaded) in replay too, although its answers then come from the trace, because loading makes
// system calls and mappings, and those must be the recorded ones. Everything lies in the policies'
// memory, and what the runtime points to is allocated first: it has the same address in both.
#include <utility>

#include "replay/follower.h"
#include "replay/recorder.h"
#include "runtime/seam/catalog.h"
#include "runtime/seam/policy_memory.h"

namespace reprise::seam {
namespace {

class Wired final : public Policy {
 public:
  explicit Wired(const stage::Table& table) : follow_(table) {}

  // Null: follow the tape.
  void record(std::unique_ptr<replay::RecordingPolicy> recording) { recording_ = std::move(recording); }

  bool begin_run(const RunInfo& info) override { return active().begin_run(info); }
  size_t choose(const Decision& decision) override { return active().choose(decision); }
  uint64_t draw(const Decision& decision) override { return active().draw(decision); }
  void executed(const Event& event) override { active().executed(event); }
  bool wants_events() const override { return recording_ != nullptr && recording_->wants_events(); }
  void end_run(const Outcome& outcome) override { active().end_run(outcome); }

 private:
  Policy& active() {
    if (recording_ != nullptr) return *recording_;
    return follow_;
  }

  replay::FollowPolicy follow_;
  std::unique_ptr<replay::RecordingPolicy> recording_;
};

}  // namespace

std::unique_ptr<Policy> wire_policy(const stage::Table& table, std::string* error) {
  const PolicyMemory memory;
  const tape::Control& control = *table.control;
  auto wired = std::make_unique<Wired>(table);
  std::unique_ptr<Policy> policy = make_policy(control.policy, control.seed, error);
  if (policy == nullptr) return nullptr;
  if (table.mode() != tape::Mode::replay)
    wired->record(std::make_unique<replay::RecordingPolicy>(table, std::move(policy)));
  return wired;
}

}  // namespace reprise::seam
