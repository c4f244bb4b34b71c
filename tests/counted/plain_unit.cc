// A unit that is not counted, beside one that is.
#include "tests/counted/shared.h"

namespace counted_cases {

uint64_t plain_sum(const uint64_t* values, size_t count) { return weighted_sum(values, count); }

}  // namespace counted_cases
