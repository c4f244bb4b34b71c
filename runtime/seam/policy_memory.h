// Where a policy's memory comes from: an arena of its own.
//
// A policy that is asked while recording is not asked in replay, so its allocations must not move
// anything else's addresses. Whoever calls a policy, constructs it or destroys it does so inside a
// PolicyMemory; runtime/mem/program_malloc.cc looks at the depth. Nests. Outside controlled modes it
// changes nothing. Called on g0, under the baton.
#pragma once

#include <cstdint>

namespace reprise::seam {

// Guarded by the baton; 0 whenever no policy runs, so that the program's data never shows it.
extern uint32_t policy_memory_depth;

class PolicyMemory {
 public:
  PolicyMemory() { ++policy_memory_depth; }
  ~PolicyMemory() { --policy_memory_depth; }
  PolicyMemory(const PolicyMemory&) = delete;
  PolicyMemory& operator=(const PolicyMemory&) = delete;
};

}  // namespace reprise::seam
