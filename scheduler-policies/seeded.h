// What the built-in policies share: a seed, random numbers that each run starts anew, and being asked at every step.
//
// A run is a function of (seed, RunInfo), never of the runs before it, so that any run can be made again
// alone. Thread safety and ownership: Policy's.
#pragma once

#include "runtime/seam/policy.h"
#include "scheduler-policies/rng.h"

namespace reprise::seam {

// A number that is drawn when it is first looked at, and again after it was dropped.
struct Priority {
  uint64_t value = 0;
  bool drawn = false;

  uint64_t of(Rng& rng) {
    if (!drawn) *this = {rng.next(), true};
    return value;
  }
  void drop() { drawn = false; }
};

class SeededPolicy : public Policy {
 public:
  explicit SeededPolicy(uint64_t seed) : seed_(seed), rng_(seed) {}

  bool begin_run(const RunInfo& info) override {
    rng_ = Rng(seed_, info.run);
    return true;
  }
  void executed(const Event&) override {}
  void end_run(const Outcome&) override {}

 protected:
  const uint64_t seed_;
  Rng rng_;
};

// One that is asked who goes next at every scheduling point.
class StepwisePolicy : public SeededPolicy {
 public:
  using SeededPolicy::SeededPolicy;

  uint64_t draw(const Decision& decision) final {
    return decision.kind == DecisionKind::preempt ? 1 : rng_.next();
  }
};

}  // namespace reprise::seam
