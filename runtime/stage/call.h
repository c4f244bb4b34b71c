// One system call of the program on its way through the stage.
#pragma once

#include <ucontext.h>

#include <cstdint>

#include "runtime/stage/thread.h"

namespace reprise::stage {

struct Call {
  long nr;
  long args[6];
  ucontext_t* context;  // registers of the trap; null for a direct call
  uint64_t ip;          // the instruction, for reports
  uint64_t sp;
  uint64_t check = 0;   // hash of number, arguments and input bytes
};

// Results that no kernel gives: -1 to -4095 are its errors, and below -4095 an error is none, but
// a call never answers -1024.
inline constexpr long kMustTrap = -1024;

// The program's own simulated world serves this call: it goes on there. Only for a trap.
inline constexpr long kSimulated = -1025;

// Performs a call: records it, or takes its result from the tape. The caller holds the baton, runs
// on the stage's stack, and still holds the baton afterwards.
//
// kMustTrap: nothing has happened yet. A signal is due before the call, or the call needs the
// registers of a trap (clone, rt_sigreturn, execve, ...). A direct call then executes a system call
// instruction of its own outside the stage's text, with the same number and arguments, and takes
// what that returns; only traps deliver signals.
long do_syscall(Thread& t, Call& call);

}  // namespace reprise::stage
