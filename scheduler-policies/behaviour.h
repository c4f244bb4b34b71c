// behaviour: a number for what a run does, the same for runs that differ in the order of independent steps.
//
// A decorator. Every access to an object counts with who makes it, as how manieth of its own, and which
// version of the object it meets; writes make new versions. The sum over all accesses identifies the
// partial order of the run (Mazurkiewicz), up to collisions of 64 bits: two runs have the same number if
// each read sees the same write and the writes of each object come in the same order.
//
// Thread safety: Policy's. Owns its inner policy. Memory grows with the objects and goroutines of one run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "scheduler-policies/footprint.h"

namespace reprise::seam {

class BehaviourPolicy final : public Policy {
 public:
  // *to is up to date at every moment: a run may end without warning. It outlives the policy.
  BehaviourPolicy(std::unique_ptr<Policy> inner, uint64_t* to) : inner_(std::move(inner)), to_(to) {}

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override { return inner_->draw(decision); }
  void executed(const Event& event) override;
  bool wants_events() const override { return true; }
  void end_run(const Outcome& outcome) override { inner_->end_run(outcome); }

 private:
  void note(const Transition& transition);

  std::unique_ptr<Policy> inner_;
  uint64_t* to_;
  Footprint footprint_;
  std::map<ObjectId, uint64_t> versions_;
  std::map<GoId, uint64_t> counts_;  // of accesses
};

}  // namespace reprise::seam
