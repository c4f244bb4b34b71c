// SIGQUIT: every goroutine with its stack, those that run on other threads included; then the end.
//
// Thread safety: signal handlers. runtime/panic only.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include "runtime/panic/traceback.h"

namespace reprise::rt {

// Every goroutine but `except`, those that run on other threads included. REQUIRES: sched.dying is this
// thread's, and an alarm or the like ends a report that gets stuck.
void report_others(const G* except);

void on_quit(int signal, siginfo_t* info, void* ucontext);

// The registers that a traceback starts from: those at the signal.
Registers registers_of(const ucontext_t& context);

}  // namespace reprise::rt
