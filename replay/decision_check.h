// The 32-bit check that travels with each logged decision: two runs whose checks agree were asked
// the same question.
//
// A hash of kind, chooser, and every candidate's goroutine and operation. Pure; any thread.
#pragma once

#include <cstdint>

#include "runtime/seam/decision.h"

namespace reprise::replay {

uint32_t decision_check(const seam::Decision& decision);

// Kind of the tape record that holds a decision of this kind.
uint32_t record_kind(seam::DecisionKind kind);

}  // namespace reprise::replay
