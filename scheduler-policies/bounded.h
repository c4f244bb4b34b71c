// BoundedPolicy: a scheduler that is quiet but for a few drawn steps. What delay and preemption share.
//
// How many steps sweeps from 0 to the bound with the seed, because a budget of schedules is usually smaller than an
// enumeration by bounds, as the papers have it. Which ones is drawn uniformly: RunInfo::steps bounds them, or a
// power of two where nobody knows it. Thread safety: Policy's.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "scheduler-policies/seeded.h"

namespace reprise::seam {

template <size_t kMost>
class BoundedPolicy : public StepwisePolicy {
 public:
  using StepwisePolicy::StepwisePolicy;

  bool begin_run(const RunInfo& info) override {
    SeededPolicy::begin_run(info);
    count_ = (seed_ + info.run) % (kMost + 1);
    done_ = 0;
    last_goid_ = 0;
    const uint64_t steps = info.steps != 0 ? info.steps : uint64_t{1} << (5 + rng_.below(8));
    for (size_t i = 0; i < count_; ++i) steps_[i] = rng_.below(steps);
    std::sort(steps_.begin(), steps_.begin() + static_cast<std::ptrdiff_t>(count_));
    return true;
  }

 protected:
  // A drawn step has come that was not taken yet.
  bool due(const Decision& decision) const { return done_ < count_ && steps_[done_] <= decision.step; }
  void take() { ++done_; }

  uint64_t last_goid_ = 0;   // who was chosen last

 private:
  std::array<uint64_t, kMost> steps_ = {};  // ascending, count_ of them
  size_t count_ = 0, done_ = 0;
};

}  // namespace reprise::seam
