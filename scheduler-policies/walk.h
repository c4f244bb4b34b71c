// walk: the random walk of papers, uniform among all that could go on, at every scheduling point.
//
// Deviation from `random`, which lets the one that runs go on at half of the points: here it goes on with one
// chance in as many as could. Less good where a bug needs a goroutine to go on for some steps among many. Who is about to wait for
// a lock that is taken may be chosen too, and then waits: a choice that papers do not have, and that finds nothing. Thread safety:
// Policy's.
#pragma once

#include "scheduler-policies/seeded.h"

namespace reprise::seam {

class WalkPolicy final : public StepwisePolicy {
 public:
  using StepwisePolicy::StepwisePolicy;

  size_t choose(const Decision& decision) override { return rng_.below(decision.candidates.size()); }
};

}  // namespace reprise::seam
