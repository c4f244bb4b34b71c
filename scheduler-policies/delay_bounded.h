// delay: a deterministic scheduler that is disturbed a few times.
//
// Emmi, Qadeer, Rakamaric, "Delay-Bounded Scheduling", POPL 2011. Undisturbed, a goroutine runs until it
// waits or ends, and the next in order of id follows. At each of d steps the one whose turn it is is passed
// over. Most bugs need very few delays, and with few there are few schedules, whatever the number of
// goroutines.
//
// Deviations: the paper enumerates all schedules with at most d delays; here d sweeps from 0 to 4 with the
// seed and the steps are drawn, because a budget of schedules is usually smaller than the enumeration.
// RunInfo::steps bounds them, or a power of two where nobody knows it. Selects, wakes, timers and polls take
// the first candidate, and a delay may fall on them too. Thread safety: Policy's.
#pragma once

#include "scheduler-policies/bounded.h"

namespace reprise::seam {

inline constexpr size_t kMaxDelays = 4;

class DelayBoundedPolicy final : public BoundedPolicy<kMaxDelays> {
 public:
  using BoundedPolicy::BoundedPolicy;

  size_t choose(const Decision& decision) override;

 private:
  size_t undisturbed(const Decision& decision) const;
};

}  // namespace reprise::seam
