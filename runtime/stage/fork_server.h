// The fork server: a program is loaded and booted once, and every run is a child that starts from there.
//
// The parent (tools/fuzz) sets Control::forks.wanted. When the booted program comes to its fork point, before
// its first decision, the stage stays there and answers each request of the parent with a child, one at a
// time. A child goes on with the tape where the boot left it, so what lies on the ring when it has ended is
// the whole recording of a run that was never forked: a trace made of it replays as any other.
//
// A child keeps the process's name: to the program it is thread 0 with the thread id of the server, which
// signals to itself are turned from (own_thread_id). Everything of the server's that a child could change in
// shared memory (the control page) is put back before the next. The policy's memory is shared on purpose
// (memory.cc), so that a policy learns from run to run.
//
// Thread safety: under the baton. REQUIRES: the program has one thread.
#pragma once

#include "runtime/stage/thread.h"

namespace reprise::stage {

bool fork_server_wanted();

// Serves, and returns in each child. Returns at once where no server is wanted, and in replay.
void fork_point(Thread& t);

// What the kernel calls the thread that the program calls `tid`.
long own_thread_id(const Thread& t, long tid);

}  // namespace reprise::stage
