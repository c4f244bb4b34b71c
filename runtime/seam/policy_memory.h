// Where a policy's memory comes from: an arena of its own.
//
// A policy that is asked while recording is not asked in replay, so its allocations must not move
// anything else's addresses. Whoever calls a policy, constructs it or destroys it does so inside a
// PolicyMemory; runtime/mem/program_malloc.cc looks at the depth. Nests. Outside controlled modes it
// changes nothing. Called on g0, under the baton.
//
// For the same reason a policy does not count: where it runs counted code (a template that the linker took
// from a counted unit) its ticks are those of nobody.
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::seam {

// Guarded by the baton; 0 whenever no policy runs, so that the program's data never shows them.
extern uint32_t policy_memory_depth;
extern int64_t ticks_before_policy;  // not in PolicyMemory: on a stack the value would stay, and a replay has another one

// The counter of ticks, null if the program has no counted code.
extern volatile int64_t* policy_ticks;

class PolicyMemory {
 public:
  PolicyMemory() {
    const bool outermost = policy_memory_depth++ == 0;
    // A time slice that ends looks at the depth before it touches the counter.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (policy_ticks == nullptr || !outermost) return;
    ticks_before_policy = *policy_ticks;
    *policy_ticks = INT64_MAX;
  }
  ~PolicyMemory() {
    if (policy_ticks != nullptr && policy_memory_depth == 1) {
      *policy_ticks = ticks_before_policy;
      ticks_before_policy = 0;
    }
    std::atomic_signal_fence(std::memory_order_seq_cst);
    --policy_memory_depth;
  }
  PolicyMemory(const PolicyMemory&) = delete;
  PolicyMemory& operator=(const PolicyMemory&) = delete;
};

}  // namespace reprise::seam
