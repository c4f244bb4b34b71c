// Wires policies and replay together for a controlled program: the one place that knows both.
//
// Linked into every program. A policy is asked while recording and not in replay, and nothing of the
// program may show the difference, so everything here has its own memory: the objects lie in the
// policies' arena, made by the same calls in both modes (a user's policy is loaded in replay too:
// loading makes system calls and mappings), and every question is asked on a stack of its own.
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include "asm/asm.h"
#include "replay/follower.h"
#include "replay/recorder.h"
#include "runtime/seam/catalog.h"
#include "runtime/seam/fault_set.h"
#include "runtime/seam/policy_memory.h"
#include "runtime/seam/side.h"
#include "scheduler-policies/behaviour.h"
#include "scheduler-policies/fair_suffix.h"
#include "scheduler-policies/fault_rate.h"
#include "scheduler-policies/prefix.h"
#include "scheduler-policies/steered.h"
#include "tools/wiring/observer.h"
#include "tools/wiring/stand_in.h"

namespace reprise::seam {
namespace {

// A stack for questions to the policy.
class Apart {
 public:
  // Runs f there.
  template <class F>
  auto operator()(F f) {
    using Result = decltype(f());
    struct Call {
      F* function;
      Result result;
    } call{&f, {}};
    reprise_call_on_stack(stack_.get() + kStackBytes, [](void* arg) {
      auto* const c = static_cast<Call*>(arg);
      c->result = (*c->function)();
    }, &call);
    return call.result;
  }

 private:
  static constexpr size_t kStackBytes = 512 << 10;
  std::unique_ptr<std::byte[]> stack_{new std::byte[kStackBytes]};
};

tape::SideArea* side_of(const stage::Table& table) {
  return tape::side_bytes(table.control) != 0 ? reinterpret_cast<tape::SideArea*>(tape::kSideBase) : nullptr;
}

class Wired final : public Policy {
 public:
  Wired(const stage::Table& table, std::unique_ptr<Policy> policy)
      : observer_(table, side_of(table)),
        observed_(observer_.on()),
        recording_(table, std::move(policy)),
        follow_(table),
        active_(table.mode() == tape::Mode::replay ? static_cast<Policy*>(&follow_) : &recording_) {}

  bool begin_run(const RunInfo& info) override {
    return apart_([&] {
      if (observed_) observer_.begin();
      return active_->begin_run(info);
    });
  }
  size_t choose(const Decision& decision) override {
    return apart_([&] {
      Decision asked = decision;
      asked.candidates.keep_in(&candidates_);
      const size_t answer = active_->choose(asked);
      if (observed_) observer_.chosen(asked, answer);
      return answer;
    });
  }
  uint64_t draw(const Decision& decision) override {
    // Asked in a signal handler, on a stack that is not the program's either. To leave that would tell
    // the kernel that it is free for the next signal.
    if (decision.kind == DecisionKind::interrupt) return active_->draw(decision);
    return apart_([&] {
      const uint64_t value = active_->draw(decision);
      if (observed_) observer_.drawn(decision, value);
      return value;
    });
  }
  void executed(const Event& event) override {
    apart_([&] {
      if (observed_) observer_.executed(event);
      return active_->executed(event), true;
    });
  }
  bool wants_events() const override { return observed_ || recording_.wants_events(); }
  void end_run(const Outcome& outcome) override {
    apart_([&] {
      if (observed_) observer_.ended(outcome);
      return active_->end_run(outcome), true;
    });
  }

 private:
  Apart apart_;
  Observer observer_;
  const bool observed_;
  replay::RecordingPolicy recording_;
  replay::FollowPolicy follow_;
  Policy* active_;
  CandidateRoom candidates_;
};

// Null but in a fork server, whose runs are explored.
tape::Forks* forks_of(const stage::Table& table) {
  const bool known = table.bytes >= offsetof(stage::Table, forks) + sizeof table.forks;
  return known ? table.forks : nullptr;
}

// The deviations lie in the side area, of which the catalog knows nothing.
std::unique_ptr<Policy> policy_of(const stage::Table& table, std::string* error) {
  const tape::Control& control = *table.control;
  if (std::string_view(control.policy) != "steered") return make_policy(control.policy, control.seed, error);
  const tape::SideArea* side = side_of(table);
  if (side == nullptr) return std::make_unique<SteeredPolicy>();
  return std::make_unique<SteeredPolicy>(*side);
}

// An exhaustive search has to see all faults, and deviations say which there are.
bool rates_faults(const tape::Control& control) {
  const std::string_view policy = control.policy;
  return faults_of(control.options) != 0 && policy != "exhaustive" && policy != "steered";
}

}  // namespace

std::unique_ptr<Policy> wire_policy(const stage::Table& table, std::string* error) {
  const PolicyMemory memory;
  std::unique_ptr<Policy> policy = policy_of(table, error);
  if (policy == nullptr) return nullptr;
  const tape::Control& control = *table.control;
  if (rates_faults(control)) {
    policy = std::make_unique<FaultRatePolicy>(std::move(policy), control.seed, fault_rate_of(control.options));
  }
  if (std::string_view(control.policy) != "steered") policy = std::make_unique<StandInPolicy>(std::move(policy));
  // With a side area it is steered runs that are served, and each is what it would be if it had been started anew.
  if (tape::Forks* forks = forks_of(table); forks != nullptr && side_of(table) == nullptr) {
    policy = std::make_unique<FairSuffixPolicy>(std::move(policy), forks->max_steps / 2);
    policy = std::make_unique<PrefixPolicy>(std::move(policy), control);
    policy = std::make_unique<BehaviourPolicy>(std::move(policy), &forks->behaviour);
  }
  return std::make_unique<Wired>(table, std::move(policy));
}

}  // namespace reprise::seam
