// pos: partial order sampling, a random priority for every operation.
//
// Yuan, Yang, Gu, "Partial Order Aware Concurrency Sampling", CAV 2018. The ready operation of highest
// priority runs; then those that conflict with it (same object, one of the two writes) draw anew. So
// every order of two conflicting operations stays likely however many independent ones lie between.
//
// Deviation: an operation without announced accesses (a start, a resumption) conflicts with none.
// Selects, wakes, timers and polls are uniform. Thread safety and ownership: Policy's.
#pragma once

#include <cstdint>

#include "scheduler-policies/flat_map.h"
#include "scheduler-policies/seeded.h"

namespace reprise::seam {

class PosPolicy final : public StepwisePolicy {
 public:
  explicit PosPolicy(uint64_t seed) : StepwisePolicy(seed) {}

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;

 private:
  FlatMap<GoId, Priority> priorities_;  // of the operation that the goroutine is about to do
};

}  // namespace reprise::seam
