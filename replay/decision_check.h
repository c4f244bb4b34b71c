// The 32-bit check that travels with each logged decision: two runs whose checks agree were asked
// the same question.
//
// A hash of kind, chooser, and the candidates' digest: everyone's goroutine and operation, or what the
// asker says instead (runtime/chan/wake.cc). Pure; any thread.
#pragma once

#include <cstdint>

#include "runtime/seam/decision.h"

namespace reprise::replay {

uint32_t decision_check(const seam::Decision& decision);

// Kind of the tape record that holds a decision of this kind.
uint32_t record_kind(seam::DecisionKind kind);

}  // namespace reprise::replay
