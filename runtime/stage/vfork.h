// Children of vfork and posix_spawn: they run in their parent's memory until they execute another
// program or end, while the parent's thread stands still.
//
// What such a child does to memory the parent sees, so until then it is a thread of the tape like
// any other, with a block, a gate and records of its own. Live it is a process with the parent's
// memory, as it asked to be; in replay it is a thread, whose end is where the child's execve
// succeeded. The program that it executes is off the tape.
//
// Thread safety: all of it under the baton, which goes from the parent to the child and back
// without being put down: the child keeps it through calls that block.
#pragma once

#include "runtime/stage/call.h"

namespace reprise::stage {

// clone with these flags makes such a child; others get a copy of memory or are threads.
bool is_vfork(long flags);

// The parent's call.
long vfork_child(Thread& t, Call& call, long flags);

// The child's calls. REQUIRES: t.vforked.
long vforked_exec(Thread& t, const Call& call);
// It ends by exit, or of a signal that it deserved; live that is still to be done, and a replay does
// not come back.
void vforked_ends(Thread& t);
// Replay: the child ends here if the recorded one was killed here, from outside.
void vforked_may_be_killed(Thread& t);

}  // namespace reprise::stage
