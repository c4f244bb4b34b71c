// random: every choice uniform among its candidates, from a seed.
//
// A slice ends at each tick with probability 1/2: the goroutine may change at every synchronisation
// point. Finds shallow order bugs quickly and has no bound on its miss
// probability for deep ones. Thread safety and ownership: Policy's.
#pragma once

#include "runtime/seam/policy.h"
#include "scheduler-policies/rng.h"

namespace reprise::seam {

class RandomPolicy final : public Policy {
 public:
  explicit RandomPolicy(uint64_t seed) : seed_(seed), rng_(seed) {}

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override;
  void executed(const Event&) override {}
  void end_run(const Outcome&) override {}

 private:
  uint64_t seed_;
  Rng rng_;
};

}  // namespace reprise::seam
