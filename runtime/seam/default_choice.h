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

// 0 for the default, else index + 1. `index` must be in range.
int64_t encode_choice(const Decision& decision, size_t index);

// The index that `code` stands for; candidates.size() if it stands for none of them.
size_t decode_choice(const Decision& decision, int64_t code);

}  // namespace reprise::seam
