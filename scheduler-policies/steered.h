// steered: whoever runs goes on, and where it waits who waited longest follows, but for listed deviations.
//
// The default continuation that shrinking shrinks towards: nobody is preempted, every other choice is the
// first in line, and random bits are a function of who draws them. A list of deviations, keyed by
// goroutine and its own step (runtime/seam/own_steps.h), makes any other run of it; one that does not
// apply, because the run took another course, is passed over. First in line and not the lowest id, so that
// a loop which yields until another goroutine has done something ends.
//
// Thread safety: Policy's. The list belongs to the caller and is sorted (tape::before); it may be another one for
// each run.
#pragma once

#include <span>

#include "runtime/seam/own_steps.h"
#include "runtime/seam/policy.h"
#include "runtime/seam/side.h"

namespace reprise::seam {

class SteeredPolicy final : public Policy {
 public:
  explicit SteeredPolicy(std::span<const tape::Deviation> deviations = {}) : deviations_(deviations) {}
  // Reads the list that is there when a run begins.
  explicit SteeredPolicy(const tape::SideArea& area) : area_(&area) {}

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override;
  void executed(const Event& event) override;
  bool wants_events() const override { return true; }
  void end_run(const Outcome&) override {}

 private:
  const tape::Deviation* find(const OwnSteps::Key& key, DecisionKind kind) const;
  size_t wanted(const Decision& decision);
  uint64_t slice_of(GoId goroutine);
  bool is_held(GoId goroutine);

  const tape::SideArea* area_ = nullptr;
  std::span<const tape::Deviation> deviations_;
  OwnSteps steps_;
  const tape::Deviation* hold_ = nullptr;  // the first there is, until it is over
};

}  // namespace reprise::seam
