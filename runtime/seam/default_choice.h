// The deterministic default: first in, first out.
//
// Logs hold a choice as its deviation from this one, so that a fair run's choices are nearly all
// zero and compress to nothing, and so that shrinking has something to shrink towards. Pure
// functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/seam/decision.h"

namespace reprise::seam {

// The candidate that waited longest (least ready_step, then least index). A candidate that means
// "no more" (OpKind::stop) is the default only if nothing else is there.
// REQUIRES: decision.candidates is not empty.
size_t default_choice(const Decision& decision);

// What a policy answered, as an index: Policy::kDefault resolved, all else as it is.
size_t resolved(const Decision& decision, size_t answer);

// 0 for the default, else index + 1. `index` must be in range.
int64_t encode_choice(const Decision& decision, size_t index);

// The index that `code` stands for, Policy::kDefault for 0; candidates.size() if it stands for none.
size_t decode_choice(const Decision& decision, int64_t code);

}  // namespace reprise::seam
