// pct: random priorities with a few points at which the leader falls behind.
//
// Burckhardt, Kothari, Musuvathi, Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees
// of Finding Bugs", ASPLOS 2010. The ready goroutine of highest priority runs; at depth - 1 steps
// chosen at random the one that is running drops below all others. A bug that needs d ordering
// constraints shows with probability at least 1 / (n k^(d-1)) per run, for n goroutines, k steps, and
// depth >= d.
//
// Deviations: the depth is swept, 1 to kMaxDepth from run to run, unless it is given; k is
// RunInfo::steps, and where nobody knows it a power of two drawn from 2^5 to 2^16 in each run, which
// costs a factor of at most 12. Selects, wakes, timers and polls, which the paper does not know, are
// uniform. Thread safety: Policy's.
#pragma once

#include <array>
#include <cstdint>

#include "scheduler-policies/flat_map.h"
#include "scheduler-policies/seeded.h"

namespace reprise::seam {

class PctPolicy final : public StepwisePolicy {
 public:
  static constexpr size_t kMaxDepth = 5;

  // depth 0: swept. REQUIRES: depth <= kMaxDepth.
  explicit PctPolicy(uint64_t seed, size_t depth = 0)
      : StepwisePolicy(seed), fixed_depth_(depth) {}

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;

 private:
  uint64_t priority_of(GoId goroutine);
  size_t leader(const Decision& decision);

  size_t fixed_depth_;
  FlatMap<GoId, uint64_t> priorities_;  // 0: not drawn
  std::array<uint64_t, kMaxDepth> change_steps_ = {};  // ascending, depth - 1 of them
  size_t changes_ = 0;        // of those, how many there are
  size_t changes_done_ = 0;
};

}  // namespace reprise::seam
