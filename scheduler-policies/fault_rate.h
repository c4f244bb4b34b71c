// fault_rate: any policy, with faults as rare as they are in the world.
//
// A decorator. Whether a call fails is a decision like others, and most policies would let half of all calls
// fail. Here a decision of kind `fault` is answered without asking the inner policy: nothing happens, but for
// a given rate. Random numbers of its own, so that the inner policy's decisions are what they would be
// without faults. Not for a policy that counts schedules (exhaustive): it has to see them all.
//
// Thread safety: Policy's. Owns its inner policy.
#pragma once

#include <memory>
#include <utility>

#include "runtime/seam/policy.h"
#include "scheduler-policies/rng.h"

namespace reprise::seam {

class FaultRatePolicy final : public Policy {
 public:
  // rate: 0 never, 1 always.
  FaultRatePolicy(std::unique_ptr<Policy> inner, uint64_t seed, double rate);

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override { return inner_->draw(decision); }
  void executed(const Event& event) override { inner_->executed(event); }
  bool wants_events() const override { return inner_->wants_events(); }
  void end_run(const Outcome& outcome) override { inner_->end_run(outcome); }

 private:
  std::unique_ptr<Policy> inner_;
  const uint64_t seed_;
  const uint64_t threshold_;  // of 2^32
  Rng rng_;
};

}  // namespace reprise::seam
