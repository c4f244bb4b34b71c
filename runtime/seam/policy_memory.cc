// The depth of policy calls. Apart from the allocator, so that policies and decorators can be tested
// without it.
#include "runtime/seam/policy_memory.h"

namespace reprise::seam {

constinit uint32_t policy_memory_depth = 0;
constinit int64_t ticks_before_policy = 0;
constinit volatile int64_t* policy_ticks = nullptr;

}  // namespace reprise::seam
