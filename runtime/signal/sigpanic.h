// Faults of a goroutine's own code that are panics (reference: sigpanic, preparePanic, canpanic).
//
// Thread safety: on the thread that faulted, in its handler.
#pragma once

#include <signal.h>
#include <ucontext.h>

namespace reprise::rt {

// True: it is one, and the thread goes on in sigpanic(), as if the instruction had called it. False: the
// caller deals with the fault, nothing was changed.
bool prepare_sigpanic(int signal, const siginfo_t& info, ucontext_t* context);

}  // namespace reprise::rt
