// Preemption of counted code, recorded and replayed to the instruction.
//
// Counted code (runtime/sched/counted.h) decrements a counter at every function entry and on every loop
// back edge: a *tick*. Ticks so far and the program counter name a point of the run, because between two
// ticks an instruction is executed once (tape::PreemptKey says what is added where that is not so).
//
// A tick that finds the counter used up goes where TickPage::slow says (asm/tick_page.h): to a `hlt`, and
// so to the stage; in a replay, where it may only have to plant a byte, straight to the stage. Nothing is written
// to the program's stack, not even a return address, so that a replay, which must stop at ticks where the recording
// did not, leaves no trace.
//
// Live, the policy says when: so many ticks from now and so many instructions further, or when a time
// slice ends. Where the code that runs then cannot be preempted (libc, the runtime, the stage), the next
// tick of code that can stands in. Preempting is one thing in all cases: the interrupted address is
// pushed below the red zone, the goroutine goes on in CountedCode::preempt, and a kPreempt record says
// where it was. In replay the next record is looked at before the program goes on. If it is a kPreempt,
// the counter is set to run out at its tick, there a byte that raises SIGSEGV (`hlt`) is planted at its
// instruction, and whoever comes by with the recorded registers is preempted.
//
// Thread safety: all of it under the baton, but on_slice(), which touches nothing while the stage runs.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include "runtime/stage/abi.h"
#include "runtime/stage/thread.h"

namespace reprise::stage {

// SIGSEGV, first of all: true if it is a tick or a planted byte, and dealt with.
bool preempt_halted(Thread& t, ucontext_t* context);
// SIGTRAP: true if it is a single step of ours.
bool preempt_step(Thread& t, ucontext_t* context);

// The program faulted and its handler comes next: single-stepping ends here, and is not to be seen in the handler's frame.
void preempt_faulted(ucontext_t* context);

// The timer's signal (tape::kWatchdogSignal; true if it is the timer's), which goes on to the thread that runs, and
// whether it was what a call of this thread's returned EINTR for: then it is made again.
bool on_slice(Thread& t, const siginfo_t* info, ucontext_t* context);
bool slice_interrupted(Thread& t);

// Before the program goes on after an event.
extern volatile bool preempt_attention;
void preempt_before_program_slow(Thread& t);
inline void preempt_before_program(Thread& t) {
  if (__builtin_expect(preempt_attention, 0)) preempt_before_program_slow(t);
}

// The program ends: its memory is as if nobody had counted differently.
void preempt_settle();
// A forked child that leaves the tape: nothing is counted for it any more.
void preempt_leave();

}  // namespace reprise::stage
