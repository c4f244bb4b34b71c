// A trace of a failing schedule: the test program is started again under `reprise record` with REPRISE_REPLAY,
// and makes just that schedule there (repeat_recorded, child.h).
//
// Thread safety: one at a time. Called in the parent of an exploration; waits for the program.
#pragma once

#include <reprise/explore.h>

namespace reprise::testing {

// Records the schedule of failure->file beside it. failure->trace is its path, or failure->trace_trouble says in
// a line why there is none.
void record_trace(const ExploreOptions& options, Failure* failure);

}  // namespace reprise::testing
