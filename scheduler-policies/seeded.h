// SeededPolicy: what the built-in policies share, a seed and random numbers that each run starts anew.
//
// A run is a function of (seed, RunInfo), never of the runs before it, so that any run can be made again
// alone. Thread safety and ownership: Policy's.
#pragma once

#include "runtime/seam/policy.h"
#include "scheduler-policies/rng.h"

namespace reprise::seam {

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

}  // namespace reprise::seam
