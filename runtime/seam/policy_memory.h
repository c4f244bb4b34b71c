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

// Guarded by the baton; 0 whenever no policy runs, so that the program's data never shows it.
extern uint32_t policy_memory_depth;

// The counter of ticks, null if the program has no counted code.
extern volatile int64_t* policy_ticks;

class PolicyMemory {
 public:
  PolicyMemory() {
    ++policy_memory_depth;
    // A time slice that ends looks at the depth before it touches the counter.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (policy_ticks == nullptr) return;
    ticks_ = *policy_ticks;
    *policy_ticks = INT64_MAX;
  }
  ~PolicyMemory() {
    if (policy_ticks != nullptr) *policy_ticks = ticks_;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    --policy_memory_depth;
  }
  PolicyMemory(const PolicyMemory&) = delete;
  PolicyMemory& operator=(const PolicyMemory&) = delete;

 private:
  int64_t ticks_ = 0;
};

}  // namespace reprise::seam
