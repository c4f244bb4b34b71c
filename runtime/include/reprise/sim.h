// The simulated world, as a test sees it: whether there is one, and its crashes.
//
// A world is opened by ExploreOptions::world (<reprise/explore.h>) or by `reprise run --world simulated`; what
// it does and what it lacks is in runtime/sim/README.md.
//
// Thread safety: goroutines.
#pragma once

namespace reprise::sim {

// The calls of this program go to a simulated world.
bool active();

// The machine loses power and comes back: files and names are what was synced, and of what was not any part
// may be there too, as the policy draws. Files that were open are dead: calls on them fail with EIO. The
// goroutines of the program that "crashed" are the caller's business. REQUIRES: active().
void crash();

}  // namespace reprise::sim
