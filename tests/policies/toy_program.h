// A program small enough to reason about: N workers of K steps each on one processor, driven only by
// a policy. Its trace is the order of the steps; what a policy may decide is all it contains.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/seam/policy.h"

namespace reprise::seam {

struct ToyProgram {
  size_t workers = 3;
  uint64_t steps_each = 4;
  // Injected nondeterminism: in the run with this index (counted over all runs), worker 1 announces
  // another operation at its second step, or does one step less.
  std::optional<uint64_t> odd_operation_in_run = {};
  std::optional<uint64_t> short_worker_in_run = {};

  // State of the current run.
  uint64_t runs = 0;
  std::vector<uint64_t> left = {}, ready_step = {};

  // Returns the worker of each step, or nothing if the policy had nothing left to explore.
  std::vector<size_t> run(Policy& policy, RunInfo info = {});
  std::vector<Candidate> candidates() const;
};

}  // namespace reprise::seam
