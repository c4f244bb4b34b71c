// How a call that libc makes comes to the simulated world.
//
// In a controlled run the stage traps all calls, and sends those that the world wants to
// reprise_simulated_call (asm/preempt.h). In a program started directly, whose world an exploration has
// opened, this process has the kernel dispatch its calls to a handler of ours, which does the same; what the
// world does not want is made from there.
//
// Either way the call is served on the stack of the code that made it, with all its registers kept, so that
// a goroutine can wait in it.
//
// Thread safety: the thread that opens the world, which is the only one that makes calls then. Sanitized
// builds do not dispatch: calls of libc's stay the kernel's there.
#pragma once

namespace reprise::sim {

void catch_calls();
// The kernel serves all calls again. Any stack; the way out of a program that dies.
void let_calls_go();

}  // namespace reprise::sim
