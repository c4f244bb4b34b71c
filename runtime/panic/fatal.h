// Ways to die: reports that end the process with status 2, and the signal that tells of overflows.
//
// Thread safety: any thread; the first report wins, a second one during it aborts.
#pragma once

#include <span>

#include "runtime/panic/traceback.h"
#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

// All goroutines are asleep: each with its wait reason and stack. g0.
[[noreturn]] void deadlock();
// Some goroutines wait for ever, while others could go on. g0.
[[noreturn]] void partial_deadlock();
// These goroutines can never run again, while others could go on: each with its wait reason, its stack and who made it. g0.
[[noreturn]] void stuck_goroutines(std::span<const G* const> stuck);
// A goroutine ran out of its stack; `at` is where, null for its saved context. Any stack but that one.
[[noreturn]] void stack_overflow(G* gp, const Registers* at = nullptr);

// SIGSEGV and SIGBUS on a stack of their own, one a thread.
void install_fault_handler();
void install_fault_stack(M* mp);
void remove_fault_stack(M* mp);

// std::terminate on a goroutine: an uncaught exception dies as a panic with its text.
void install_terminate_handler();

}  // namespace reprise::rt
