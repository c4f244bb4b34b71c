// A policy's third answer to a draw of ticks (Policy::draw, DecisionKind::preempt): whoever runs goes on for
// now, and the next tick asks again. For policies that know beforehand at which of a goroutine's own points
// it is to stop, but not after how many ticks of all goroutines that will be. A constant; any thread.
#pragma once

#include <cstdint>

namespace reprise::seam {

inline constexpr uint64_t kNotHere = 0;

}  // namespace reprise::seam
