// preemption: few preemptions, everything else free.
//
// Musuvathi, Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded Programs", PLDI 2007.
// A goroutine runs until it waits or ends; who follows is open. At each of c steps the running one is
// preempted although it could go on. Many bugs need one or two preemptions.
//
// Deviations: the paper enumerates bound by bound; here c sweeps from 0 to 3 with the seed, and the steps and
// all choices are drawn uniformly. RunInfo::steps bounds the steps, or a power of two where nobody knows it.
// Thread safety: Policy's.
#pragma once

#include "scheduler-policies/bounded.h"

namespace reprise::seam {

inline constexpr size_t kMaxPreemptions = 3;

class PreemptionBoundedPolicy final : public BoundedPolicy<kMaxPreemptions> {
 public:
  using BoundedPolicy::BoundedPolicy;

  size_t choose(const Decision& decision) override;

 private:
  // Index of the goroutine that ran last, or the number of candidates if it cannot go on.
  size_t running(const Decision& decision) const;
};

}  // namespace reprise::seam
