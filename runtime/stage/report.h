// How a run ends that the stage ends itself: verdict and message go to the control page, the
// parent turns them into a line and a status.
#pragma once

#include <signal.h>

#include "runtime/stage/call.h"
#include "runtime/stage/stage.h"

namespace reprise::stage {

// Ends the process with this verdict. Any thread; the baton is not needed.
[[noreturn]] void fail(Verdict verdict, const char* message);

// Replay: what the program does is not what the tape has next.
[[noreturn]] void diverge(const Thread& t, const Call& call, const Record* expected);
// The same for an event that is not a system call.
[[noreturn]] void diverge(const Thread& t, uint16_t kind, uint32_t check, const Record* expected);
// The same for a fault that ends the program at `ip`.
[[noreturn]] void diverge(const Thread& t, int signal, const siginfo_t* info, uint64_t ip, const Record* expected);

// A call, or a use of one, that the World does not model. `detail` says which use, or is null.
[[noreturn]] void unmodelled(const Thread& t, const Call& call, const char* detail);

// A thread computes for ever at `call.ip`, while others wait. `waiting` says who.
[[noreturn]] void stuck(const Thread& t, const Call& call, const char* waiting);

// Replay: control->until_event is next. `call` is null for an event that is not a system call.
[[noreturn]] void reached(const Thread& t, const Call* call);

// Name of a system call or of another record kind.
const char* kind_name(uint32_t kind);

}  // namespace reprise::stage
