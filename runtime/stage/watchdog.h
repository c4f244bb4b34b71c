// The stage's half of the watchdog: names a loop that never gives way.
//
// Under the baton a thread that waits in a loop for another's store waits for ever. The parent sees
// that events stand still while a thread computes, and sends that thread tape::kWatchdogSignal;
// here the question is answered whether somebody else could have run. A long computation that keeps
// nobody waiting goes on.
#pragma once

#include <signal.h>

#include <cstdint>

namespace reprise::stage {

// Where the runtime of the program counts its runnable goroutines; null without one.
extern const uint64_t* volatile runnable_goroutines;

void on_watchdog(int signal, siginfo_t* info, void* context);

}  // namespace reprise::stage
